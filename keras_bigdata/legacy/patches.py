"""`install()`: old methods, classes and modules where scripts for Keras 1 and 2 expect them."""

from __future__ import annotations

import functools
import importlib
import sys
import types
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import KERAS_MODULES, tf_keras_module
from keras_bigdata.legacy import generators, weights_files
from keras_bigdata.legacy.arguments import set_default_keras_version
from keras_bigdata.legacy.callbacks import ModelCheckpoint, TensorBoard

# Set on functions that are patched already, so that `install` does not patch them again.
_PATCHED = "_keras_bigdata_legacy"

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


def install(keras: int | None = None) -> None:
    """Adds the old methods, callbacks and modules to Keras, where old scripts expect them.

    - `fit_generator`, `evaluate_generator` and `predict_generator` become methods of
      `keras.Model`, and `save_weights` takes the old names of HDF5 files.
    - `ModelCheckpoint` and `TensorBoard` in `keras.callbacks` and `tf.keras.callbacks` take the
      arguments of Keras 1 and 2.
    - `ImageDataGenerator` is in `keras.preprocessing.image` again, and its iterators have `next()`;
      `keras.layers.core`, `keras.utils.np_utils` and similar modules can be imported; optimizers
      take `lr=` and have `.lr`.

    Call it before the script imports names from Keras, or run the script with
    `python -m keras_bigdata.legacy script.py`. Calling it again has no further effect.

    Args:
        keras: 1 or 2: whether a positional number of steps, as in
            `model.fit_generator(batches, 2000, 10)`, counts samples (Keras 1) or batches (Keras 2)
            if nothing else in the calls shows it. `None` leaves the setting unchanged; initially
            it is 2. Defaults to `None`.

    Raises:
        ValueError: if `keras` is another number.

    Example:

    ```python
    from keras_bigdata import legacy

    legacy.install()
    model.fit_generator(iter([(x, y)]), steps_per_epoch=1)
    ```
    """
    if keras is not None:
        set_default_keras_version(keras)
    _add_generator_methods()
    _patch_weights_methods()
    for new_class in (ModelCheckpoint, TensorBoard):
        _replace_base_class(new_class)
    _restore_modules()
    _restore_lr()


def _add_generator_methods() -> None:
    model: Any = keras.Model
    model.fit_generator = generators.fit_generator
    model.evaluate_generator = generators.evaluate_generator
    model.predict_generator = generators.predict_generator


def _patch_weights_methods() -> None:
    model: Any = keras.Model
    save, load = model.save_weights, model.load_weights
    if hasattr(save, _PATCHED):
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
        if others:  # arguments that only Keras 3 has
            save(self, filepath, overwrite=overwrite, **others)
            return
        weights_files.save_weights(self, filepath, lambda name: save(self, name, overwrite))

    @functools.wraps(load)
    def load_weights(self: Any, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        return weights_files.load_weights(filepath, lambda name: load(self, name, *args, **kwargs))

    for method in (save_weights, load_weights):
        setattr(method, _PATCHED, True)
        setattr(model, method.__name__, method)


def _replace_base_class(new_class: type) -> None:
    """Replaces the Keras class that a class extends by that class."""
    old_class = new_class.__mro__[1]
    # In the module that defines it, for copies of `keras.callbacks` that are imported later.
    setattr(sys.modules[old_class.__module__], old_class.__name__, new_class)
    for name in KERAS_MODULES:
        module = sys.modules.get(f"{name}.callbacks")
        if module is not None:
            setattr(module, old_class.__name__, new_class)


def _restore_modules() -> None:
    """Makes `keras.layers.core`, `keras.utils.np_utils` and similar modules importable."""
    for name in _LAYER_MODULES:
        sys.modules.setdefault(f"keras.layers.{name}", keras.layers)
    for name, (source, members) in _MODULES.items():
        module = types.ModuleType(name)
        source_module = importlib.import_module(source)
        for member in members:
            value = getattr(source_module, member, None) or getattr(keras.layers, member, None)
            if value is not None:
                setattr(module, member, value)
        sys.modules.setdefault(name, module)
    for name in ("image", "sequence", "text"):
        _restore_preprocessing(name)


def _restore_preprocessing(name: str) -> None:
    """Adds names that Keras 3 has only for `tf.keras`: `ImageDataGenerator`, `Tokenizer`, ..."""
    found: Any = tf_keras_module(f"preprocessing.{name}")
    if found is None:
        return
    module = sys.modules.setdefault(f"keras.preprocessing.{name}", found)
    setattr(keras.preprocessing, name, module)
    for member in vars(found):
        if not member.startswith("_") and not hasattr(module, member):
            setattr(module, member, getattr(found, member))
    iterator = getattr(found, "Iterator", None)
    if iterator is not None and not hasattr(iterator, "next"):
        iterator.next = iterator.__next__


def _restore_lr() -> None:
    """Makes `lr` the learning rate again, as an argument and as an attribute of optimizers."""
    for name in _OPTIMIZERS:
        _accept_lr(getattr(keras.optimizers, name))
    base: Any = keras.optimizers.Optimizer
    if not hasattr(base, "lr"):
        base.lr = property(
            lambda self: self.learning_rate,
            lambda self, value: setattr(self, "learning_rate", value),
        )


def _accept_lr(optimizer: Any) -> None:
    initialize = optimizer.__init__
    if hasattr(initialize, _PATCHED):
        return

    @functools.wraps(initialize)
    def initialize_with_lr(self: Any, *args: Any, **kwargs: Any) -> None:
        if "lr" in kwargs:
            if args or "learning_rate" in kwargs:
                raise TypeError(
                    f"{type(self).__name__} got the learning rate twice: as `lr` and as "
                    "`learning_rate` or by position."
                )
            kwargs["learning_rate"] = kwargs.pop("lr")
        initialize(self, *args, **kwargs)

    setattr(initialize_with_lr, _PATCHED, True)
    optimizer.__init__ = initialize_with_lr
