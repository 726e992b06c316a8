"""`compiled_loss` and `compiled_metrics`, with which `train_step` of tf.keras 2 was written.

On TensorFlow, Keras 3 has both: its `compiled_loss` always contains `model.losses` and is not
logged, and its `compiled_metrics.update_state` adds the predictions to every mean of the model,
that of the loss included.
"""

from __future__ import annotations

from typing import Any

import keras

from keras_bigdata.legacy.patching import replace


def install() -> None:
    """Makes both compute and log what tf.keras 2 did."""
    for name, value in (
        ("compiled_loss", compiled_loss),
        ("compiled_metrics", property(_CompiledMetrics)),
    ):
        if hasattr(keras.Model, name):
            replace(keras.Model, name, value)


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
    for metric in self.metrics:
        if metric.name == "loss" and isinstance(metric, keras.metrics.Mean):
            metric.update_state(total, sample_weight=keras.ops.cast(rows, total.dtype))
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
