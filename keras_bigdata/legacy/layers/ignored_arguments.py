"""Arguments of layers that Keras 2 took without an effect, and that Keras 3 refuses."""

from __future__ import annotations

import warnings
from typing import Any

import keras

from keras_bigdata.legacy.layers.signatures import wraps_constructor
from keras_bigdata.legacy.patching import wrap
from keras_bigdata.old_keras.keras_2_layers import IGNORED_KERNEL_ARGUMENTS


def install() -> None:
    """Makes separable convolutions take `kernel_initializer` and similar arguments, and warn."""
    for name in ("SeparableConv1D", "SeparableConv2D", "DepthwiseConv2D"):
        wrap(getattr(keras.layers, name), "__init__", _without_kernel_arguments)


def _without_kernel_arguments(initialize: Any) -> Any:
    @wraps_constructor(initialize)
    def initialize_without_kernel_arguments(self: Any, *args: Any, **kwargs: Any) -> None:
        ignored = sorted(kwargs.keys() & IGNORED_KERNEL_ARGUMENTS)
        if ignored:
            values = {name: kwargs.pop(name) for name in ignored}
            if any(value is not None for value in values.values()):
                warnings.warn(
                    f"{type(self).__name__}: {', '.join(ignored)} has no effect, as in Keras 2, "
                    "because the layer has no kernel but a depthwise (and a pointwise) one. Keras "
                    f"3 refuses it. For an effect, pass {ignored[0].replace('kernel', 'depthwise')}"
                    f" and {ignored[0].replace('kernel', 'pointwise')}.",
                    stacklevel=2,
                )
        initialize(self, *args, **kwargs)

    return initialize_without_kernel_arguments
