"""`Input(tensor=values)`: an input of a model whose values are given with it.

Keras 3 has no such inputs. Here it is an ordinary input whose values are kept in an attribute, and
`keras.backend.function` passes them.
"""

from __future__ import annotations

import inspect
from typing import Any

import keras
from keras import ops

from keras_bigdata.legacy.layers.signatures import wraps_constructor
from keras_bigdata.legacy.patching import wrap

_VALUES = "_keras_bigdata_values"


def install() -> None:
    """Makes inputs take tensors that are not symbolic, and variables."""
    wrap(keras.layers.InputLayer, "__init__", _with_values)


def values_of(tensor: Any) -> Any:
    """Returns the values that a symbolic input was created with, or `None`."""
    return getattr(tensor, _VALUES, None)


def given_inputs(outputs: list[Any], known: list[Any]) -> list[Any]:
    """Returns the inputs with given values from which symbolic tensors are computed.

    Args:
        outputs: symbolic tensors.
        known: inputs to leave out.
    """
    found = {id(tensor): tensor for output in outputs for tensor in _sources(output)}
    for tensor in known:
        found.pop(id(tensor), None)
    return [tensor for tensor in found.values() if values_of(tensor) is not None]


def _sources(tensor: Any) -> list[Any]:
    return list(keras.tree.flatten(keras.utils.get_source_inputs(tensor)))


def _with_values(initialize: Any) -> Any:
    signature = inspect.signature(initialize)

    @wraps_constructor(initialize)
    def initialize_with_values(self: Any, *args: Any, **kwargs: Any) -> None:
        given = signature.bind(self, *args, **kwargs).arguments
        values = given.get("input_tensor")
        if values is None or isinstance(values, keras.KerasTensor):
            initialize(self, *args, **kwargs)
            return
        values = ops.convert_to_tensor(values)
        dtype = keras.backend.standardize_dtype(values.dtype)
        initialize(self, batch_shape=tuple(values.shape), dtype=dtype, name=given.get("name"))
        setattr(self.output, _VALUES, values)

    return initialize_with_values
