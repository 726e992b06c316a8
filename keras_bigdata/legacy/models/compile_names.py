"""Names of losses and metrics that `compile` took in Keras 1 and 2: `"logcosh"`, `"fmeasure"`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import keras

from keras_bigdata.legacy.calling_script import default_keras_version, is_for_keras_1_or_2
from keras_bigdata.legacy.modules import batch_metrics
from keras_bigdata.old_keras.compiled_names import (
    BATCH_METRICS,
    BATCH_METRICS_IN_KERAS_3,
    CROSSENTROPIES,
    CROSSENTROPY,
    LOSS_NAMES,
    LOSSES_AS_METRICS,
)


def new_losses(losses: Any) -> Any:
    """Returns the argument `loss` with the names of Keras 3."""
    return _each(losses, lambda name: LOSS_NAMES.get(name, name))


def new_metrics(metrics: Any, loss: Any) -> Any:
    """Returns metrics with names of Keras 3, or objects that log under the old name.

    Args:
        metrics: an argument of `compile`.
        loss: the argument `loss`, which decides what `"crossentropy"` means.
    """
    return _each(metrics, lambda name: _new_metric(name, loss))


def _each(values: Any, change: Callable[[str], Any]) -> Any:
    """Returns an argument of `compile` with every name changed, in its lists and dicts."""
    if isinstance(values, str):
        return change(values)
    if isinstance(values, (list, tuple)):
        return type(values)(_each(value, change) for value in values)
    if isinstance(values, dict):
        return {output: _each(value, change) for output, value in values.items()}
    return values


def _new_metric(name: str, loss: Any) -> Any:
    if name in LOSSES_AS_METRICS:
        function, logged = LOSSES_AS_METRICS[name]
        if logged == "cosine_proximity":
            warnings.warn(
                f"compile: the metric {name!r} is the negative cosine, as in Keras before 2.3. "
                "In Keras 2.3 it was the cosine.",
                stacklevel=5,
            )
        return keras.metrics.MeanMetricWrapper(getattr(keras.losses, function), name=logged)
    if name in BATCH_METRICS:
        return getattr(batch_metrics, "fmeasure" if name in ("fscore", "f1score") else name)
    if name in BATCH_METRICS_IN_KERAS_3 and (default_keras_version() == 1 or is_for_keras_1_or_2()):
        return getattr(batch_metrics, name)  # Keras 2 had no metric of this name
    if name in CROSSENTROPY:
        named = loss if isinstance(loss, str) else getattr(loss, "__name__", "")
        return named if named in CROSSENTROPIES else name
    return name
