"""Methods and attributes of models and metrics that Keras 3 does not have."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np

from keras_bigdata.legacy.generators import methods
from keras_bigdata.legacy.models.model_tensors import tensors
from keras_bigdata.legacy.patching import add_name


def install() -> None:
    """Adds the methods."""
    add_name(keras.Sequential, "predict_proba", predict_proba)
    add_name(keras.Sequential, "predict_classes", predict_classes)
    add_name(keras.Model, "predict_on_generator", methods.predict_generator)
    add_name(keras.Model, "to_yaml", to_yaml)
    add_name(keras.Model, "reset_states", reset_states)
    add_name(keras.Model, "input_names", _InputNames())
    for name in ("predict", "test", "train"):
        add_name(keras.Model, f"_make_{name}_function", _make_nothing)
    add_name(keras.metrics.Metric, "reset_states", _reset_metric)


def predict_proba(model: Any, x: Any, batch_size: int | None = 32, verbose: Any = 0) -> Any:
    """Returns `model.predict(x)`, and warns if values are not probabilities."""
    outputs = model.predict(x, batch_size=batch_size, verbose=verbose)
    if np.min(outputs) < 0.0 or np.max(outputs) > 1.0:
        warnings.warn(
            "predict_proba: the outputs are not between 0 and 1, so they are not probabilities. "
            "The last layer should have the activation softmax or sigmoid.",
            stacklevel=2,
        )
    return outputs


def predict_classes(model: Any, x: Any, batch_size: int | None = 32, verbose: Any = 0) -> Any:
    """Returns the class of each row: the greatest output or, for one output, whether it is > 0.5.

    Returns:
        An array of shape `(rows,)`, or `(rows, 1)` for one output, of integers.
    """
    outputs = model.predict(x, batch_size=batch_size, verbose=verbose)
    if outputs.shape[-1] > 1:
        return outputs.argmax(axis=-1)
    return (outputs > 0.5).astype("int32")


def reset_states(model: Any) -> None:
    """Resets the states of the stateful layers of a model, and of the models in it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model) or getattr(layer, "stateful", False):
            layer.reset_states()


class _InputNames:
    """An attribute with the names of the inputs. Unlike a property, a model may assign it."""

    def __get__(self, model: Any, owner: Any = None) -> Any:
        return self if model is None else [tensor.name for tensor in tensors(model, "inputs")]


def _make_nothing(model: Any) -> None:
    """Does nothing: Keras 3 makes the function in the first call, in any thread.

    In Keras 2, scripts called it before they used a model in several threads.
    """


def _reset_metric(metric: Any) -> None:
    """Resets a metric, under the name that the method had until `tf.keras` 2.4."""
    metric.reset_state()


def to_yaml(model: Any, **kwargs: Any) -> str:
    """Raises an error that names `to_json`."""
    raise RuntimeError(
        "`to_yaml` was removed, because reading the file could run code in it. Use "
        "`model.to_json()`, and `keras.models.model_from_json` to read it."
    )
