"""Callbacks for `model.fit` that work together with all of Keras's own.

weighted_validation          `WeightedValidation` (_validation_data, _requested_roles,
                             _metric_states); checks the data, the model and the other callbacks
                             (_training_data, _test_step, _callback_order)
best_weights_early_stopping  `BestWeightsEarlyStopping` (_best_weights_file, _former_weights)
score_log                    `ScoreLog`
input_report                 `InputReport` (_input_waiting, _device_wait, _longest_waiting,
                             _input_advice, _gil_probe, _run_record)
resume_training              `ResumeTraining`: reads the state of a training (_training_state,
                             _training_settings, _loss_arguments, _callback_states) into files
                             (_checkpoints: _checkpoint_directory or _checkpoint_url;
                             _checkpoint_file) when they are due (_checkpoint_schedule), one
                             training at a time (_running_training, _checkpoint_owner,
                             _trained_copies), if `fit` can be resumed (_resumable_fit,
                             _short_epoch)

Several processes: which ones train together (_training_processes), their parts of a validation set
(_divided_sets) and their checkpoints (_shared_checkpoints).
Used by several of them: _monitor, _keyboard_interrupt.
"""

from __future__ import annotations

from keras_bigdata.callbacks.best_weights_early_stopping import BestWeightsEarlyStopping
from keras_bigdata.callbacks.input_report import InputReport
from keras_bigdata.callbacks.resume_training import ResumeTraining
from keras_bigdata.callbacks.score_log import ScoreLog
from keras_bigdata.callbacks.weighted_validation import WeightedValidation

__all__ = [
    "BestWeightsEarlyStopping",
    "InputReport",
    "ResumeTraining",
    "ScoreLog",
    "WeightedValidation",
]
