"""Shapes, joining, padding and indexing of tensors, with `keras.ops`."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_bigdata.legacy.backend.symbolic_shapes import SymbolicShape
from keras_bigdata.old_keras.layers import DATA_FORMATS


def int_shape(x: Any) -> tuple[int | None, ...]:
    """Returns the static shape as a tuple."""
    return tuple(x.shape)


def shape(x: Any) -> Any:
    """Returns the shape; its items may be tensors."""
    return SymbolicShape.of(x) if isinstance(x, keras.KerasTensor) else ops.shape(x)


def ndim(x: Any) -> int:
    """Returns the number of dimensions."""
    return len(x.shape)


def dtype(x: Any) -> str:
    """Returns the name of the dtype."""
    return str(keras.backend.standardize_dtype(x.dtype))


def count_params(x: Any) -> int:
    """Returns the number of elements."""
    return math.prod(x.shape)


def reshape(x: Any, shape: Any) -> Any:
    """Returns the elements in another shape; `None` and -1 stand for the remaining size."""
    return ops.reshape(x, tuple(-1 if size is None else size for size in shape))


def flatten(x: Any) -> Any:
    """Returns all elements in one dimension."""
    return ops.reshape(x, (-1,))


def batch_flatten(x: Any) -> Any:
    """Returns a matrix with one row per sample."""
    sizes = tuple(x.shape)[1:]
    return ops.reshape(x, (-1, math.prod(sizes)) if None not in sizes else (ops.shape(x)[0], -1))


def expand_dims(x: Any, axis: int = -1) -> Any:
    """Adds a dimension of size 1."""
    return ops.expand_dims(x, axis)


def squeeze(x: Any, axis: int) -> Any:
    """Removes a dimension of size 1."""
    return ops.squeeze(x, axis)


def transpose(x: Any) -> Any:
    """Reverses the order of the dimensions."""
    return ops.transpose(x)


def permute_dimensions(x: Any, pattern: Any) -> Any:
    """Changes the order of the dimensions."""
    return ops.transpose(x, tuple(pattern))


def concatenate(tensors: Any, axis: int = -1) -> Any:
    """Joins tensors along an axis."""
    return ops.concatenate(list(tensors), axis=axis)


def stack(x: Any, axis: int = 0) -> Any:
    """Joins tensors along a new axis."""
    return ops.stack(list(x), axis=axis)


def tile(x: Any, n: Any) -> Any:
    """Repeats the tensor `n` times in each dimension."""
    return ops.tile(x, (n,) if isinstance(n, int) else tuple(n))


def repeat(x: Any, n: int) -> Any:
    """Turns (batch, size) into (batch, n, size)."""
    return ops.repeat(ops.expand_dims(x, 1), n, axis=1)


def repeat_elements(x: Any, rep: int, axis: int) -> Any:
    """Repeats each element along an axis."""
    return ops.repeat(x, rep, axis=axis)


def reverse(x: Any, axes: Any) -> Any:
    """Reverses the order along axes."""
    return ops.flip(x, axis=axes)


def slice(x: Any, start: Any, size: Any) -> Any:
    """Returns the part that begins at `start` and has the shape `size`."""
    return ops.slice(x, start, size)


def gather(reference: Any, indices: Any) -> Any:
    """Returns the rows at the indices."""
    return ops.take(reference, ops.cast(indices, "int32"), axis=0)


def one_hot(indices: Any, num_classes: int) -> Any:
    """Returns rows with a 1 at the index and zeros elsewhere."""
    return ops.one_hot(ops.cast(indices, "int32"), num_classes)


def in_top_k(predictions: Any, targets: Any, k: int) -> Any:
    """Whether each target is among the `k` largest predictions."""
    return ops.in_top_k(ops.cast(targets, "int32"), predictions, k)


def zeros_like(x: Any, dtype: str | None = None, name: str | None = None) -> Any:
    """Returns zeros in the shape of `x`."""
    return ops.zeros_like(x, dtype=dtype)


def ones_like(x: Any, dtype: str | None = None, name: str | None = None) -> Any:
    """Returns ones in the shape of `x`."""
    return ops.ones_like(x, dtype=dtype)


def constant(
    value: Any, dtype: str | None = None, shape: Any = None, name: str | None = None
) -> Any:
    """Returns a tensor with the value, in `floatx` by default."""
    tensor = ops.convert_to_tensor(value, dtype=dtype or keras.backend.floatx())
    return tensor if shape is None else ops.broadcast_to(tensor, tuple(shape))


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: str = "int32") -> Any:
    """Returns evenly spaced numbers."""
    if stop is None and start < 0:
        start = 0
    return ops.arange(start, stop, step, dtype=dtype)


def temporal_padding(x: Any, padding: Any = (1, 1)) -> Any:
    """Pads the time steps of (batch, time, features) with zeros."""
    return ops.pad(x, ((0, 0), tuple(padding), (0, 0)))


def spatial_2d_padding(
    x: Any, padding: Any = ((1, 1), (1, 1)), data_format: str | None = None
) -> Any:
    """Pads rows and columns of images with zeros."""
    return _pad_images(x, padding, data_format)


def spatial_3d_padding(
    x: Any, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None
) -> Any:
    """Pads the three dimensions of volumes with zeros."""
    return _pad_images(x, padding, data_format)


def asymmetric_temporal_padding(x: Any, left_pad: int = 1, right_pad: int = 1) -> Any:
    """Pads time steps with zeros: the name in Keras 1."""
    return temporal_padding(x, (left_pad, right_pad))


def asymmetric_spatial_2d_padding(
    x: Any,
    top_pad: int = 1,
    bottom_pad: int = 1,
    left_pad: int = 1,
    right_pad: int = 1,
    dim_ordering: str = "default",
) -> Any:
    """Pads images with zeros: the name in Keras 1."""
    return _pad_images(
        x, ((top_pad, bottom_pad), (left_pad, right_pad)), DATA_FORMATS.get(dim_ordering)
    )


def resize_images(
    x: Any, height_factor: int, width_factor: int, data_format: str, interpolation: str = "nearest"
) -> Any:
    """Enlarges images by integer factors."""
    if data_format in ("th", "tf"):
        data_format = str(DATA_FORMATS[data_format])
    first = 2 if data_format == "channels_first" else 1
    if interpolation == "nearest":
        x = ops.repeat(x, height_factor, axis=first)
        return ops.repeat(x, width_factor, axis=first + 1)
    sizes = tuple(x.shape)[first : first + 2]
    return ops.image.resize(
        x,
        (sizes[0] * height_factor, sizes[1] * width_factor),
        interpolation=interpolation,
        data_format=data_format,
    )


def resize_volumes(
    x: Any, depth_factor: int, height_factor: int, width_factor: int, data_format: str
) -> Any:
    """Enlarges volumes by integer factors."""
    first = 2 if data_format == "channels_first" else 1
    for axis, factor in enumerate((depth_factor, height_factor, width_factor), first):
        x = ops.repeat(x, factor, axis=axis)
    return x


def _pad_images(x: Any, padding: Any, data_format: str | None) -> Any:
    sides = tuple(tuple(pair) for pair in padding)
    if (data_format or keras.backend.image_data_format()) == "channels_first":
        return ops.pad(x, ((0, 0), (0, 0), *sides))
    return ops.pad(x, ((0, 0), *sides, (0, 0)))
