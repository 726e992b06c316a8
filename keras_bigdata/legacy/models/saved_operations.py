"""Operations on tensors in models that are loaded from HDF5 files.

A model with `Embedding(mask_zero=True)` contains the operation `NotEqual`, which computes the mask.
Keras 3 writes operations into HDF5 files, but looks there for classes of layers only: with Keras
3.15.1 `load_model` raised "Unknown layer: 'NotEqual'".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import h5py
import keras


def operations_in(name: str) -> dict[str, Any]:
    """Returns objects that `load_model` needs for the operations of a model.

    Args:
        name: an HDF5 file. The result is empty if it contains no model or does not exist.

    Returns:
        Class names of operations, and objects that create them or, for entries that have the
        configuration of a layer, the layers of the same name, such as `Concatenate`.
    """
    classes = {cls.__name__: cls for cls in _operation_classes(keras.Operation)}
    used = {entry["class_name"] for entry in _operations(_configuration(name))}
    return {each: _creator(classes[each]) for each in sorted(used & classes.keys())}


def _configuration(name: str) -> Any:
    try:
        with h5py.File(name) as file:
            config = file.attrs.get("model_config", "{}")
        return json.loads(config)
    except (OSError, ValueError):
        return {}  # `load_model` says what is wrong


def _operations(config: Any) -> Iterator[dict[str, Any]]:
    """Yields the entries of the configuration of a model that are not layers."""
    if isinstance(config, list):
        for each in config:
            yield from _operations(each)
    elif isinstance(config, dict):
        own = config.get("config")
        if "inbound_nodes" in config and isinstance(own, dict) and not _is_of_layer(own):
            yield config
        for each in config.values():
            yield from _operations(each)


def _is_of_layer(config: dict[str, Any]) -> bool:
    return "trainable" in config or "layers" in config


def _operation_classes(base: type) -> Iterator[type]:
    classes: list[type] = base.__subclasses__()
    for cls in classes:
        if cls.__module__.startswith("keras.") and not issubclass(cls, keras.Layer):
            yield cls
            yield from _operation_classes(cls)


def _creator(operation: Any) -> type:
    layer = getattr(keras.layers, operation.__name__, None)

    class LayerOrOperation:
        @staticmethod
        def from_config(config: dict[str, Any]) -> Any:
            chosen = layer if layer is not None and _is_of_layer(config) else operation
            return chosen.from_config(config)

    return LayerOrOperation
