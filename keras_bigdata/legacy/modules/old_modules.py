"""`keras.layers.core`, `keras.utils.np_utils` and similar modules."""

from __future__ import annotations

import importlib
import types

import keras

from keras_bigdata.legacy.patching import add_module

_LAYER_MODULES = (
    *("core", "convolutional", "pooling", "normalization", "recurrent", "embeddings", "merge"),
    *("advanced_activations", "noise", "wrappers", "convolutional_recurrent", "local"),
)
_MODULES = {
    "keras.utils.np_utils": ("keras.utils", ("to_categorical", "normalize")),
    "keras.utils.vis_utils": ("keras.utils", ("plot_model", "model_to_dot")),
    "keras.utils.data_utils": ("keras.utils", ("get_file", "Sequence")),
    "keras.utils.generic_utils": (
        "keras.utils",
        ("Progbar", "get_custom_objects", "CustomObjectScope", "custom_object_scope"),
    ),
    "keras.engine": ("keras", ("Model", "Input", "Layer", "InputSpec")),
    "keras.engine.topology": ("keras", ("Input", "Layer", "InputSpec")),
    "keras.engine.training": ("keras", ("Model",)),
}


def install() -> None:
    """Makes the modules importable."""
    for name in _LAYER_MODULES:
        add_module(f"keras.layers.{name}", keras.layers)
    for name, (source, members) in _MODULES.items():
        module = types.ModuleType(name)
        source_module = importlib.import_module(source)
        for member in members:
            value = getattr(source_module, member, None) or getattr(keras.layers, member, None)
            if value is not None:
                setattr(module, member, value)
        add_module(name, module)
