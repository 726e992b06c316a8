"""Modules and arguments that Keras 1 and 2 had, so that old scripts reach their training."""

from __future__ import annotations

import functools
import importlib
import sys
import types
from typing import Any

import keras

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
_OPTIMIZERS = ("SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "Adamax", "Nadam")
_MARK = "_keras_bigdata_legacy"


def restore_modules() -> None:
    """Puts `keras.layers.core`, `keras.utils.np_utils` and the like where imports find them."""
    for name in _LAYER_MODULES:
        sys.modules.setdefault(f"keras.layers.{name}", keras.layers)
    for name, (source, members) in _MODULES.items():
        module = types.ModuleType(name)
        holder = importlib.import_module(source)
        for member in members:
            found = getattr(holder, member, None) or getattr(keras.layers, member, None)
            if found is not None:
                setattr(module, member, found)
        sys.modules.setdefault(name, module)
    for name in ("image", "sequence", "text"):
        _restore_preprocessing(name)


def restore_lr() -> None:
    """`lr` is the learning rate again: as an argument of optimizers, and as an attribute."""
    for name in _OPTIMIZERS:
        _take_lr(getattr(keras.optimizers, name))
    base: Any = keras.optimizers.Optimizer
    if not hasattr(base, "lr"):
        base.lr = property(
            lambda self: self.learning_rate,
            lambda self, value: setattr(self, "learning_rate", value),
        )


def _restore_preprocessing(name: str) -> None:
    """Keras keeps `ImageDataGenerator`, `Tokenizer` and others under the names of `tf.keras`."""
    try:
        kept = importlib.import_module(f"keras._tf_keras.keras.preprocessing.{name}")
    except ImportError:
        return
    module = sys.modules.setdefault(f"keras.preprocessing.{name}", kept)
    setattr(keras.preprocessing, name, module)
    for member in vars(kept):
        if not member.startswith("_") and not hasattr(module, member):
            setattr(module, member, getattr(kept, member))
    iterator = getattr(kept, "Iterator", None)
    if iterator is not None and not hasattr(iterator, "next"):
        iterator.next = iterator.__next__


def _take_lr(optimizer: Any) -> None:
    initialize = optimizer.__init__
    if hasattr(initialize, _MARK):
        return

    @functools.wraps(initialize)
    def with_lr(self: Any, *args: Any, **kwargs: Any) -> None:
        if "lr" in kwargs:
            if args or "learning_rate" in kwargs:
                raise TypeError(f"{type(self).__name__} got `lr` and `learning_rate`.")
            kwargs["learning_rate"] = kwargs.pop("lr")
        initialize(self, *args, **kwargs)

    setattr(with_lr, _MARK, True)
    optimizer.__init__ = with_lr
