"""Reads the columns of a table that describe its rows, and are kept as metadata columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.tables.missing_values import is_missing
from keras_bigdata.packing.sources.tables.table import Columns
from keras_bigdata.shards.fields.varlen import as_text_array

# Numbers in a CSV file, as a program writes them. "007" and "+1" are texts: such values are names.
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")

# Integers with more digits are changed if they become floats.
_FLOAT_DIGITS = 15


def checked_keep(keep: str | Sequence[str]) -> tuple[str, ...]:
    """Returns the names of the columns to keep, each once.

    Raises:
        TypeError: if `keep` is not a name or a sequence of names.
    """
    names = (keep,) if isinstance(keep, str) else tuple(keep)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"`keep` must be names of columns. Received: keep={keep!r:.80}")
    return tuple(dict.fromkeys(names))


def read_kept(columns: Columns, keep: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Returns columns of a table as arrays of numbers or texts.

    A column of a CSV file holds numbers if all of its values are numbers as programs write them;
    otherwise it holds texts. Columns of tables in memory keep their types. Missing values are empty
    texts or, in a column of numbers, NaN.

    Args:
        columns: the table.
        keep: names of the columns.

    Raises:
        PackError: if a column of a table in memory holds neither numbers nor texts, or both.
    """
    return {name: _as_array(columns, name) for name in keep}


def _as_array(columns: Columns, name: str) -> npt.NDArray[Any]:
    values = columns.values[name]
    missing = [is_missing(value) for value in values]
    present = [value for value, is_absent in zip(values, missing, strict=True) if not is_absent]
    if all(isinstance(value, str) for value in present):
        numbers = None if columns.lines is None else _parse_numbers(present, missing)
        if numbers is not None:
            return numbers
        texts = ["" if is_absent else v for v, is_absent in zip(values, missing, strict=True)]
        return as_text_array(texts)
    if all(isinstance(value, bool | np.bool_) for value in present) and not any(missing):
        return np.array(values, bool)
    if all(_is_number(value, int | np.integer) for value in present):
        if not any(missing):
            return np.array(values, np.int64)
        if all(abs(int(value)) < 10**_FLOAT_DIGITS for value in present):
            return _with_missing(present, missing)
    elif all(_is_number(value, int | float | np.integer | np.floating) for value in present):
        return _with_missing(present, missing)
    kinds = sorted({type(value).__name__ for value in present})
    raise PackError(
        f"{columns.name}: the column {name!r} cannot be kept: it holds values of type "
        f"{', '.join(kinds[:5])}{' and missing ones' if any(missing) else ''}. Convert it to "
        f"numbers or texts first, such as df.assign({name}=df[{name!r}].astype(str))."
    )


def _parse_numbers(present: list[str], missing: list[bool]) -> npt.NDArray[Any] | None:
    """Returns the numbers that texts of a CSV file stand for, or `None` if they are texts."""
    texts = [text.strip() for text in present]
    if not texts:
        return None
    if all(map(_INTEGER.fullmatch, texts)):
        if not any(missing):
            return np.array([int(text) for text in texts], np.int64)
        if max(map(len, texts)) <= _FLOAT_DIGITS:
            return _with_missing([float(text) for text in texts], missing)
        return None
    if all(map(_DECIMAL.fullmatch, texts)):
        return _with_missing([float(text) for text in texts], missing)
    return None


def _with_missing(present: list[Any], missing: list[bool]) -> npt.NDArray[Any]:
    column = np.full(len(missing), np.nan)
    column[~np.array(missing)] = present
    return column


def _is_number(value: Any, kinds: Any) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool | np.bool_)
