"""The file name of each row of a table: a column, or a pattern such as `"photos/{id}.png"`."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.labels import is_missing
from keras_bigdata.packing.sources.table import Columns

_FORMATTER = string.Formatter()


def pattern_columns(argument: str, pattern: Any) -> list[str]:
    """The columns that a file name is made of.

    Raises:
        TypeError: if it is no string.
        ValueError: if it is no pattern that can be read.
    """
    if not isinstance(pattern, str):
        raise TypeError(
            f"`{argument}` must be the name of a column; add what is in memory to the table "
            f"first, as df.assign(file=names). Received: a {type(pattern).__name__}"
        )
    if "{" not in pattern:
        return [pattern]
    try:
        columns = [name for _, name, _, _ in _FORMATTER.parse(pattern) if name is not None]
    except ValueError as error:
        raise ValueError(f"`{argument}`: {error}. Received: {argument}={pattern!r}") from None
    if not columns or not all(columns) or any(set(name) & set(".[]") for name in columns):
        raise ValueError(
            f"`{argument}` must be a column or a pattern with columns in braces, such as "
            f"'photos/{{id}}.png'. Received: {argument}={pattern!r}"
        )
    return columns


def file_names(table: Columns, argument: str, pattern: str) -> tuple[list[str], dict[int, str]]:
    """The name of each row, and what is wrong with rows that have none."""
    columns = [table.values[name] for name in pattern_columns(argument, pattern)]
    what = "file name" if argument == "image" else f"file name in {pattern!r}"
    names: list[str] = []
    problems: dict[int, str] = {}
    for row, values in enumerate(zip(*columns, strict=True)):
        if any(map(is_missing, values)):
            names.append("")
            problems[row] = f"there is no {what}"
            continue
        try:
            names.append(_name(pattern, values))
        except PackError as error:
            names.append("")
            problems[row] = str(error)
    return names, problems


def _name(pattern: str, values: Sequence[Any]) -> str:
    if "{" not in pattern:
        return str(values[0])
    left = iter(values)
    parts = []
    for text, column, layout, _ in _FORMATTER.parse(pattern):
        parts.append(text)
        if column is None:
            continue
        value = next(left)
        try:
            # In a CSV file all is text; "{id:05d}" wants a number.
            number = layout and layout[-1] == "d" and isinstance(value, str)
            # A column of whole numbers in which one is missing is one of floats in pandas.
            number = number or (isinstance(value, float) and value.is_integer())
            parts.append(format(int(value) if number else value, layout or ""))
        except (TypeError, ValueError) as error:
            raise PackError(
                f"{value!r} in column {column!r} does not suit the pattern {pattern!r} ({error})"
            ) from error
    return "".join(parts)


def class_folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, in alphabetical order, without hidden ones."""
    if not folder.is_dir():
        raise PackError(f"{folder}: there is no such folder.")
    return sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "."
    )
