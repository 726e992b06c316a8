"""Columns of some rows of several shards, read shard by shard and joined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.shards.fields.entries import Field
from keras_bigdata.shards.fields.ragged import Ragged, join_ragged
from keras_bigdata.shards.fields.varlen import join_texts
from keras_bigdata.shards.index.shard_index import ShardIndex
from keras_bigdata.shards.selecting.shard_columns import Column, column_fields, read_shard

Array = npt.NDArray[Any]
Int64Array = npt.NDArray[np.int64]


def read_rows(
    index: ShardIndex, shard: int, rows: Int64Array, names: Iterable[str], *, trust: bool
) -> dict[str, Column]:
    """Reads columns of some rows of one shard.

    Args:
        index: the shards.
        shard: number of the shard.
        rows: the row numbers, in ascending order. Without any, the file is not read.
        names: names of the columns.
        trust: whether pickles may be executed.
    """
    if not len(rows):
        fields = column_fields(index)
        return {name: _no_rows(fields[name]) for name in names}
    columns = read_shard(index, shard, names, trust)
    if len(rows) == index.samples[shard]:
        return columns
    return {
        name: column.take(rows) if isinstance(column, Ragged) else column[rows]
        for name, column in columns.items()
    }


class ColumnJoiner:
    """Joins the columns of several shards.

    Args:
        index: the shards.
        names: names of the columns.
        rows: number of rows of all parts.
    """

    def __init__(self, index: ShardIndex, names: Sequence[str], rows: int) -> None:
        fields = column_fields(index)
        self._fields = {name: fields[name] for name in names}
        self._arrays = {
            name: np.empty((rows, *field.row_shape), field.dtype)
            for name, field in self._fields.items()
            if not field.is_varlen
        }
        # Texts and rows of any length, whose size is known when all parts are read.
        self._parts: dict[str, list[Any]] = {
            name: [] for name in self._fields if name not in self._arrays
        }
        self._start = 0

    def add(self, columns: dict[str, Column]) -> None:
        """Adds the columns of the next rows."""
        stop = self._start + len(next(iter(columns.values())))
        for name, array in self._arrays.items():
            array[self._start : stop] = columns[name]
        for name, parts in self._parts.items():
            parts.append(columns[name])
        self._start = stop

    def columns(self) -> dict[str, Column]:
        """Returns the columns of all rows."""
        joined: dict[str, Column] = dict(self._arrays)
        for name, parts in self._parts.items():
            is_ragged = self._fields[name].is_ragged
            joined[name] = join_ragged(parts) if is_ragged else join_texts(parts)
        return {name: joined[name] for name in self._fields}


def _no_rows(field: Field) -> Column:
    if field.is_ragged:
        empty = np.empty((0, *field.value_shape), field.value_dtype)
        return Ragged(empty, np.zeros(1, np.int64), field.padding)
    return np.empty((0, *field.row_shape), field.dtype)
