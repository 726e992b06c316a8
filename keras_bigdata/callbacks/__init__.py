"""Callbacks for `model.fit` that work together with all of Keras's own."""

from __future__ import annotations

from keras_bigdata.callbacks.best_weights_early_stopping import BestWeightsEarlyStopping
from keras_bigdata.callbacks.resume_training import ResumeTraining
from keras_bigdata.callbacks.score_log import ScoreLog
from keras_bigdata.callbacks.weighted_validation import WeightedValidation

__all__ = ["BestWeightsEarlyStopping", "ResumeTraining", "ScoreLog", "WeightedValidation"]
