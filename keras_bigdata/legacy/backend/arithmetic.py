"""Functions of each element of tensors, and comparisons, with `keras.ops`."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_bigdata.legacy.backend.symbolic_shapes import SymbolicShape


def abs(x: Any) -> Any:
    """Returns the absolute values."""
    return ops.abs(x)


def sign(x: Any) -> Any:
    """Returns the signs."""
    return ops.sign(x)


def square(x: Any) -> Any:
    """Returns the squares."""
    return ops.square(x)


def sqrt(x: Any) -> Any:
    """Returns the square roots; 0 for negative values, as in Keras 1 and 2."""
    return ops.sqrt(ops.maximum(x, 0))


def exp(x: Any) -> Any:
    """Returns the exponentials."""
    return ops.exp(x)


def log(x: Any) -> Any:
    """Returns the natural logarithms."""
    return ops.log(x)


def sin(x: Any) -> Any:
    """Returns the sines."""
    return ops.sin(x)


def cos(x: Any) -> Any:
    """Returns the cosines."""
    return ops.cos(x)


def round(x: Any) -> Any:
    """Rounds to integers, half to even."""
    return ops.round(x)


def pow(x: Any, a: Any) -> Any:
    """Returns the powers with exponent `a`."""
    return ops.power(x, a)


def clip(x: Any, min_value: Any, max_value: Any) -> Any:
    """Limits values to the range from `min_value` to `max_value`; `None` is no limit."""
    numbers = int | float
    if isinstance(min_value, numbers) and isinstance(max_value, numbers):
        max_value = max_value if max_value >= min_value else min_value
    low = -float("inf") if min_value is None else min_value
    high = float("inf") if max_value is None else max_value
    return ops.clip(x, low, high)


def maximum(x: Any, y: Any) -> Any:
    """Returns the larger of two elements."""
    return ops.maximum(x, y)


def minimum(x: Any, y: Any) -> Any:
    """Returns the smaller of two elements."""
    return ops.minimum(x, y)


def equal(x: Any, y: Any) -> Any:
    """Whether elements are equal."""
    return ops.equal(x, y)


def not_equal(x: Any, y: Any) -> Any:
    """Whether elements differ."""
    return ops.not_equal(x, y)


def greater(x: Any, y: Any) -> Any:
    """Whether `x > y`."""
    return ops.greater(x, y)


def greater_equal(x: Any, y: Any) -> Any:
    """Whether `x >= y`."""
    return ops.greater_equal(x, y)


def less(x: Any, y: Any) -> Any:
    """Whether `x < y`."""
    return ops.less(x, y)


def less_equal(x: Any, y: Any) -> Any:
    """Whether `x <= y`."""
    return ops.less_equal(x, y)


def lesser(x: Any, y: Any) -> Any:
    """Whether `x < y`: the name in Keras 1."""
    return ops.less(x, y)


def lesser_equal(x: Any, y: Any) -> Any:
    """Whether `x <= y`: the name in Keras 1."""
    return ops.less_equal(x, y)


def cast(x: Any, dtype: str) -> Any:
    """Converts to another dtype."""
    return ops.cast(x.as_tensor() if isinstance(x, SymbolicShape) else x, dtype)


def cast_to_floatx(x: Any) -> Any:
    """Converts to `keras.backend.floatx()`."""
    return cast(x, keras.backend.floatx())


def identity(x: Any, name: str | None = None) -> Any:
    """Returns the tensor itself."""
    return x


def stop_gradient(variables: Any) -> Any:
    """Returns the tensor, or the list of tensors, as constants for gradients."""
    if isinstance(variables, list | tuple):
        return [ops.stop_gradient(variable) for variable in variables]
    return ops.stop_gradient(variables)
