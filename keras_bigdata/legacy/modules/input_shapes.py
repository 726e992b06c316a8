"""`_obtain_input_shape`, which scripts that define models like those of Keras have imported."""

from __future__ import annotations

import warnings
from typing import Any

import keras


def obtain_input_shape(  # noqa: PLR0917 - the signature of Keras 1 and 2
    input_shape: Any,
    default_size: int,
    min_size: int,
    data_format: str | None = None,
    require_flatten: bool | None = None,
    weights: str | None = None,
    *,
    dim_ordering: str | None = None,
    include_top: bool | None = None,
) -> tuple[int | None, ...]:
    """Returns the shape of the images that a model takes, without the axis of rows.

    Args:
        input_shape: what the user passed; `None` for the default.
        default_size: height and width of the images that the model was trained on.
        min_size: the smallest height and width.
        data_format: `"channels_last"` or `"channels_first"`; `None` for that of Keras.
        require_flatten: whether the model needs images of a known size.
        weights: `"imagenet"` if weights for three channels are loaded.
        dim_ordering: the name of `data_format` in Keras 1, with `"tf"` and `"th"`.
        include_top: the name of `require_flatten` in Keras 1.

    Raises:
        ValueError: if the model cannot take images of this shape.
    """
    ordering = data_format or dim_ordering or keras.config.image_data_format()
    is_first = ordering in ("channels_first", "th")
    flattens = bool(include_top if require_flatten is None else require_flatten)
    channels = 3
    if input_shape is not None and weights != "imagenet" and len(input_shape) == 3:
        channels = input_shape[0 if is_first else -1]
        if channels not in (1, 3):
            warnings.warn(
                f"The model usually takes images of 1 or 3 channels. Received: "
                f"input_shape={input_shape}",
                stacklevel=2,
            )
    size = (default_size, default_size)
    default = (channels, *size) if is_first else (*size, channels)
    if weights == "imagenet" and flattens:
        if input_shape is not None and tuple(input_shape) != default:
            raise ValueError(
                f"With the weights of ImageNet and the classifier, the images have the shape "
                f"{default}. Received: input_shape={input_shape}"
            )
        return default
    if input_shape is None:
        unknown = (None, None)
        any_size = (channels, *unknown) if is_first else (*unknown, channels)
        return default if flattens else any_size
    shape = tuple(input_shape)
    if len(shape) != 3:
        raise ValueError(f"`input_shape` must have three numbers. Received: {input_shape}")
    if weights == "imagenet" and shape[0 if is_first else -1] != 3:
        raise ValueError(
            f"The weights of ImageNet are for three channels. Received: input_shape={input_shape}"
        )
    sides = shape[1:] if is_first else shape[:-1]
    if any(side is not None and side < min_size for side in sides):
        raise ValueError(
            f"The images must be at least {min_size}x{min_size}. Received: "
            f"input_shape={input_shape}"
        )
    if flattens and None in shape:
        raise ValueError(
            "A model with a classifier of fixed size needs images of a known size. Received: "
            f"input_shape={input_shape}"
        )
    return shape
