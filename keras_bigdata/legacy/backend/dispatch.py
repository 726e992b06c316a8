"""Chooses between TensorFlow's function and the one that is written with `keras.ops`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras

from keras_bigdata.legacy.backend.symbolic_shapes import SymbolicShape


def is_symbolic(*values: Any) -> bool:
    """Whether there is a symbolic tensor, such as `layer.output`, in nested values, or a shape."""
    kinds = (keras.KerasTensor, SymbolicShape)
    return any(isinstance(value, kinds) for value in keras.tree.flatten(values))


def on_symbolic_tensors(
    concrete: Callable[..., Any], symbolic: Callable[..., Any]
) -> Callable[..., Any]:
    """Returns a function that calls `symbolic` if an argument is symbolic, else `concrete`."""

    @functools.wraps(symbolic)
    def function(*args: Any, **kwargs: Any) -> Any:
        chosen = symbolic if is_symbolic(args, kwargs) else concrete
        return chosen(*args, **kwargs)

    return function
