"""`save_weights` and `load_weights` under the file names of Keras 1 and 2."""

from __future__ import annotations

import functools
from typing import Any

import keras

from keras_bigdata.legacy.models import weights_files
from keras_bigdata.legacy.patching import wrap


def install() -> None:
    """Makes both methods take old file names."""
    wrap(keras.Model, "save_weights", _save_weights)
    wrap(keras.Model, "load_weights", _load_weights)


def _save_weights(save: Any) -> Any:
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

    return save_weights


def _load_weights(load: Any) -> Any:
    @functools.wraps(load)
    def load_weights(self: Any, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        return weights_files.load_weights(filepath, lambda name: load(self, name, *args, **kwargs))

    return load_weights
