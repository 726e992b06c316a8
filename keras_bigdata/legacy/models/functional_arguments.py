"""`Model(input=, output=)` as in Keras 1."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import functional_class
from keras_bigdata.legacy.patching import replace, wrap

_NAMES = {"input": "inputs", "output": "outputs"}


def install() -> None:
    """Makes `Model`, and subclasses that call its constructor, take both arguments."""
    # The class is chosen by the names of the arguments, before the constructor is called.
    former_new = keras.Model.__new__

    def new(cls: Any, *args: Any, **kwargs: Any) -> Any:
        return former_new(cls, *args, **_renamed(kwargs))

    replace(keras.Model, "__new__", staticmethod(new))
    wrap(keras.Model, "__init__", _with_old_names)
    functional = functional_class()
    if functional is not None:
        wrap(functional, "__init__", _with_old_names)


def _with_old_names(initialize: Any) -> Any:
    @functools.wraps(initialize)
    def initialize_with_old_names(self: Any, *args: Any, **kwargs: Any) -> None:
        initialize(self, *args, **_renamed(kwargs))

    return initialize_with_old_names


def _renamed(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    if "input" not in kwargs and "output" not in kwargs:
        return dict(kwargs)
    for old, new in _NAMES.items():
        if old in kwargs and new in kwargs:
            raise TypeError(f"Model() got {new!r} twice: as {old}= and as {new}=")
    return {_NAMES.get(name, name): value for name, value in kwargs.items()}
