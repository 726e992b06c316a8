"""Sums, means and products of tensors, with `keras.ops`."""

from __future__ import annotations

import warnings
from typing import Any

import keras
from keras import ops

from keras_bigdata.legacy.backend.symbolic_shapes import SymbolicShape


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the sum."""
    return ops.sum(x, axis=axis, keepdims=keepdims)


def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the product."""
    x = x.as_tensor() if isinstance(x, SymbolicShape) else x
    return ops.prod(x, axis=axis, keepdims=keepdims)


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the maximum."""
    return ops.max(x, axis=axis, keepdims=keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the minimum."""
    return ops.min(x, axis=axis, keepdims=keepdims)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the mean; that of booleans is a float."""
    return ops.mean(_without_booleans(x), axis=axis, keepdims=keepdims)


def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the variance."""
    return ops.var(_without_booleans(x), axis=axis, keepdims=keepdims)


def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the standard deviation."""
    return ops.std(_without_booleans(x), axis=axis, keepdims=keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether any element is true."""
    return ops.any(ops.cast(x, "bool"), axis=axis, keepdims=keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether all elements are true."""
    return ops.all(ops.cast(x, "bool"), axis=axis, keepdims=keepdims)


def argmax(x: Any, axis: int = -1) -> Any:
    """Returns the index of the maximum along an axis."""
    return ops.argmax(x, axis=axis)


def argmin(x: Any, axis: int = -1) -> Any:
    """Returns the index of the minimum along an axis."""
    return ops.argmin(x, axis=axis)


def cumsum(x: Any, axis: int = 0) -> Any:
    """Returns the sums of the elements up to each one."""
    return ops.cumsum(x, axis=axis)


def cumprod(x: Any, axis: int = 0) -> Any:
    """Returns the products of the elements up to each one."""
    return ops.cumprod(x, axis=axis)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns `log(sum(exp(x)))`."""
    return ops.logsumexp(x, axis=axis, keepdims=keepdims)


def dot(x: Any, y: Any) -> Any:
    """Returns the products, summed over the last axis of `x` and the second-to-last of `y`."""
    return ops.dot(x, y)


def batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    """Returns the products of each row of a batch, summed over one axis of each tensor.

    The result has at least the dimensions (batch, 1).
    """
    x_rank, y_rank = len(x.shape), len(y.shape)
    if axes is None:
        axes = (x_rank - 1, y_rank - 1 if y_rank == 2 else y_rank - 2)
    if isinstance(axes, int):
        axes = (axes, axes)
    x_axis, y_axis = (axis % rank for axis, rank in zip(axes, (x_rank, y_rank), strict=True))
    if 0 in (x_axis, y_axis):
        raise ValueError("batch_dot: the batch (axis 0) cannot be summed over.")
    if x_rank > 3 or y_rank > 3:
        return _batch_matmul(x, y, x_axis, y_axis)
    letters = "abcdefghijklmnopqrstuvwxyz"
    x_names = [letters[i] for i in range(x_rank)]
    y_names = ["a", *(letters[x_rank + i] for i in range(1, y_rank))]
    y_names[y_axis] = x_names[x_axis]
    summed = x_names[x_axis]
    rest = [n for n in x_names if n != summed] + [n for n in y_names[1:] if n != summed]
    result = ops.einsum(f"{''.join(x_names)},{''.join(y_names)}->{''.join(rest)}", x, y)
    return ops.expand_dims(result, 1) if x_rank == y_rank == 2 else result


def _batch_matmul(x: Any, y: Any, x_axis: int, y_axis: int) -> Any:
    """Multiplies the matrices of the last two axes, as `keras` until 2.2.4 with more than 3 axes.

    Source: `batch_dot` in
    https://github.com/keras-team/keras/blob/2.2.4/keras/backend/tensorflow_backend.py
    """
    x_rank, y_rank = len(x.shape), len(y.shape)
    smaller, rank = sorted((x_rank, y_rank))
    if x_axis < rank - 2 or y_axis < rank - 2:
        raise ValueError(
            f"batch_dot: with {x_rank} and {y_rank} axes, Keras until 2.2.4 summed over one of the "
            f"last two axes only, and Keras 2.3 over any. Received: axes={(x_axis, y_axis)}. Use "
            "keras.ops.einsum."
        )
    warnings.warn(
        f"batch_dot with {x_rank} and {y_rank} axes multiplies the matrices of the last two axes, "
        "as in Keras until 2.2.4; in Keras 2.3 the result has the other axes of both tensors. Use "
        "keras.ops.einsum to choose.",
        stacklevel=3,
    )
    for _ in range(rank - x_rank):
        x = ops.expand_dims(x, -1)
    for _ in range(rank - y_rank):
        y = ops.expand_dims(y, -1)
    if x_axis != rank - 1:
        x = ops.swapaxes(x, -1, -2)
    if y_axis == rank - 1:
        y = ops.swapaxes(y, -1, -2)
    result = ops.matmul(x, y)
    if x_rank == y_rank:
        return result
    first = x_rank - 1 if x_rank < y_rank else x_rank + y_rank - 3
    return ops.squeeze(result, tuple(range(first, first + rank - smaller)))


def _without_booleans(x: Any) -> Any:
    is_boolean = keras.backend.standardize_dtype(x.dtype) == "bool"
    return ops.cast(x, keras.backend.floatx()) if is_boolean else x
