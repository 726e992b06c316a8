"""`TimeDistributed` with one call of its layer for all steps, as Keras 2 computed it.

Keras 2 called the layer once, with the frames of all steps as one batch:
https://github.com/keras-team/keras/blob/2.2.4/keras/layers/wrappers.py (`TimeDistributed.call`).
Keras 3 calls it for each step. A BatchNormalization then has the statistics of each step alone and
updates its moving averages once for each step: with a momentum of 0.5 and 3 steps, the moving mean
of inputs of 1 is 0.875 after a batch instead of 0.5. It also ignores the `activity_regularizer` of
the layer, because it calls `layer.call`. Where the number of steps is unknown on TensorFlow, it
takes the number of rows for it, up to 3.15.1 at least: 2 rows of 3 steps become 2 rows of 2 steps.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

import keras
from keras import ops

from keras_bigdata.keras_internals.layers import all_layers
from keras_bigdata.legacy.patching import wrap


def install() -> None:
    """Makes `TimeDistributed` call layers once where the results depend on it."""
    wrap(keras.layers.TimeDistributed, "call", _calling_once)


def _calling_once(call: Any) -> Any:
    @functools.wraps(call)
    def call_once(self: Any, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        layers = all_layers(self.layer)
        # The states of a layer have one row for each row of the batch, not for each frame.
        has_states = any(getattr(each, "stateful", False) for each in layers)
        is_loop_right = inputs.shape[1] is not None and not _depends_on_batch(layers)
        if has_states or is_loop_right:
            return call(self, inputs, training=training, mask=mask)
        shape = ops.shape(inputs)
        taken = inspect.signature(self.layer.call).parameters
        arguments = {"training": training} if "training" in taken else {}
        # BatchNormalization of Keras 2 did not take a mask.
        is_normalization = isinstance(self.layer, keras.layers.BatchNormalization)
        if mask is not None and "mask" in taken and not is_normalization:
            arguments["mask"] = ops.reshape(mask, (-1, *ops.shape(mask)[2:]))
        # `layer.call` does not apply `activity_regularizer`. Calling the layer warns of a mask that
        # it does not pass on, though `TimeDistributed` does.
        compute = self.layer if _has_regularizer(self.layer) else self.layer.call
        outputs = compute(ops.reshape(inputs, (-1, *shape[2:])), **arguments)
        return ops.reshape(outputs, (*shape[:2], *ops.shape(outputs)[1:]))

    return call_once


def _depends_on_batch(layers: list[Any]) -> bool:
    """Whether a layer returns or changes something else if all steps are one batch.

    Args:
        layers: the layer and all layers in it.
    """
    return bool(
        layers[0].non_trainable_weights
        or _has_regularizer(layers[0])
        or any(isinstance(each, keras.layers.BatchNormalization) for each in layers)
    )


def _has_regularizer(layer: Any) -> bool:
    return getattr(layer, "activity_regularizer", None) is not None
