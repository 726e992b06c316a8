"""`metrics=["accuracy"]` with `loss="binary_crossentropy"`.

In `keras` 1 and 2 it was the accuracy of the single numbers, also for rows of several numbers.
Keras 3 then compares the positions of the greatest numbers (argmax).
"""

from __future__ import annotations

import functools
import warnings
from typing import Any

import keras

from keras_bigdata.legacy.calling_script import keras_root
from keras_bigdata.legacy.models.compile_arguments import named_arguments
from keras_bigdata.legacy.patching import defining_class, wrap

_ACCURACIES = ("accuracy", "acc")


def install() -> None:
    """Makes `compile` read `"accuracy"` with binary losses as `keras` 1 and 2 did."""
    wrap(defining_class(keras.Model, "compile"), "compile", _with_old_metrics)


def _with_old_metrics(compile_model: Any) -> Any:
    @functools.wraps(compile_model)
    def compile(self: Any, *args: Any, **kwargs: Any) -> Any:
        named = named_arguments(args, kwargs)
        is_binary = keras_root() == "keras" and _is_binary(named.get("loss"))
        for name in ("metrics", "weighted_metrics"):
            if named.get(name) is not None:
                named[name] = _map(named[name], lambda metric: _old_metric(metric, is_binary))
        return compile_model(self, **named)

    return compile


def _is_binary(loss: Any) -> bool:
    losses = list(loss.values()) if isinstance(loss, dict) else loss
    losses = losses if isinstance(losses, list | tuple) else [losses]
    return all(
        one == "binary_crossentropy"
        or one is keras.losses.binary_crossentropy
        or isinstance(one, keras.losses.BinaryCrossentropy)
        for one in losses
    )


def _map(metrics: Any, change: Any) -> Any:
    if isinstance(metrics, dict):
        return {name: _map(metric, change) for name, metric in metrics.items()}
    if isinstance(metrics, list | tuple):
        return [_map(metric, change) for metric in metrics]
    return change(metrics)


def _old_metric(metric: Any, is_binary: bool) -> Any:
    if is_binary and isinstance(metric, str) and metric in _ACCURACIES:
        warnings.warn(
            f"metrics=[{metric!r}] with binary_crossentropy is the accuracy of the single numbers "
            "(BinaryAccuracy), as in `keras` 1 and 2. With several outputs, tensorflow.keras 2 and "
            "Keras 3 compare the positions of the greatest numbers (CategoricalAccuracy).",
            stacklevel=4,
        )
        return keras.metrics.BinaryAccuracy(name=metric)
    return metric
