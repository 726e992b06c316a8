"""Checks arguments. These are the only checks, so that all functions accept the same values.

NumPy integers and floats are accepted; a boolean is not accepted as a number. A wrong type raises
a `TypeError`, a wrong value a `ValueError`; both name the argument and show what was received.
"""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, SupportsFloat, TypeVar

import numpy as np
import numpy.typing as npt

_Choice = TypeVar("_Choice")


def checked_int(value: Any, argument: str, minimum: int, maximum: int | None = None) -> int:
    """Returns an integer of at least `minimum`, and at most `maximum`, as a Python `int`.

    Raises:
        TypeError: if it is not an integer; a boolean or a float is not one.
        ValueError: if it is out of range.
    """
    allowed = f"of at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(
            f"`{argument}` must be an integer {allowed}. "
            f"Received: {argument}={_shown(value)} of type {type(value).__name__}"
        ) from None
    if number < minimum or (maximum is not None and number > maximum):
        raise ValueError(
            f"`{argument}` must be an integer {allowed}. Received: {argument}={value!r}"
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


def checked_row(row: Any, count: int) -> int:
    """Returns the number of one of `count` rows, counted from the start.

    Args:
        row: an integer; a negative one counts from the end, as for a list.
        count: the number of rows.

    Raises:
        TypeError: if it is not an integer; `True` is not row 1.
        IndexError: if there is no such row.
    """
    try:
        if isinstance(row, (bool, np.bool_)):
            raise TypeError
        number = operator.index(row)
    except TypeError:
        raise TypeError(
            "A row is read by its number, an integer; `select` takes several rows. "
            f"Received: {_shown(row)} of type {type(row).__name__}"
        ) from None
    if not -count <= number < count:
        raise IndexError(f"There are {count} rows. Received: row {number}")
    return number % count


def checked_rows(rows: Any, count: int) -> npt.NDArray[np.int64]:
    """Returns a selection among `count` rows as row numbers, in the order given.

    Args:
        rows: row numbers, a sequence or array of integers that may repeat; or a mask, a sequence
            or array of `count` booleans, which selects the rows where it is true.
        count: the number of rows.

    Raises:
        TypeError: if it is neither: booleans among integers, floats, a slice, a single number,
            several dimensions, a set, an array with masked values.
        ValueError: if a mask has another length, if a row number is negative or too large, or if
            no row is selected. A negative number may count from the end, or stand for a row that
            was not found, as in the result of `pandas.Index.get_indexer`.
    """
    array = _as_row_array(rows, count)
    if array.dtype.kind == "b":
        if len(array) != count:
            raise ValueError(
                f"`rows` is a mask of {len(array)} booleans, but there are {count} rows. Pass a "
                "boolean for each row, or row numbers (numpy.flatnonzero(mask))."
            )
        array = np.flatnonzero(array)
    if not len(array):
        raise ValueError(f"`rows` selects none of the {count} rows. Received: rows={_shown(rows)}")
    smallest, largest = int(array.min()), int(array.max())
    if smallest < 0:
        raise ValueError(
            f"`rows` holds {smallest}: a negative number may count from the end, or stand for a "
            f"row that was not found. There are {count} rows, 0 to {count - 1}: count from 0, and "
            "leave out rows that were not found."
        )
    if largest >= count:
        raise ValueError(f"`rows` holds {largest}, but there are {count} rows, 0 to {count - 1}.")
    return array.astype(np.int64)


def _as_row_array(rows: Any, count: int) -> npt.NDArray[Any]:
    """Returns an array of one dimension of integers or booleans."""
    if isinstance(rows, range):
        return np.arange(rows.start, rows.stop, rows.step)
    received = f"Received: rows={_shown(rows)} of type {type(rows).__name__}"
    array = None
    if isinstance(rows, slice):
        received += f". Pass {range(*rows.indices(count))}"
    elif isinstance(rows, np.ma.MaskedArray) and np.ma.is_masked(rows):
        received += ". Fill or leave out its masked values"
    elif hasattr(rows, "__array__") or (isinstance(rows, Sequence) and not isinstance(rows, str)):
        array = _flat_array(rows)
    if array is None or array.ndim != 1:
        raise TypeError(
            "`rows` must be row numbers or a boolean mask, a sequence or an array of one "
            f"dimension. {received}"
        )
    if not len(array):
        return array.astype(np.int64)
    if array.dtype.kind not in "biu":
        raise TypeError(
            "`rows` must hold integers, or booleans, and not both. "
            f"{received}, with values of {array.dtype}"
        )
    return array


def _flat_array(rows: Any) -> npt.NDArray[Any] | None:
    """Returns rows as an array; booleans among integers, which NumPy would convert, as objects."""
    try:
        array = np.asarray(rows)
    except ValueError:  # rows of different length
        return None
    if array.ndim == 1 and (array.dtype == object or not hasattr(rows, "__array__")):
        items = array.tolist() if array.dtype == object else list(rows)
        booleans = sum(isinstance(item, (bool, np.bool_)) for item in items)
        if 0 < booleans < len(items):
            return np.asarray(items, object)
        if array.dtype == object and all(isinstance(item, (int, np.integer)) for item in items):
            return np.asarray(items)
    return array


def _shown(value: Any) -> str:
    """Returns the `repr` of a value, shortened if it is long."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:197]}..."
