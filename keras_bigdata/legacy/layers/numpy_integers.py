"""NumPy integers as sizes: `Dense(np.max(labels) + 1)`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_bigdata.legacy.layers.signatures import wraps_constructor
from keras_bigdata.legacy.patching import wrap

# Layers whose arguments have not changed. `arguments.convert_call` converts those of all others.
_UNCHANGED_LAYERS = (
    "DepthwiseConv2D",
    "Dot",
    "Permute",
    "RepeatVector",
    "Reshape",
    "SeparableConv1D",
)


def install() -> None:
    """Makes layers whose arguments have not changed accept NumPy integers."""
    for name in _UNCHANGED_LAYERS:
        wrap(getattr(keras.layers, name), "__init__", _with_numpy_integers)


def _with_numpy_integers(initialize: Any) -> Any:
    @wraps_constructor(initialize)
    def initialize_with_numpy_integers(self: Any, *args: Any, **kwargs: Any) -> None:
        kwargs = {key: as_integers(value) for key, value in kwargs.items()}
        initialize(self, *map(as_integers, args), **kwargs)

    return initialize_with_numpy_integers


def as_integers(value: Any) -> Any:
    """Converts NumPy integers to Python integers, also in tuples and lists.

    Other values are returned unchanged. Keras 1 and 2 took NumPy integers for sizes of layers, and
    Keras 3 refuses them in most layers.
    """
    if isinstance(value, np.integer):
        return int(value)
    if type(value) in (tuple, list):
        return type(value)(map(as_integers, value))
    return value
