"""Arguments that every layer of Keras 1 and 2 took: `weights` and `batch_input_shape`."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np

from keras_bigdata.legacy.layers.signatures import wraps_constructor
from keras_bigdata.legacy.patching import wrap

_BATCH_SHAPE = "_keras_bigdata_batch_shape"


def install() -> None:
    """Makes the constructors and `Sequential.add` accept these arguments."""
    wrap(keras.Layer, "__init__", _with_old_arguments)
    wrap(keras.Sequential, "add", _with_batch_shapes)


def set_batch_shape(layer: Any, shape: Any) -> None:
    """Sets the shape of the batches of a model that begins with a layer."""
    setattr(layer, _BATCH_SHAPE, tuple(shape))


def after_build(layer: Any, function: Any) -> None:
    """Calls a function once, with the arguments of `build`, after a layer was built."""
    build = layer.build
    is_done = False

    @functools.wraps(build)
    def build_and_call(*args: Any, **kwargs: Any) -> None:
        nonlocal is_done
        build(*args, **kwargs)
        if not is_done:
            is_done = True
            function(*args, **kwargs)

    if layer.built:
        function()
    else:
        layer.build = build_and_call


def _with_old_arguments(initialize: Any) -> Any:
    @wraps_constructor(initialize)
    def initialize_with_old_arguments(self: Any, *args: Any, **kwargs: Any) -> None:
        weights = kwargs.pop("weights", None)
        shape = kwargs.pop("batch_input_shape", None)
        kwargs.pop("input_dtype", None)
        initialize(self, *args, **kwargs)
        if shape is not None:
            set_batch_shape(self, shape)
        if weights is not None:
            after_build(self, lambda *_, **__: set_initial_weights(self, weights))

    return initialize_with_old_arguments


def _with_batch_shapes(add: Any) -> Any:
    @functools.wraps(add)
    def add_with_batch_shape(self: Any, layer: Any, *args: Any, **kwargs: Any) -> None:
        shape = getattr(layer, _BATCH_SHAPE, None)
        if shape is not None and not self.layers and not _has_input(self):
            add(self, keras.layers.InputLayer(batch_shape=shape))
        add(self, layer, *args, **kwargs)

    return add_with_batch_shape


def _has_input(model: Any) -> bool:
    """Whether an input was added to a model that has no other layer."""
    return bool(model.get_config().get("layers"))


def set_initial_weights(layer: Any, weights: Any) -> None:
    """Sets the weights of a layer that is built, in the order and with the shapes of Keras 1.

    Args:
        layer: the layer.
        weights: a list of arrays. A kernel of a convolution may have the shapes of Keras 1:
            `(filters, channels, rows, columns)` with `dim_ordering="th"`, and
            `(length, 1, channels, filters)` in one dimension.

    Raises:
        ValueError: if the number of arrays or a shape is wrong.
    """
    arrays = [np.asarray(one) for one in weights]
    variables = layer.weights
    if len(arrays) == len(variables):
        arrays = [
            _convert_kernel(array, tuple(variable.shape))
            for array, variable in zip(arrays, variables, strict=True)
        ]
    layer.set_weights(arrays)


def _convert_kernel(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if array.shape == shape:
        return array
    if array.ndim == 4 and len(shape) == 3 and array.shape[1] == 1:
        return array[:, 0] if array[:, 0].shape == shape else array
    if array.ndim == len(shape) in (4, 5):
        moved = np.moveaxis(array, (0, 1), (-1, -2))
        return moved if moved.shape == shape else array
    return array
