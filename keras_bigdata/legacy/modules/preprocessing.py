"""`keras.preprocessing.image`, `.sequence` and `.text` as in Keras 1 and 2."""

from __future__ import annotations

import functools
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import copies_of, tf_keras_module
from keras_bigdata.legacy.patching import add_module, add_name, replace, wrap


def install() -> None:
    """Adds names that Keras 3 has for `tf.keras` only, such as `ImageDataGenerator`."""
    for name in ("image", "sequence", "text"):
        _restore(name)
    for module in (*copies_of("utils"), *copies_of("preprocessing.image")):
        if hasattr(module, "load_img"):
            wrap(module, "load_img", _with_grayscale)


def _with_grayscale(load_img: Any) -> Any:
    @functools.wraps(load_img)
    def load_img_with_grayscale(path: Any, *args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], bool):  # the position of `grayscale`
            kwargs["grayscale"], args = args[0], args[1:]
            if args:
                kwargs["target_size"], args = args[0], args[1:]
            if args:
                kwargs["interpolation"], args = args[0], args[1:]
        grayscale = kwargs.pop("grayscale", None)
        if grayscale is not None and "color_mode" not in kwargs:
            kwargs["color_mode"] = "grayscale" if grayscale else "rgb"
        return load_img(path, *args, **kwargs)

    return load_img_with_grayscale


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
