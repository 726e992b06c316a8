"""Converts labels of any kind to class numbers."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.tables.missing_values import is_missing

Label: TypeAlias = "int | bool | str"

# The class number of a row without a label, or with one that is not among the classes.
NO_CLASS = -1

# Maximum number of classes that an error names.
_PREVIEW = 10


def clean_labels(
    values: Sequence[Any], where: str, classes: Sequence[Any] | None = None
) -> list[Label | None]:
    """Converts labels to integers if all are whole numbers, else to strings; None if missing.

    Booleans stay booleans if there are no other labels.

    Args:
        values: Strings of a CSV file, or the values of a DataFrame's column.
        where: Table and column, for error messages.
        classes: The classes that the labels are among, if they are known. If two of them are one
            number, such as "1" and "1.0", labels are converted to strings. Defaults to `None`.

    Raises:
        PackError: If the labels are numbers with fractions, or neither strings nor numbers.
    """
    plain = [_as_python(value) for value in values]
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
    is_numeric = not (classes is not None and _equal_as_numbers(classes))
    numbers = _parse_numbers(unique) if is_numeric else None
    if numbers is None and is_numeric:
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
        # Parsed from the text, not from the float: different large integers can be equal as floats.
        converted = {
            value: int(value) if isinstance(value, int) or _is_integer(value) else int(number)
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


def _is_integer(value: Any) -> bool:
    return isinstance(value, str) and value.strip().removeprefix("-").isdecimal()


def _equal_as_numbers(classes: Sequence[Any]) -> set[str]:
    """Returns the numbers that several classes stand for."""
    return {key for key, count in Counter(map(_as_key, classes)).items() if count > 1}


def check_one_class(names: Sequence[Any], classes: Sequence[Any]) -> None:
    """Checks that no label that was read as a number stands for two of the classes.

    Raises:
        PackError: if one does.
    """
    several = _equal_as_numbers(classes)
    for name in names:
        if not isinstance(name, str) and _as_key(name) in several:
            same = [repr(each) for each in classes if _as_key(each) == _as_key(name)]
            raise PackError(
                f"the label {name!r} was read as a number, and may be any of the classes "
                f"{', '.join(same)} of the directory. Pass `classes` to the source, such as "
                "classes=ShardIndex.load(directory)"
            )


def sort_classes(labels: Sequence[Label | None]) -> list[Label]:
    """Returns every label once, in numerical or alphabetical order."""
    unique = {label for label in labels if label is not None}
    return sorted(unique)  # all integers, all booleans or all strings


def class_numbers(labels: Sequence[Label | None], classes: Sequence[Any]) -> list[int]:
    """Returns the position of each label among the classes; -1 if missing or unknown."""
    # Compared as text: classes from an index or a user may be "3" where the table has 3.
    numbers = {str(label): number for number, label in enumerate(classes)}
    # Then as numbers and without blanks, where no two classes are equal in this way.
    keys = Counter(_as_key(name) for name in classes)
    loose = {_as_key(name): number for number, name in enumerate(classes)}
    numbers |= {key: loose[key] for key in loose if keys[key] == 1 and key not in numbers}
    return [
        NO_CLASS
        if label is None
        else numbers.get(str(label), numbers.get(_as_key(label), NO_CLASS))
        for label in labels
    ]


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
        ValueError: If there are none, if one of them is a missing value, or if two of them are
            equal as text.
    """
    names = resolve_names(classes, "classes", argument)
    for position, name in enumerate(names):
        if is_missing(name):
            raise ValueError(
                f"`{argument}` must not hold missing values: rows without a label have no class. "
                f"Received: {name!r} at position {position}"
            )
    return names


def check_class_numbers(values: npt.NDArray[Any], classes: Sequence[Any], field: str) -> None:
    """Checks that an array of numbers holds class numbers, and cannot hold names of classes.

    Args:
        values: Numbers of shape `(rows,)` or `(rows, 1)`; others are one-hot or multi-hot rows.
        classes: The names of the classes.
        field: The name of the field, for error messages.

    Raises:
        ValueError: If a value is not a class number, if rows of several columns have another
            length, or if the classes are numbers too and the values may be their names.
    """
    if values.ndim > 2:
        return
    if values.ndim == 2 and values.shape[1] > 1:
        if values.shape[1] != len(classes):
            raise ValueError(
                f"`classes` holds {len(classes)} names ({preview(classes)}), but the rows of "
                f"`{field}` have {values.shape[1]} columns."
            )
        return
    numbers = np.unique(values).tolist()
    wrong = [number for number in numbers if number not in range(len(classes))]
    are_names = {_as_key(number) for number in numbers} <= {_as_key(name) for name in classes}
    is_identity = [_as_key(name) for name in classes] == list(map(str, range(len(classes))))
    # Booleans are 0 and 1 for NumPy; as names they are "False" and "True".
    if not wrong and (values.dtype.kind == "b" or is_identity or not are_names):
        return
    as_names = (
        "If they are names among the classes, pass them as strings "
        f"({field}=np.asarray({field}).astype(str))."
    )
    if not wrong:
        raise ValueError(
            f"`{field}` holds whole numbers, which may be class numbers (the label {numbers[0]} is "
            f"the class {classes[int(numbers[0])]!r}) or names among the classes "
            f"({preview(classes)}). {as_names} If they are class numbers, pass the classes as "
            "strings that are not numbers, or leave `classes` out."
        )
    raise ValueError(
        f"`{field}` must hold class numbers from 0 to {len(classes) - 1}, because there are "
        f"{len(classes)} classes ({preview(classes)}). Received: {wrong[0]!r}."
        + (f" {as_names}" if are_names else "")
    )


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
            f"`{argument}` must be a list, or a source or ShardIndex that has {attribute}, such as "
            "ShardIndex.load('shards/train'), of a directory or URL. "
            f"Received: {argument}={value!r}"
        )
    items = [_as_python(item) for item in names]
    if len({str(item) for item in items}) != len(items) or not items:
        raise ValueError(
            f"`{argument}` must hold different entries. Received: {argument}={items[:_PREVIEW]}"
        )
    return items


def _as_python(value: Any) -> Any:
    """Returns the Python value of a NumPy scalar, and any other value as it is."""
    # The masked constant has an `item` too, which is 0; that of a time is a number of nanoseconds.
    if value is np.ma.masked or isinstance(value, np.datetime64 | np.timedelta64):
        return value
    return value.item() if hasattr(value, "item") else value


def _as_key(label: Any) -> str:
    """Returns a text that is the same for 3, 3.0, `"3"`, `"3.0"` and `" 3"`."""
    text = str(label).strip()
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return text.removesuffix(".0") if re.fullmatch(r"-?(0|[1-9]\d*)\.0", text) else text


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
