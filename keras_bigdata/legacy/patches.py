"""Old methods and classes at the places where old scripts look for them."""

from __future__ import annotations

import functools
import importlib
import sys
import types
from typing import Any

import keras

from keras_bigdata import legacy
from keras_bigdata.legacy import weights_files
from keras_bigdata.legacy.arguments import set_keras_of_positions
from keras_bigdata.legacy.callbacks import ModelCheckpoint, TensorBoard

_MARK = "_keras_bigdata_legacy"
# The same module under its names; `tensorflow.keras` is one of its own.
_NAMES_OF_KERAS = ("keras", "keras.api", "keras._tf_keras.keras", "tensorflow.keras")


def install(keras_of_positions: int | None) -> None:
    """See `keras_bigdata.legacy.patches`."""
    if keras_of_positions is not None:
        set_keras_of_positions(keras_of_positions)
    model: Any = keras.Model
    model.fit_generator = legacy.fit_generator
    model.evaluate_generator = legacy.evaluate_generator
    model.predict_generator = legacy.predict_generator
    _replace_weights_methods(model)
    for new in (ModelCheckpoint, TensorBoard):
        _replace_class(new)
    restore_modules()
    restore_lr()


def _replace_class(new: type) -> None:
    old = new.__mro__[1]
    # Where it is defined, for the copies of `keras.callbacks` that are imported later.
    setattr(sys.modules[old.__module__], old.__name__, new)
    for name in _NAMES_OF_KERAS:
        module = sys.modules.get(f"{name}.callbacks")
        if module is not None:
            setattr(module, old.__name__, new)


def _replace_weights_methods(model_class: Any) -> None:
    save, load = model_class.save_weights, model_class.load_weights
    if hasattr(save, _MARK):
        return

    @functools.wraps(save)
    def save_weights(
        self: Any,
        filepath: Any,
        overwrite: bool = True,
        save_format: Any = None,
        options: Any = None,
        **others: Any,
    ) -> None:
        if others:  # Keras 3's own
            save(self, filepath, overwrite=overwrite, **others)
            return
        weights_files.save_weights(self, filepath, lambda name: save(self, name, overwrite))

    @functools.wraps(load)
    def load_weights(self: Any, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        return weights_files.load_weights(filepath, lambda name: load(self, name, *args, **kwargs))

    for new in (save_weights, load_weights):
        setattr(new, _MARK, True)
        setattr(model_class, new.__name__, new)


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
