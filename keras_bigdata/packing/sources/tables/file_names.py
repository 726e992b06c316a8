"""The file name of each row of a table: a column, or a pattern such as `"photos/{id}.png"`."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from typing import Any

from keras_bigdata.errors import PackError
from keras_bigdata.files import is_url
from keras_bigdata.packing.sources.tables.missing_values import is_missing
from keras_bigdata.packing.sources.tables.table import Columns

_FORMATTER = string.Formatter()

# A layout without an alignment that fills with zeros, such as "05".
_ZEROS = re.compile(r"0\d+")
_INTEGER = re.compile(r"-?[0-9]+")


def pattern_columns(argument: str, pattern: Any) -> list[str]:
    """Returns the columns that a pattern of file names refers to.

    Args:
        argument: The name of the argument, for error messages.
        pattern: A column, or a pattern with columns in braces.

    Raises:
        TypeError: If it is not a string.
        ValueError: If it is not a pattern that can be read.
    """
    if not isinstance(pattern, str):
        raise TypeError(
            f"`{argument}` must be the name of a column; add values in memory to the table "
            f"first, as df.assign(file=names). Received: {argument} of type "
            f"{type(pattern).__name__}"
        )
    if "{" not in pattern:
        return [pattern]
    try:
        columns = [name for _, name, _, _ in _FORMATTER.parse(pattern) if name is not None]
    except ValueError as error:
        raise ValueError(
            f"`{argument}` must be a column or a pattern with columns in braces ({error}). "
            f"Received: {argument}={pattern!r}"
        ) from None
    if not columns or not all(columns) or any(set(name) & set(".[]") for name in columns):
        raise ValueError(
            f"`{argument}` must be a column or a pattern with columns in braces, such as "
            f"'photos/{{id}}.png'. Received: {argument}={pattern!r}"
        )
    return columns


def file_names(
    table: Columns, argument: str, pattern: str
) -> tuple[list[str], dict[int, dict[str, str]]]:
    """Returns the file name of each row, and row -> column -> problem where there is none.

    Args:
        table: A table that has the columns of the pattern.
        argument: The name of the argument, for error messages.
        pattern: A column, or a pattern with columns in braces.
    """
    names_of_columns = pattern_columns(argument, pattern)
    columns = [table.values[name] for name in names_of_columns]
    kind = "file name" if argument == "image" else f"file name in {pattern!r}"
    names: list[str] = []
    problems: dict[int, dict[str, str]] = {}
    for row, values in enumerate(zip(*columns, strict=True)):
        missing = [
            column
            for column, value in zip(names_of_columns, values, strict=True)
            if is_missing(value)
        ]
        name = ""
        if missing:
            problems[row] = {missing[0]: f"there is no {kind}"}
        else:
            try:
                name = _format_name(pattern, values)
            except PackError as error:
                problems[row] = {names_of_columns[0]: str(error)}
        if is_url(name):
            problems[row] = {
                names_of_columns[0]: f"{name!r} is a URL, which is not read: download the file"
            }
            name = ""
        names.append(name)
    return names, problems


def _format_name(pattern: str, values: Sequence[Any]) -> str:
    if "{" not in pattern:
        return str(values[0])
    remaining = iter(values)
    parts = []
    for text, column, layout, _ in _FORMATTER.parse(pattern):
        parts.append(text)
        if column is None:
            continue
        value = next(remaining)
        try:
            parts.append(_format_value(value, layout or ""))
        except (TypeError, ValueError) as error:
            raise PackError(
                f"{value!r} in column {column!r} does not fit the pattern {pattern!r} ({error})"
            ) from error
    return "".join(parts)


def _format_value(value: Any, layout: str) -> str:
    """Formats a value for a file name: a string as the number that it holds, if that is needed.

    A CSV file holds strings. `"{id:05d}"` needs an integer, and `"{id:05}"` would add the zeros
    behind a string: 70000 for "7".
    """
    if isinstance(value, str) and (layout.endswith("d") or _ZEROS.fullmatch(layout)):
        if not _INTEGER.fullmatch(value.strip()):
            raise ValueError("it is not a whole number, and zeros are added to whole numbers only")
        value = int(value)
    # pandas stores a column of integers with a missing value as floats.
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    return format(value, layout)
