"""Attributes of symbolic tensors that old code reads: `x._keras_shape`, `x.shape.as_list()`."""

from __future__ import annotations

import sys
from typing import Any, SupportsIndex

import keras

from keras_bigdata.legacy.patching import add_name, wrap


class _Dimension(int):
    """A dimension of a shape, with the attribute of `tf.Dimension` that scripts read."""

    @property
    def value(self) -> int:
        """The number; an unknown dimension is `None`, and has no attributes."""
        return int(self)


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

    def __getitem__(self, key: SupportsIndex | slice) -> Any:
        """Returns a dimension, or the shape of some of them."""
        found: Any = super().__getitem__(key)
        if isinstance(key, slice):
            return _Shape(found)
        return found if found is None else _Dimension(found)


def install() -> None:
    """Adds the attributes to `keras.KerasTensor`."""
    add_name(keras.KerasTensor, "_keras_shape", property(lambda self: tuple(self.shape)))
    add_name(keras.KerasTensor, "get_shape", lambda self: _Shape(self.shape))
    # In Keras 2 both were the shape of a TensorFlow tensor; Keras 3 has a tuple.
    wrap(keras.KerasTensor, "shape", _with_methods)


def _with_methods(former: Any) -> Any:
    def shape(self: Any) -> Any:
        found = former.fget(self)
        # Keras passes its shapes to `build` and `compute_output_shape` of layers, which check
        # `type(input_shape[0]) is tuple`, and to `keras.tree`, for which a subclass is a leaf.
        reader = sys._getframe(1).f_globals.get("__name__") or ""
        return found if reader.startswith(("keras.", "tensorflow.")) else _Shape(found)

    return property(shape, former.fset)
