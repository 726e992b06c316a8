"""`output_shape`, `get_output_at` and similar members of layers, as Keras 1 and 2 had them."""

from __future__ import annotations

from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import node_tensors
from keras_bigdata.legacy.patching import add_name, replace

_KINDS = ("input", "output")


def install() -> None:
    """Adds the members to all layers and models."""
    for kind in _KINDS:
        add_name(keras.layers.Layer, f"{kind}_shape", _ShapeOfLayer(kind))
        add_name(keras.layers.Layer, f"get_{kind}_at", _tensor_getter(kind))
        add_name(keras.layers.Layer, f"get_{kind}_shape_at", _shape_getter(kind))
        replace(keras.Sequential, kind, _tensor_of_sequential(kind))
    # In Keras 3 it is an empty list.
    replace(keras.layers.InputLayer, "input", property(lambda layer: layer.output))


def _tensor_of_sequential(kind: str) -> property:
    """Returns the attribute `input` or `output`, which a `Sequential` of Keras 3 does not have.

    `keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).input` raises an `AttributeError`
    in 3.15.1 ("has never been called"); `inputs` is there.
    """

    def tensor(self: Any) -> Any:
        tensors = getattr(self, f"{kind}s", None)
        if not tensors:
            raise AttributeError(
                f"The model {self.name!r} is not built yet, so its {kind} is not known. Pass "
                "`input_shape` to its first layer."
            )
        return _single(list(tensors))

    return property(tensor, doc=f"The symbolic {kind} of the model.")


class _ShapeOfLayer:
    """An attribute that is read from the calls of a layer, unless the layer sets it itself.

    It has no `__set__`, so that a layer may have an attribute of this name.

    Args:
        kind: `"input"` or `"output"`.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __get__(self, layer: Any, owner: Any = None) -> Any:
        if layer is None:
            return self
        shapes = [_shape(tensors) for tensors in _tensors(layer, self._kind)]
        if not shapes:
            raise AttributeError(
                f"The layer {layer.name!r} has never been called, so its {self._kind} shape is not "
                "known. Build the model first, or pass an `Input` to it."
            )
        if any(shape != shapes[0] for shape in shapes):
            raise AttributeError(
                f"The layer {layer.name!r} was called with several {self._kind} shapes: {shapes}. "
                f"Call `get_{self._kind}_shape_at(number_of_the_call)`."
            )
        return shapes[0]


def _tensor_getter(kind: str) -> Any:
    def get_at(self: Any, node_index: int) -> Any:
        return _single(_tensors_of_call(self, kind, node_index))

    get_at.__name__ = f"get_{kind}_at"
    get_at.__doc__ = (
        f"Returns the {kind} tensor, or a list of them, of a call of the layer, from 0."
    )
    return get_at


def _shape_getter(kind: str) -> Any:
    def get_shape_at(self: Any, node_index: int) -> Any:
        return _shape(_tensors_of_call(self, kind, node_index))

    get_shape_at.__name__ = f"get_{kind}_shape_at"
    get_shape_at.__doc__ = f"Returns the {kind} shape of a call of the layer, counted from 0."
    return get_shape_at


def _tensors_of_call(layer: Any, kind: str, node_index: int) -> list[Any]:
    calls = _tensors(layer, kind)
    if not calls:
        raise RuntimeError(f"The layer {layer.name!r} has never been called.")
    try:
        return calls[node_index]
    except IndexError:
        raise ValueError(
            f"The layer {layer.name!r} has no call {node_index}: it was called {len(calls)} times."
        ) from None


def _tensors(layer: Any, kind: str) -> list[list[Any]]:
    """Returns the tensors of each call; those of an `InputLayer` are both input and output."""
    kind = "output" if isinstance(layer, keras.layers.InputLayer) else kind
    return node_tensors(layer, kind)


def _shape(tensors: list[Any]) -> Any:
    return _single([tuple(tensor.shape) for tensor in tensors])


def _single(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values
