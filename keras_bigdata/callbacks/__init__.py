"""Callbacks for `model.fit` that work together with all of Keras's own.

weighted_validation           `WeightedValidation` (validation/)
best_weights_early_stopping   `BestWeightsEarlyStopping` (best_weights/)
score_log                     `ScoreLog`
resume_training               `ResumeTraining` (resuming/)
input_report                  `InputReport` (waiting/)

What several of them use is in shared/.
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
