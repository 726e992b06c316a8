"""Convolutions and poolings of images with channels first, on a CPU with TensorFlow."""

from __future__ import annotations

import functools
from typing import Any

import keras

from keras_bigdata.legacy.patching import wrap

_NAMES = ("Conv", "SeparableConv", "DepthwiseConv", "MaxPooling", "AveragePooling")
_LAYERS = [
    *(f"{name}{rank}D" for name in _NAMES for rank in (1, 2, 3)),
    *(f"Conv{rank}DTranspose" for rank in (1, 2, 3)),
]


def install() -> None:
    """Makes these layers run where TensorFlow refuses `channels_first`.

    TensorFlow has most of these operations on GPUs only, or when it compiles with XLA. Keras 1 and
    2 moved the channels to the end and back; Keras 3 does not.
    """
    if keras.backend.backend() == "tensorflow":
        for name in _LAYERS:
            if hasattr(keras.layers, name):
                wrap(getattr(keras.layers, name), "call", _with_channels_moved)


@functools.cache
def _has_gpu() -> bool:
    return bool(keras.distribution.list_devices("gpu"))


def _with_channels_moved(call: Any) -> Any:
    @functools.wraps(call)
    def call_with_channels_moved(self: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if self.data_format != "channels_first" or _has_gpu():
            return call(self, inputs, *args, **kwargs)
        self.data_format = "channels_last"
        try:
            outputs = call(self, keras.ops.moveaxis(inputs, 1, -1), *args, **kwargs)
        finally:
            self.data_format = "channels_first"
        return keras.ops.moveaxis(outputs, -1, 1)

    return call_with_channels_moved
