"""What old code reads from symbolic tensors: `x._keras_shape`, `x.get_shape().as_list()`."""

from __future__ import annotations

from typing import Any

import keras

from keras_bigdata.legacy.patching import add_name


class _Shape(tuple[Any, ...]):
    """A shape with the methods of a `tf.TensorShape` that scripts call."""

    __slots__ = ()

    @property
    def ndims(self) -> int:
        """Number of dimensions."""
        return len(self)

    def as_list(self) -> list[Any]:
        """Returns the dimensions as a list."""
        return list(self)


def install() -> None:
    """Adds the attributes to `keras.KerasTensor`."""
    add_name(keras.KerasTensor, "_keras_shape", property(lambda self: tuple(self.shape)))
    add_name(keras.KerasTensor, "get_shape", lambda self: _Shape(self.shape))
