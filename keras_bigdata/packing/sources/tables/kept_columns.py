"""Reads the columns of a table that describe its rows, and are kept as metadata columns."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.tables.missing_values import is_missing
from keras_bigdata.packing.sources.tables.table import Columns
from keras_bigdata.shards.fields.varlen import as_text_array

# Numbers in a CSV file, as a program writes them. "007" and "+1" are texts: such values are names.
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")

_INT64 = np.iinfo(np.int64)


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

    A column of a CSV file holds numbers if all of its values are numbers as programs write them,
    and if int64 or float64 can tell them apart; otherwise, as with versions 1.1 and 1.10 or ids of
    20 digits, it holds texts. Columns of tables in memory keep their types. Missing values are
    empty texts or, in a column of numbers, NaN.

    Args:
        columns: the table.
        keep: names of the columns.

    Raises:
        PackError: if a column of a table in memory holds neither numbers nor texts, or both, or
            integers that its type cannot hold.
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
            if all(map(_is_int64, present)):
                return np.array(values, np.int64)
        elif all(map(_is_exact, present)):
            return _with_missing(present, missing)
        _refuse_large(columns, name, present, "int64" if not any(missing) else "float64")
    if all(_is_number(value, int | float | np.integer | np.floating) for value in present):
        if all(_is_exact(value) for value in present if isinstance(value, int | np.integer)):
            return _with_missing(present, missing)
        _refuse_large(columns, name, present, "float64")
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
    if all(map(_INTEGER.fullmatch, texts)) and not any(missing):
        integers = [int(text) for text in texts]
        return np.array(integers, np.int64) if all(map(_is_int64, integers)) else None
    if all(map(_DECIMAL.fullmatch, texts)) and _are_distinct_floats(texts):
        return _with_missing([float(text) for text in texts], missing)
    return None


def _are_distinct_floats(texts: list[str]) -> bool:
    """Whether no number is rounded to another integer, and none is written in two ways.

    "1" and "1.0" may be one number, as may "0.0" and "-0.0": programs write both.
    """
    written = {text: float(text) for text in set(texts)}
    if not all(map(math.isfinite, written.values())):
        return False
    if not all(_is_exact(int(text)) for text in written if _INTEGER.fullmatch(text)):
        return False
    spellings = {
        text.removesuffix(".0").removeprefix("-" if number == 0 else "")
        for text, number in written.items()
    }
    return len(spellings) == len({number + 0.0 for number in written.values()})


def _with_missing(present: list[Any], missing: list[bool]) -> npt.NDArray[Any]:
    column = np.full(len(missing), np.nan)
    column[~np.array(missing)] = present
    return column


def _is_number(value: Any, kinds: Any) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool | np.bool_ | np.timedelta64)


def _is_int64(value: int) -> bool:
    return bool(_INT64.min <= value <= _INT64.max)


def _is_exact(value: int | np.integer[Any]) -> bool:
    """Whether float64 holds an integer, and every integer between it and 0."""
    return bool(-(2**53) <= value <= 2**53)


def _refuse_large(columns: Columns, name: str, present: Sequence[Any], dtype: str) -> NoReturn:
    largest = max((int(value) for value in present if isinstance(value, int | np.integer)), key=abs)
    raise PackError(
        f"{columns.name}: the column {name!r} cannot be kept: {dtype} cannot hold {largest} "
        f"exactly. Convert it to texts first, such as df.assign({name}=df[{name!r}].astype(str))."
    )
