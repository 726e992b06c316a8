"""What `InputReport` measures and concludes.

input_waiting     measures how long training waits for batches
device_wait       waits until the device has finished
gil_probe         whether other threads hold the GIL
longest_waiting   which of several processes waits longest
input_advice      which stage is the limit, and what would help
run_document      the record of a training, for a report
"""
