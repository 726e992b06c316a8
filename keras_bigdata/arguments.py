"""Checks of arguments."""

from __future__ import annotations

import operator
import random
from typing import Any, TypeVar

import numpy as np

_Choice = TypeVar("_Choice")


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


def checked_choice(value: _Choice, argument: str, choices: tuple[Any, ...]) -> _Choice:
    """One of some values, or an error that lists them."""
    if not any(
        value is choice or (isinstance(value, str) and value == choice) for choice in choices
    ):
        *most, last = map(repr, choices)
        raise ValueError(
            f"`{argument}` must be {', '.join(most)} or {last}. Received: {argument}={value!r}"
        )
    return value


def checked_seed(seed: Any) -> int:
    """The seed, or for `None` one that follows `keras.utils.set_random_seed`."""
    if seed is not None:
        return checked_count(seed, "seed", 0)
    # A copy of the state that `set_random_seed` sets, so that nobody else's draws change.
    private = random.Random()
    private.setstate(random.getstate())
    return private.getrandbits(63)
