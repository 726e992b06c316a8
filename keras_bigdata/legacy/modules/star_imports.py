"""Values of names that `from keras.layers import *` bound besides the layers: `np`, `K`, ..."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

import keras

from keras_bigdata.old_keras.star_names import meaning_of, star_names


def available_star_names(module: str) -> list[str]:
    """Returns the names that can be bound here: modules such as `six` may not be installed.

    Args:
        module: such as `keras.layers`.
    """
    return sorted(name for name in star_names(module) if _is_available(meaning_of(name)))


def star_value(name: str) -> Any:
    """Returns the module, or the member of one, that a name of a star import stands for.

    Args:
        name: such as `np`.

    Returns:
        `None` if it is a class or a function of Keras.
    """
    meaning = meaning_of(name)
    if meaning is None:
        return None
    module, _, member = meaning.rpartition(".")
    if meaning in sys.modules or not module:
        return importlib.import_module(meaning)
    if hasattr(importlib.import_module(module), member):
        return getattr(importlib.import_module(module), member)
    return importlib.import_module(meaning)


def _is_available(meaning: str | None) -> bool:
    if meaning is None:
        return True
    first = meaning.partition(".")[0]
    if first == "tensorflow":  # importing it takes seconds, and another backend has no use for it
        return bool(keras.backend.backend() == "tensorflow")
    return first in sys.modules or importlib.util.find_spec(first) is not None
