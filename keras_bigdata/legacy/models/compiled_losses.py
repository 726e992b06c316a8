"""`compiled_loss` and `compiled_metrics`, with which `train_step` of tf.keras 2 was written.

On TensorFlow, Keras 3 has both: its `compiled_loss` always contains `model.losses` and is not
logged, and its `compiled_metrics.update_state` adds the predictions to every mean of the model,
that of the loss included.

A `train_step` that returned `{"loss": loss}` was logged with this loss. Keras 3 logs the mean of
the losses that it computed itself, which are none, if the names are equal: 0.0.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import keras

from keras_bigdata.legacy.patching import replace, wrap


def install() -> None:
    """Makes both compute and log what tf.keras 2 did."""
    for name, value in (
        ("compiled_loss", compiled_loss),
        ("compiled_metrics", property(_CompiledMetrics)),
    ):
        if hasattr(keras.Model, name):
            replace(keras.Model, name, value)
    wrap(keras.Model, "get_metrics_result", _without_unused_loss)


def has_own_step(model: Any) -> bool:
    """Returns whether the class of a model defines the step of training or of evaluation."""
    names = ("train_step", "test_step")
    return any(getattr(type(model), n, None) is not getattr(keras.Model, n) for n in names)


def _without_unused_loss(get_metrics_result: Any) -> Any:
    @functools.wraps(get_metrics_result)
    def get_result(self: Any) -> Mapping[str, Any]:
        results: Mapping[str, Any] = get_metrics_result(self)
        means = _loss_means(self) if "loss" in results and has_own_step(self) else []
        if means and all(map(_is_unused, means)):
            return {name: result for name, result in results.items() if name != "loss"}
        return results

    return get_result


def _loss_means(model: Any) -> list[Any]:
    return [m for m in model.metrics if m.name == "loss" and isinstance(m, keras.metrics.Mean)]


def _is_unused(mean: Any) -> bool:
    try:
        return float(mean.count) == 0
    except (AttributeError, TypeError):  # within a function that TensorFlow or JAX traces
        return False


def compiled_loss(
    self: Any,
    y: Any,
    y_pred: Any,
    sample_weight: Any = None,
    regularization_losses: Any = None,
) -> Any:
    """Returns the loss of a batch, and adds it to the loss that is logged.

    Args:
        self: the model.
        y: the targets.
        y_pred: the predictions.
        sample_weight: weights of the rows. Defaults to `None`.
        regularization_losses: scalars that are added to it, as `model.losses`. Defaults to `None`.
    """
    total = self.compute_loss(x=None, y=y, y_pred=y_pred, sample_weight=sample_weight)
    for loss in self.losses:
        total -= keras.ops.cast(loss, total.dtype)
    for loss in regularization_losses or ():
        total += keras.ops.cast(loss, total.dtype)
    rows = keras.ops.shape(keras.tree.flatten(y_pred)[0])[0]
    for mean in _loss_means(self):
        mean.update_state(total, sample_weight=keras.ops.cast(rows, total.dtype))
    return total


class _CompiledMetrics:
    """The metrics that were passed to `compile`.

    Args:
        model: the model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def update_state(self, y: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch to them."""
        keras.Model.compute_metrics(self._model, None, y, y_pred, sample_weight)
