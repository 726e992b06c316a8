"""The generator methods, on every model."""

from __future__ import annotations

import keras

from keras_bigdata.legacy.generators import methods
from keras_bigdata.legacy.patching import replace


def install() -> None:
    """Adds `fit_generator`, `evaluate_generator` and `predict_generator` to `keras.Model`."""
    replace(keras.Model, "fit_generator", methods.fit_generator)
    replace(keras.Model, "evaluate_generator", methods.evaluate_generator)
    replace(keras.Model, "predict_generator", methods.predict_generator)
