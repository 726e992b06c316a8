"""Functions that take keyword arguments under their old names too."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from keras_bigdata.old_keras.layers import DATA_FORMATS


def with_old_names(function: Any, name: str, renamed: Mapping[str, str]) -> Any:
    """Returns a function that takes arguments under their old names too.

    Args:
        function: the function, with the new names.
        name: the name of the function, for messages.
        renamed: old to new names of arguments. The value of `dim_ordering` is converted too.
    """

    @functools.wraps(function)
    def function_with_old_names(*args: Any, **kwargs: Any) -> Any:
        for old in [old for old in renamed if old in kwargs]:
            new = renamed[old]
            if new in kwargs:
                raise TypeError(f"{name} got `{new}` twice: also as `{old}`.")
            value = kwargs.pop(old)
            kwargs[new] = DATA_FORMATS.get(value, value) if old == "dim_ordering" else value
        return function(*args, **kwargs)

    return function_with_old_names
