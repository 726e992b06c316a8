"""Functions of `keras.backend` with the arguments of Keras 1: `random_normal(shape, std=0.1)`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from keras_bigdata.old_keras.backend_arguments import IGNORED, RENAMED
from keras_bigdata.old_keras.layers import DATA_FORMATS


def with_old_arguments(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that takes the arguments of Keras 1 too.

    Args:
        name: the name of the function.
        function: the function, with the arguments of Keras 2.
    """
    renamed = RENAMED.get(name)
    if renamed is None:
        return function

    @functools.wraps(function)
    def function_with_old_arguments(*args: Any, **kwargs: Any) -> Any:
        if "dim_ordering" in renamed:
            args = tuple(map(_data_format, args))
        for old in [old for old in renamed if old in kwargs]:
            if renamed[old] in kwargs:
                raise TypeError(
                    f"keras.backend.{name} got `{renamed[old]}` twice: also as `{old}`."
                )
            kwargs[renamed[old]] = _data_format(kwargs.pop(old))
        for old in IGNORED & kwargs.keys():
            if name.startswith("conv"):
                del kwargs[old]
        return function(*args, **kwargs)

    return function_with_old_arguments


def _data_format(value: Any) -> Any:
    """Returns the name of Keras 2 for a `dim_ordering`, and any other value as it is."""
    return DATA_FORMATS.get(value, value) if isinstance(value, str) else value
