"""What `ResumeTraining` saves, where, when, and for which `fit`.

training_state         the state of a training as one document (training_settings, loss_arguments)
checkpoint_file        one checkpoint
checkpoints            numbered ones: in a directory (checkpoint_directory) or behind a URL
                       (checkpoint_url; checkpoint_owner)
checkpoint_schedule    when the next one is due
resumable_fit          whether the running `fit` can be resumed
short_epoch            the rest of an epoch that is resumed in its middle
trained_copies         which of the copies of a callback trains
shared_checkpoints     one file for several processes
"""
