"""Labels of any kind -> class numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

from keras_bigdata.errors import PackError

Label: TypeAlias = "int | bool | str"

# Instead of a class number: the row has no label, or one that is not among the classes.
NO_CLASS = -1


def is_missing(value: Any) -> bool:
    """None, NaN, pandas' NA and NaT, and blank strings."""
    if isinstance(value, str):
        return not value.strip()
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and math.isnan(value)


def clean_labels(values: Sequence[Any], where: str) -> list[Label | None]:
    """Labels as Python integers if all are whole numbers, else as strings; None where missing.

    Args:
        values: strings of a CSV file, or what a DataFrame's column holds.
        where: table and column, for the errors.

    Raises:
        PackError: if the labels are numbers with fractions, or lists and the like.
    """
    # NumPy's scalars become Python's.
    plain = [value.item() if hasattr(value, "item") else value for value in values]
    known: set[Any] = set()
    for row, value in enumerate(plain):
        if is_missing(value):
            continue
        if not isinstance(value, str | int | float):
            raise PackError(
                f"{where}: a label must be a string or a whole number. "
                f"Received in row {row}: {value!r} ({type(value).__name__})"
            )
        known.add(value)
    numbers = _numbers(known)
    if numbers is None:
        # Among numbers "nan" is how a program writes that there is none; elsewhere it is a name.
        absent = {value for value in known if str(value).strip().lower() == "nan"}
        numbers = _numbers(known - absent) if absent else None
        if numbers:
            plain = [None if value in absent else value for value in plain]
            known -= absent
        else:
            numbers = None
    table: dict[Any, Label]
    if all(isinstance(value, bool) for value in known):
        table = {value: value for value in known}
    elif numbers is None:
        table = {value: str(value).strip() for value in known}
    elif all(number.is_integer() for number in numbers.values()):
        # Not by way of a float, which cannot tell large numbers apart.
        table = {
            value: int(number) if isinstance(value, float) or "." in str(value) else int(value)
            for value, number in numbers.items()
        }
    else:
        sample = next(value for value, number in numbers.items() if not number.is_integer())
        raise PackError(
            f"{where}: the labels are numbers with fractions, such as {sample!r}, and so no "
            "classes. For regression use `target` instead of `label`; or, of arrays, "
            'Arrays(images=x, age=ages, targets="age").'
        )
    return [None if is_missing(value) else table[value] for value in plain]


def distinct(labels: Sequence[Label | None]) -> list[Label]:
    """The classes: every label once, in order of number or alphabet."""
    found = {label for label in labels if label is not None}
    return sorted(found)  # all integers, all booleans or all strings


def class_numbers(labels: Sequence[Label | None], classes: Sequence[Any]) -> list[int]:
    """The position of each label among the classes; -1 for none and for unknown ones."""
    # By text: classes that come back from an index or a user may be "3" where the table has 3.
    numbers = {str(label): number for number, label in enumerate(classes)}
    return [NO_CLASS if label is None else numbers.get(str(label), NO_CLASS) for label in labels]


def _numbers(values: set[Any]) -> dict[Any, float] | None:
    """Every value as a number, or None if one is not written as a number is."""
    numbers = {}
    for value in values:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            return None
        # "007" and "1_000" are names: as numbers they would fall together with others.
        written = isinstance(value, str) and value.strip() not in _spellings(number)
        if written or not math.isfinite(number):
            return None
        numbers[value] = number
    return numbers


def _spellings(number: float) -> set[str]:
    whole = {str(int(number))} if number.is_integer() else set()
    return {repr(number), *whole}
