"""`K.variable(0.) - c * K.sum(x)`, and `set(model.trainable_weights)`: operators of variables."""

from __future__ import annotations

import functools
from typing import Any

import keras

from keras_bigdata.legacy.patching import replace, wrap

_OPERATORS = (
    *("__add__", "__sub__", "__mul__", "__truediv__", "__floordiv__", "__mod__", "__pow__"),
    "__matmul__",
)


def install() -> None:
    """Lets a variable stand on the left of a symbolic tensor, and be an element of a set."""
    # Keras 3 has `==` of the values, and no hash. Sets compare objects of equal hashes only.
    replace(keras.Variable, "__hash__", object.__hash__)
    for name in _OPERATORS:
        wrap(keras.Variable, name, _with_symbolic_tensors)


def _with_symbolic_tensors(operator: Any) -> Any:
    @functools.wraps(operator)
    def operator_with_symbolic_tensors(self: Any, other: Any) -> Any:
        if isinstance(other, keras.KerasTensor):
            return NotImplemented  # Python then calls the operator of the symbolic tensor.
        return operator(self, other)

    return operator_with_symbolic_tensors
