"""`K.variable(0.) - c * K.sum(x)`: operators between variables and symbolic tensors."""

from __future__ import annotations

import functools
from typing import Any

import keras

from keras_bigdata.legacy.patching import wrap

_OPERATORS = (
    *("__add__", "__sub__", "__mul__", "__truediv__", "__floordiv__", "__mod__", "__pow__"),
    "__matmul__",
)


def install() -> None:
    """Lets a variable stand on the left of a symbolic tensor, as it may on the right."""
    for name in _OPERATORS:
        wrap(keras.Variable, name, _with_symbolic_tensors)


def _with_symbolic_tensors(operator: Any) -> Any:
    @functools.wraps(operator)
    def operator_with_symbolic_tensors(self: Any, other: Any) -> Any:
        if isinstance(other, keras.KerasTensor):
            return NotImplemented  # Python then calls the operator of the symbolic tensor.
        return operator(self, other)

    return operator_with_symbolic_tensors
