"""`image_dim_ordering` of Keras 1: `"th"` is `channels_first`, `"tf"` is `channels_last`."""

from __future__ import annotations

import keras

from keras_bigdata.old_keras.layers import DATA_FORMATS

_FORMATS = {name: value for name, value in DATA_FORMATS.items() if value is not None}


def image_dim_ordering() -> str:
    """Returns `"th"` or `"tf"`."""
    names = {data_format: name for name, data_format in _FORMATS.items()}
    return names[keras.backend.image_data_format()]


def set_image_dim_ordering(dim_ordering: str) -> None:
    """Sets the order of the dimensions of images.

    Args:
        dim_ordering: `"th"` or `"tf"`.

    Raises:
        ValueError: if it is another value.
    """
    if dim_ordering not in _FORMATS:
        raise ValueError(f'dim_ordering must be "th" or "tf", got {dim_ordering!r}.')
    keras.backend.set_image_data_format(_FORMATS[dim_ordering])


def normalize_data_format(value: str | None) -> str:
    """Returns `"channels_first"` or `"channels_last"`; for `None`, the setting of Keras."""
    result = (value or keras.backend.image_data_format()).lower()
    if result not in _FORMATS.values():
        raise ValueError(f'data_format must be "channels_first" or "channels_last", got {value!r}.')
    return result
