"""Constraints as Keras 1 and 2 had them: `maxnorm(m=)`, `nonneg`, `unitnorm`."""

from __future__ import annotations

import functools
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import copies_of
from keras_bigdata.legacy.patching import add_name, wrap
from keras_bigdata.old_keras.layers import CONSTRAINT_NAMES


def install() -> None:
    """Adds the names to all copies of `keras.constraints`, and the argument `m` to `MaxNorm`."""
    for module in copies_of("constraints"):
        for old, new in CONSTRAINT_NAMES.items():
            add_name(module, old, getattr(keras.constraints, new))
    wrap(keras.constraints.MaxNorm, "__init__", _with_m)


def _with_m(initialize: Any) -> Any:
    @functools.wraps(initialize)
    def initialize_with_m(self: Any, *args: Any, **kwargs: Any) -> None:
        if "m" in kwargs:
            if args or "max_value" in kwargs:
                raise TypeError("MaxNorm got the norm twice: as `m` and as `max_value`.")
            kwargs["max_value"] = kwargs.pop("m")
        initialize(self, *args, **kwargs)

    return initialize_with_m
