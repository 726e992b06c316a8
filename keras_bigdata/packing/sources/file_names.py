"""The file name of each row of a table: a column, or a pattern such as `"photos/{id}.png"`."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.labels import is_missing
from keras_bigdata.packing.sources.table import Columns

_FORMATTER = string.Formatter()


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


def file_names(table: Columns, argument: str, pattern: str) -> tuple[list[str], dict[int, str]]:
    """Returns the file name of each row, and row -> problem where there is none.

    Args:
        table: A table that has the columns of the pattern.
        argument: The name of the argument, for error messages.
        pattern: A column, or a pattern with columns in braces.
    """
    columns = [table.values[name] for name in pattern_columns(argument, pattern)]
    kind = "file name" if argument == "image" else f"file name in {pattern!r}"
    names: list[str] = []
    problems: dict[int, str] = {}
    for row, values in enumerate(zip(*columns, strict=True)):
        if any(map(is_missing, values)):
            names.append("")
            problems[row] = f"there is no {kind}"
            continue
        try:
            names.append(_format_name(pattern, values))
        except PackError as error:
            names.append("")
            problems[row] = str(error)
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
            # A CSV file holds strings, and "{id:05d}" needs an integer.
            to_int = layout and layout[-1] == "d" and isinstance(value, str)
            # pandas stores a column of integers with a missing value as floats.
            to_int = to_int or (isinstance(value, float) and value.is_integer())
            parts.append(format(int(value) if to_int else value, layout or ""))
        except (TypeError, ValueError) as error:
            raise PackError(
                f"{value!r} in column {column!r} does not fit the pattern {pattern!r} ({error})"
            ) from error
    return "".join(parts)
