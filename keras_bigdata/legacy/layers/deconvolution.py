"""`Deconvolution2D(output_shape=)` of Keras 1."""

from __future__ import annotations

from typing import Any

from keras_bigdata.legacy.layers.base_layer import after_build


def set_output_shape(layer: Any, shape: Any) -> None:
    """Makes a transposed convolution return batches of a given shape.

    Several sizes are possible where `strides` are more than 1. Keras 1 took the size from
    `output_shape`; Keras 3 takes it from `output_padding`, which is set when the layer is built.

    Args:
        layer: a `Conv2DTranspose` that is not built.
        shape: the shape, with the batch and the channels, whose numbers are not used.
    """
    sizes = tuple(shape)[1:-1] if layer.data_format == "channels_last" else tuple(shape)[2:]
    after_build(layer, lambda input_shape, *_, **__: _set_padding(layer, input_shape, sizes))


def _set_padding(layer: Any, input_shape: Any, sizes: tuple[Any, ...]) -> None:
    if _sizes(layer, input_shape) == sizes:
        return
    former, layer.output_padding = layer.output_padding, 0
    smallest = _sizes(layer, input_shape)
    if None not in smallest and None not in sizes:
        padding = tuple(size - least for size, least in zip(sizes, smallest, strict=True))
        strides = layer.strides
        if all(0 <= one < stride for one, stride in zip(padding, strides, strict=True)):
            layer.output_padding = padding
            return
    layer.output_padding = former
    raise ValueError(
        f"Deconvolution2D: `output_shape` must be possible for an input of shape "
        f"{tuple(input_shape)}. Received: images of size {sizes}, but the layer returns images of "
        f"size {_sizes(layer, input_shape)}. Pass an `output_shape` that a convolution with the "
        "same kernel, strides and border_mode would turn into the input."
    )


def _sizes(layer: Any, input_shape: Any) -> tuple[Any, ...]:
    shape = tuple(layer.compute_output_shape(input_shape))
    return shape[1:-1] if layer.data_format == "channels_last" else shape[2:]
