"""Activations, convolutions, pooling and crossentropies, with `keras.ops`."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_bigdata.legacy.layers import values


def relu(x: Any, alpha: float = 0.0, max_value: Any = None, threshold: float = 0.0) -> Any:
    """Returns `x` above the threshold, else `alpha * (x - threshold)`."""
    negative = alpha * (x - threshold)
    result = ops.where(x > threshold if threshold else x >= threshold, x, negative)
    if max_value is None:
        return result
    return ops.where(x > threshold, ops.minimum(result, max_value), result)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """Returns `x`, or `alpha * (exp(x) - 1)` where it is negative."""
    return ops.elu(x, alpha=alpha)


def sigmoid(x: Any) -> Any:
    """Returns `1 / (1 + exp(-x))`."""
    return ops.sigmoid(x)


def hard_sigmoid(x: Any) -> Any:
    """Returns `0.2 * x + 0.5`, limited to 0 and 1; Keras 3 has the slope 1/6."""
    return values.hard_sigmoid(x)


def tanh(x: Any) -> Any:
    """Returns the hyperbolic tangent."""
    return ops.tanh(x)


def softmax(x: Any, axis: int = -1) -> Any:
    """Returns the exponentials, divided by their sum along an axis."""
    return ops.softmax(x, axis=axis)


def softplus(x: Any) -> Any:
    """Returns `log(exp(x) + 1)`."""
    return ops.softplus(x)


def softsign(x: Any) -> Any:
    """Returns `x / (abs(x) + 1)`."""
    return ops.softsign(x)


def l2_normalize(x: Any, axis: Any = None) -> Any:
    """Divides by the L2 norm along an axis, or of all."""
    total = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.rsqrt(ops.maximum(total, 1e-12))


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """Returns the crossentropy of each element."""
    return ops.binary_crossentropy(ops.cast(target, output.dtype), output, from_logits=from_logits)


def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """Returns the crossentropy with one-hot targets."""
    target = ops.cast(target, output.dtype)
    return ops.categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """Returns the crossentropy with class numbers as targets."""
    target = ops.cast(target, "int32")
    return ops.sparse_categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def batch_normalization(
    x: Any,
    mean: Any,
    var: Any,
    beta: Any,
    gamma: Any,
    axis: int = -1,
    epsilon: float = 1e-3,
) -> Any:
    """Normalizes with given means and variances, then scales and shifts."""
    result = (x - mean) * ops.rsqrt(var + epsilon)
    if gamma is not None:
        result = result * gamma
    return result if beta is None else result + beta


def bias_add(x: Any, bias: Any, data_format: str | None = None) -> Any:
    """Adds a bias to each channel."""
    rank = len(x.shape)
    if (data_format or keras.backend.image_data_format()) == "channels_first" and rank > 2:
        sizes = tuple(bias.shape)
        channels, rest = sizes[-1], sizes[:-1]
        if rest:
            bias = ops.transpose(bias, (len(rest), *range(len(rest))))
        return x + ops.reshape(bias, (1, channels, *(rest or (1,) * (rank - 2))))
    return x + bias


def conv1d(
    x: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Returns the convolution of sequences; `padding="causal"` pads the past."""
    if padding == "causal":
        x = ops.pad(x, ((0, 0), (dilation_rate * (int(kernel.shape[0]) - 1), 0), (0, 0)))
        padding = "valid"
    return ops.conv(x, kernel, strides, padding, data_format, dilation_rate)


def conv2d(
    x: Any,
    kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """Returns the convolution of images."""
    return ops.conv(x, kernel, tuple(strides), padding, data_format, tuple(dilation_rate))


def conv3d(
    x: Any,
    kernel: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1, 1),
) -> Any:
    """Returns the convolution of volumes."""
    return ops.conv(x, kernel, tuple(strides), padding, data_format, tuple(dilation_rate))


def depthwise_conv2d(
    x: Any,
    depthwise_kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """Returns the convolution of each channel of images."""
    return ops.depthwise_conv(
        x, depthwise_kernel, tuple(strides), padding, data_format, tuple(dilation_rate)
    )


def separable_conv1d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Returns the convolution of each channel of sequences, then of single steps."""
    kernels = (depthwise_kernel, pointwise_kernel)
    return ops.separable_conv(x, *kernels, strides, padding, data_format, dilation_rate)


def separable_conv2d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """Returns the convolution of each channel of images, then of single pixels."""
    kernels = (depthwise_kernel, pointwise_kernel)
    return ops.separable_conv(x, *kernels, tuple(strides), padding, data_format, dilation_rate)


def pool2d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    """Returns the maximum or the mean of parts of images; the default step is 1."""
    return _pool(x, pool_size, strides, padding, data_format, pool_mode)


def pool3d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    """Returns the maximum or the mean of parts of volumes; the default step is 1."""
    return _pool(x, pool_size, strides, padding, data_format, pool_mode)


def _pool(
    x: Any, pool_size: Any, strides: Any, padding: str, data_format: str | None, pool_mode: str
) -> Any:
    functions = {"max": ops.max_pool, "avg": ops.average_pool}
    if pool_mode not in functions:
        raise ValueError(f'pool_mode must be "max" or "avg", got {pool_mode!r}.')
    return functions[pool_mode](x, tuple(pool_size), tuple(strides), padding, data_format)
