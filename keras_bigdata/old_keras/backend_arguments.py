"""Arguments of functions of `keras.backend` in Keras 1 that Keras 2 renamed or removed."""

from __future__ import annotations

_ORDER = {"dim_ordering": "data_format"}
_CONVOLUTION = {**_ORDER, "border_mode": "padding", "filter_dilation": "dilation_rate"}

# Old and new names by function.
RENAMED: dict[str, dict[str, str]] = {
    "batch_get_value": {"xs": "ops"},
    "conv1d": {"border_mode": "padding", "stride": "strides"},
    "conv2d": _CONVOLUTION,
    "conv3d": _CONVOLUTION,
    "expand_dims": {"dim": "axis"},
    "moving_average_update": {"variable": "x"},
    "one_hot": {"nb_classes": "num_classes"},
    "pool2d": _CONVOLUTION,
    "pool3d": _CONVOLUTION,
    "random_normal": {"std": "stddev"},
    "random_uniform": {"low": "minval", "high": "maxval"},
    "resize_images": {"X": "x", **_ORDER},
    "resize_volumes": {"X": "x", **_ORDER},
    "separable_conv2d": _CONVOLUTION,
    "spatial_2d_padding": _ORDER,
    "spatial_3d_padding": _ORDER,
}
# Shapes that only Theano used.
IGNORED = frozenset({"filter_shape", "image_shape", "volume_shape"})
