"""Labels of any kind -> class numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError

Label: TypeAlias = "int | bool | str"

# The class number of a row without a label, or with one that is not among the classes.
NO_CLASS = -1

# Maximum number of classes that an error names.
_PREVIEW = 10


def is_missing(value: Any) -> bool:
    """Returns whether a value is None, NaN, pandas' NA or NaT, or a blank string."""
    if isinstance(value, str):
        return not value.strip()
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and math.isnan(value)


def clean_labels(values: Sequence[Any], where: str) -> list[Label | None]:
    """Converts labels to integers if all are whole numbers, else to strings; None if missing.

    Booleans stay booleans if there are no other labels.

    Args:
        values: Strings of a CSV file, or the values of a DataFrame's column.
        where: Table and column, for error messages.

    Raises:
        PackError: If the labels are numbers with fractions, or neither strings nor numbers.
    """
    # NumPy's scalars become Python's.
    plain = [value.item() if hasattr(value, "item") else value for value in values]
    unique: set[Any] = set()
    for row, value in enumerate(plain):
        if is_missing(value):
            continue
        if not isinstance(value, str | int | float):
            raise PackError(
                f"{where}: a label must be a string or a whole number. "
                f"Received in row {row}: {value!r} ({type(value).__name__})"
            )
        unique.add(value)
    numbers = _parse_numbers(unique)
    if numbers is None:
        # Among numbers, programs write "nan" for a missing one. Among names it is a name.
        nans = {value for value in unique if str(value).strip().lower() == "nan"}
        numbers = _parse_numbers(unique - nans) if nans else None
        if numbers:
            plain = [None if value in nans else value for value in plain]
            unique -= nans
        else:
            numbers = None
    converted: dict[Any, Label]
    if all(isinstance(value, bool) for value in unique):
        converted = {value: value for value in unique}
    elif numbers is None:
        converted = {value: str(value).strip() for value in unique}
    elif all(number.is_integer() for number in numbers.values()):
        # Not from the float: different large integers can be equal as floats.
        converted = {
            value: int(number) if isinstance(value, float) or "." in str(value) else int(value)
            for value, number in numbers.items()
        }
    else:
        sample = next(value for value, number in numbers.items() if not number.is_integer())
        raise PackError(
            f"{where}: labels must be strings or whole numbers. Received: numbers with fractions, "
            f"such as {sample!r}. If they are values to predict, pass `target` instead of "
            '`label`; or, with arrays, Arrays(images=x, age=ages, targets="age").'
        )
    return [None if is_missing(value) else converted[value] for value in plain]


def sort_classes(labels: Sequence[Label | None]) -> list[Label]:
    """Returns every label once, in numerical or alphabetical order."""
    unique = {label for label in labels if label is not None}
    return sorted(unique)  # all integers, all booleans or all strings


def class_numbers(labels: Sequence[Label | None], classes: Sequence[Any]) -> list[int]:
    """Returns the position of each label among the classes; -1 if missing or unknown."""
    # Compared as text: classes from an index or a user may be "3" where the table has 3.
    numbers = {str(label): number for number, label in enumerate(classes)}
    return [NO_CLASS if label is None else numbers.get(str(label), NO_CLASS) for label in labels]


def encode_labels(
    labels: Sequence[Label | None], classes: Sequence[Any]
) -> tuple[npt.NDArray[np.int32], dict[int, str]]:
    """Returns the class number of each row, and row -> problem for rows without a class."""
    numbers = class_numbers(labels, classes)
    problems = {
        row: label_problem(labels[row], classes)
        for row, number in enumerate(numbers)
        if number == NO_CLASS
    }
    return np.asarray(numbers, np.int32), problems


def label_problem(label: Label | None, classes: Sequence[Any]) -> str:
    """Describes why a label has no class number."""
    if label is None:
        return "there is no label"
    return f"the label {label!r} is not among the classes ({preview(classes)})"


def preview(classes: Sequence[Any]) -> str:
    """Returns the first few classes as text."""
    more = ", ..." if len(classes) > _PREVIEW else ""
    return ", ".join(map(repr, classes[:_PREVIEW])) + more


def resolve_classes(classes: Any, argument: str = "classes") -> list[Any]:
    """Returns the classes from a list, or from a source or `ShardIndex` that has classes.

    Args:
        classes: The value of the argument.
        argument: Its name, for error messages. Defaults to `"classes"`.

    Raises:
        ValueError: If there are none, or if two of them are equal as text.
    """
    return resolve_names(classes, "classes", argument)


def resolve_names(value: Any, attribute: str, argument: str) -> list[Any]:
    """Returns a list of distinct names from a list, or from an object that has such a list.

    Args:
        value: A list, or an object with the attribute.
        attribute: The attribute that holds the list: `"classes"` or `"vocabulary"`.
        argument: The argument that the value was passed as, for error messages.

    Raises:
        ValueError: If there is no such list, or if it is empty or has two entries that are equal
            as text.
    """
    names = getattr(value, attribute, value)
    if names is None or isinstance(names, str | bytes | Mapping) or not hasattr(names, "__iter__"):
        raise ValueError(
            f"`{argument}` must be a list, or a source or ShardIndex that has {attribute}. "
            f"Received: {argument}={value!r}"
        )
    items = [item.item() if hasattr(item, "item") else item for item in names]
    if len({str(item) for item in items}) != len(items) or not items:
        raise ValueError(
            f"`{argument}` must hold different entries. Received: {argument}={items[:_PREVIEW]}"
        )
    return items


def _parse_numbers(values: set[Any]) -> dict[Any, float] | None:
    """Returns every value as a number; None if one of them is not written as a number."""
    numbers = {}
    for value in values:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            return None
        # "007" and "1_000" are names: as numbers they would be equal to "7" and "1000".
        is_name = isinstance(value, str) and value.strip() not in _spellings(number)
        if is_name or not math.isfinite(number):
            return None
        numbers[value] = number
    return numbers


def _spellings(number: float) -> set[str]:
    """Returns the ways to write a number that are taken as a number."""
    whole = {str(int(number))} if number.is_integer() else set()
    return {repr(number), *whole}
