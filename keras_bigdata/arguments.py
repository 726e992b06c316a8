"""Checks arguments. These are the only checks, so that all functions accept the same values.

NumPy integers and floats are accepted; a boolean is not accepted as a number. A wrong type raises
a `TypeError`, a wrong value a `ValueError`; both name the argument and show what was received.
"""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Iterable, Mapping
from typing import Any, SupportsFloat, TypeVar

import numpy as np

_Choice = TypeVar("_Choice")


def checked_int(value: Any, argument: str, minimum: int) -> int:
    """Returns an integer of at least `minimum` as a Python `int`.

    Raises:
        TypeError: if it is not an integer; a boolean or a float is not one.
        ValueError: if it is less than `minimum`.
    """
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(
            f"`{argument}` must be an integer of at least {minimum}. "
            f"Received: {argument}={_shown(value)} of type {type(value).__name__}"
        ) from None
    if number < minimum:
        raise ValueError(
            f"`{argument}` must be an integer of at least {minimum}. Received: {argument}={value!r}"
        )
    return number


def checked_number(
    value: Any,
    argument: str,
    *,
    minimum: float = -math.inf,
    above: float = -math.inf,
    below: float = math.inf,
    finite: bool = True,
) -> float:
    """Returns a number as a Python `float`.

    Args:
        value: the value that was passed.
        argument: name of the argument, for the message.
        minimum: the smallest value allowed. Defaults to `-inf`.
        above, below: exclusive bounds. Default to `-inf` and `inf`.
        finite: whether infinity is refused, as NaN always is. Defaults to `True`.

    Raises:
        TypeError: if it is not a number; a boolean or a string is not one.
        ValueError: if it is NaN or out of range.
    """
    wanted = "a finite number" if finite else "a number other than NaN"
    if minimum > -math.inf:
        wanted = f"a finite number of at least {minimum:g}"
    elif above > -math.inf and below < math.inf:
        wanted = f"a number between {above:g} and {below:g}"
    elif above > -math.inf:
        wanted = f"a finite number above {above:g}"
    try:
        if isinstance(value, (bool, np.bool_, str, bytes)) or not isinstance(value, SupportsFloat):
            raise TypeError
        number = float(value)
    except TypeError:
        raise TypeError(
            f"`{argument}` must be {wanted}. "
            f"Received: {argument}={_shown(value)} of type {type(value).__name__}"
        ) from None
    in_range = minimum <= number and (number > above or above == -math.inf)
    in_range = in_range and (number < below or below == math.inf)
    if math.isnan(number) or (finite and math.isinf(number)) or not in_range:
        raise ValueError(f"`{argument}` must be {wanted}. Received: {argument}={value!r}")
    return number


def checked_bool(value: Any, argument: str) -> bool:
    """Returns a Python or NumPy boolean as `True` or `False`.

    Raises:
        TypeError: if it is something else. The truth value of other objects is not used, because
            the string `"False"` would be true.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(
            f"`{argument}` must be True or False. "
            f"Received: {argument}={_shown(value)} of type {type(value).__name__}"
        )
    return bool(value)


def checked_choice(value: _Choice, argument: str, choices: tuple[Any, ...]) -> _Choice:
    """Returns the value if it is one of `choices`.

    Raises:
        ValueError: if it is not; the message lists the choices.
    """
    for choice in choices:
        if value is choice or (type(value) in (str, int) and value == choice):
            return value
    *most, last = map(repr, choices)
    raise ValueError(
        f"`{argument}` must be {', '.join(most)} or {last}. Received: {argument}={_shown(value)}"
    )


def checked_names(value: Any, argument: str) -> tuple[str, ...]:
    """Returns names as a tuple. A string is one name, and not a sequence of letters.

    Raises:
        TypeError: if it is not a string or a sequence of strings.
        ValueError: if it is empty.
    """
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, Iterable) or isinstance(names, (bytes, Mapping)):
        names = (None,)
    names = tuple(names)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(
            f"`{argument}` must be a name or a sequence of names. "
            f"Received: {argument}={_shown(value)} of type {type(value).__name__}"
        )
    if not names:
        raise ValueError(
            f"`{argument}` must hold at least one name. Received: {argument}={value!r}"
        )
    return names


def checked_seed(seed: Any) -> int:
    """Returns the seed; if it is `None`, a seed that follows `keras.utils.set_random_seed`.

    Raises:
        TypeError, ValueError: if it is not `None` or an integer of at least 0.
    """
    if seed is not None:
        return checked_int(seed, "seed", 0)
    # Drawn from a copy of the generator that `set_random_seed` seeds, so that the numbers that the
    # program draws from the generator stay the same.
    private = random.Random()
    private.setstate(random.getstate())
    return private.getrandbits(63)


def _shown(value: Any) -> str:
    """The `repr` of a value, which may be a large object."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:197]}..."
