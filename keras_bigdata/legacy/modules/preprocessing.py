"""`keras.preprocessing.image`, `.sequence` and `.text` as they were."""

from __future__ import annotations

from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import tf_keras_module
from keras_bigdata.legacy.patching import add_module, add_name, replace


def install() -> None:
    """Adds names that Keras 3 has for `tf.keras` only, such as `ImageDataGenerator`."""
    for name in ("image", "sequence", "text"):
        _restore(name)


def _restore(name: str) -> None:
    found: Any = tf_keras_module(f"preprocessing.{name}")
    if found is None:
        return
    module = add_module(f"keras.preprocessing.{name}", found)
    replace(keras.preprocessing, name, module)
    for member in vars(found):
        if not member.startswith("_"):
            add_name(module, member, getattr(found, member))
    iterator = getattr(found, "Iterator", None)
    if iterator is not None:
        add_name(iterator, "next", iterator.__next__)
