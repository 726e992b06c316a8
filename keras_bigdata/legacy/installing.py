"""Old methods and classes at the places where old scripts look for them."""

from __future__ import annotations

import functools
import sys
from typing import Any

import keras

from keras_bigdata import legacy
from keras_bigdata.legacy import weights_files
from keras_bigdata.legacy.arguments import set_keras_of_positions
from keras_bigdata.legacy.checkpoints import ModelCheckpoint
from keras_bigdata.legacy.old_imports import restore_lr, restore_modules
from keras_bigdata.legacy.tensorboard import TensorBoard

_MARK = "_keras_bigdata_legacy"
# The same module under its names; `tensorflow.keras` is one of its own.
_NAMES_OF_KERAS = ("keras", "keras.api", "keras._tf_keras.keras", "tensorflow.keras")


def install(keras_of_positions: int | None) -> None:
    """See `keras_bigdata.legacy.install`."""
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
