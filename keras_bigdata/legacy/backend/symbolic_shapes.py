"""The shape of a symbolic tensor, whose sizes may only be known with the data."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class SymbolicShape(tuple[Any, ...]):
    """The sizes of a symbolic tensor; `None` for those that are not known yet.

    It is an argument of functions that take a shape. `as_tensor` is for those that compute with it,
    such as `K.prod(K.cast(K.shape(x), "float32"))`.
    """

    _tensor: Any

    @classmethod
    def of(cls, tensor: Any) -> SymbolicShape:
        """Returns the shape of a symbolic tensor."""
        shape = cls(tuple(tensor.shape))
        shape._tensor = tensor
        return shape

    def as_tensor(self) -> Any:
        """Returns a symbolic tensor of the sizes."""
        return _Sizes()(self._tensor)


class _Sizes(keras.layers.Layer):
    """The sizes of its input, as a vector of integers."""

    def call(self, inputs: Any) -> Any:
        """Returns the sizes."""
        return ops.stack([ops.cast(size, "int32") for size in ops.shape(inputs)])

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the shape and dtype of the vector."""
        return keras.KerasTensor((len(inputs.shape),), dtype="int32")
