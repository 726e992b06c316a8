"""Handles columns in memory whose rows have one shape, or any length."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from keras_bigdata.packing.samples.stored_form import StoredForm
from keras_bigdata.packing.sources.base import RowShape
from keras_bigdata.permutation import Rows
from keras_bigdata.shards.fields.ragged import Ragged

# Rows of one shape, or of any length.
Column: TypeAlias = "npt.NDArray[Any] | Ragged"


def row_shape(column: Column) -> RowShape:
    """Returns the shape of a row; `None` is a dimension that differs."""
    return (None, *column.values.shape[1:]) if isinstance(column, Ragged) else column.shape[1:]


def select_rows(column: Column, rows: Rows | None, *, copy: bool = False) -> Column:
    """Returns some rows of a column.

    Args:
        column: the column.
        rows: row numbers; `None` for all rows.
        copy: whether the result must not share memory with the column. Defaults to `False`.
    """
    if isinstance(column, Ragged):
        if rows is not None:
            return column.take(rows)
        if not copy:
            return column
        return Ragged(np.array(column.values), np.array(column.offsets), column.padding)
    if rows is not None:
        return column[rows]
    return np.array(column) if copy else column


def forms_of_columns(
    columns: Mapping[str, Column], rows: Rows | None = None
) -> dict[str, StoredForm]:
    """Returns how the columns of any length are stored.

    Args:
        columns: field -> column.
        rows: the selected rows. Defaults to `None`: all.
    """
    forms = {}
    for name, column in columns.items():
        if isinstance(column, Ragged):
            lengths = column.lengths if rows is None else column.lengths[rows]
            value_bytes = column.dtype.itemsize * math.prod(column.values.shape[1:])
            # Bytes of a row: the average size of its values, and its offset.
            average = -(-int(lengths.sum()) * value_bytes // max(1, len(lengths)))
            size = average + column.offsets.itemsize
            forms[name] = StoredForm(padding=column.padding, row_bytes=size)
    return forms


def sampled_values(column: Column, rows: Rows, max_bytes: int) -> list[npt.NDArray[Any]]:
    """Returns the arrays that identify a column: whole, or of some rows if it is large.

    Args:
        column: the column.
        rows: the rows that stand for a column of more than `max_bytes`. All offsets are returned.
        max_bytes: see `rows`.
    """
    if not isinstance(column, Ragged):
        return [column[rows] if column.nbytes > max_bytes else column]
    is_large = column.values.nbytes > max_bytes
    return [column.offsets, column.take(rows).values if is_large else column.values]


def memory_map_of(column: Any) -> Any:
    """Returns the `np.memmap` that holds the values of a column, or `None`."""
    values = column
    if isinstance(column, Ragged):
        values = column.values
        # A plain view of the map, or the map itself.
        while isinstance(values, np.ndarray) and not isinstance(values, np.memmap):
            values = values.base
    return values if isinstance(values, np.memmap) else None
