"""What several callbacks use.

monitor              the quantity that a callback monitors
keyboard_interrupt   Ctrl-C between two batches
running_training     whether a training in another thread is still running
training_processes   which processes train together
callback_states      saves and restores the states of callbacks
"""
