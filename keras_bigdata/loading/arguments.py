"""Checks of arguments."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np


def checked_count(value: Any, argument: str, least: int) -> int:
    """An integer of at least `least`, or an error that names the argument."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(
            f"`{argument}` must be an integer. Received: {argument}={value!r} "
            f"of type {type(value).__name__}"
        ) from None
    if isinstance(value, (bool, np.bool_)) or number < least:
        raise ValueError(
            f"`{argument}` must be an integer of at least {least}. Received: {argument}={value!r}"
        )
    return number
