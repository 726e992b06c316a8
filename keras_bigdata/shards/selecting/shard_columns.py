"""`ShardColumns`: the small columns of one shard as a mapping, each read when it is looked up."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.representation import list_some
from keras_bigdata.shards.fields.entries import TEXT_CODEC, Field
from keras_bigdata.shards.fields.metadata_columns import FILE, ROW, SOURCE
from keras_bigdata.shards.fields.ragged import Ragged
from keras_bigdata.shards.index.shard_index import DECODED, ShardIndex
from keras_bigdata.shards.pickles import read_columns
from keras_bigdata.shards.reading.read_column import read_column, read_ragged, read_remote_columns
from keras_bigdata.shards.reading.readable_shard import readable_shard

Array = npt.NDArray[Any]
Column: TypeAlias = "Array | Ragged"

# Fields with larger rows do not describe a row by a few values, and take long to read.
MAX_ROW_BYTES = 64


def column_fields(index: ShardIndex) -> dict[str, Field]:
    """Returns everything that can be read of a row, by name: fields and metadata columns."""
    source = Field(SOURCE, np.dtype(np.int64), ())
    return {**index.fields, **index.columns, SOURCE: source}


def small_columns(index: ShardIndex) -> list[str]:
    """Returns the names of the columns with less than 64 bytes per row."""
    return [name for name, field in column_fields(index).items() if _is_small(field)]


def _is_small(field: Field) -> bool:
    """Returns whether a row is a text, or a few values of a known number."""
    if field.is_varlen:
        return field.codec == TEXT_CODEC
    return field.row_bytes < MAX_ROW_BYTES


def read_shard(
    index: ShardIndex, shard: int, names: Iterable[str], trust: bool = False
) -> dict[str, Column]:
    """Reads whole columns of one shard. Rows of any length are returned as `Ragged`.

    Args:
        index: the shards.
        shard: number of the shard.
        names: names of the columns.
        trust: whether pickles may be executed. Defaults to `False`.

    Raises:
        ShardError: if the file cannot be read, or if a field holds encoded images.
        CorruptShardError: if the file does not hold what the index says.
    """
    path, samples = index.path(shard), int(index.samples[shard])
    wanted = list(names)
    fields = column_fields(index)
    columns: dict[str, Column] = {}
    # Decoded together: a compressed file is expanded once.
    decoded = [
        name
        for name in wanted
        if name in index.fields
        and not fields[name].is_varlen
        and index.offsets[name][shard] == DECODED
    ]
    for name, column in _read_decoded(index, shard, decoded, trust).items():
        expected = (fields[name].dtype, (samples, *fields[name].shape))
        if (column.dtype, column.shape) != expected:
            raise CorruptShardError(
                f"{path}: {name!r} has (dtype, shape) {(column.dtype, column.shape)}, expected "
                f"{expected}: the shard was changed. Restore it, or pack the data again."
            )
        columns[name] = column
    if not isinstance(path, Path):
        in_files = [name for name in wanted if name != SOURCE and name not in columns]
        columns |= read_remote_columns(index, shard, in_files)
    for name in wanted:
        if name == SOURCE:
            columns[name] = np.full(samples, index.source[shard])
        elif fields[name].is_encoded:
            raise ShardError(_describe_encoded(index, fields[name]))
        elif fields[name].is_ragged:
            columns[name] = read_ragged(index, shard, name, trust=trust)
        elif name not in columns:
            columns[name] = read_column(index, shard, name, trust=trust)
    return {name: columns[name] for name in wanted}


def _read_decoded(
    index: ShardIndex, shard: int, names: Sequence[str], trust: bool
) -> dict[str, Array]:
    if not names:
        return {}
    with readable_shard(index, shard) as file:
        return read_columns(file, names, trust)


class ShardColumns(Mapping[str, Array]):
    """The columns of some rows of one shard, for the function of `Shards.where`.

    Args:
        index: the shards.
        shard: number of the shard.
        rows: the row numbers; `None` for all rows.
        trust: whether pickles may be executed.
        likely: names of columns to read together with the first one that is looked up.
        columns: columns of these rows that were read already. Defaults to `{}`.
    """

    def __init__(
        self,
        index: ShardIndex,
        shard: int,
        rows: npt.NDArray[np.int64] | None,
        *,
        trust: bool = False,
        likely: Iterable[str] = (),
        columns: Mapping[str, Array] = MappingProxyType({}),
    ) -> None:
        self._index = index
        self._shard = shard
        self._rows = rows
        self._trust = trust
        self._likely = list(likely)
        self._names = small_columns(index)
        self._columns: dict[str, Array] = dict(columns)
        self.used: dict[str, None] = {}

    def __getitem__(self, name: str) -> Array:
        if name not in self._names:
            raise KeyError(_describe_missing(self._index, name, self._names))
        self.used[name] = None
        if name not in self._columns:
            names = dict.fromkeys([name, *(n for n in self._likely if n not in self._columns)])
            for one, column in read_shard(self._index, self._shard, names, self._trust).items():
                assert isinstance(column, np.ndarray)  # `Ragged` is not small
                self._columns[one] = column if self._rows is None else column[self._rows]
        return self._columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"ShardColumns({list_some(self._names)})"


def check_columns(index: ShardIndex, names: Iterable[str]) -> None:
    """Checks that columns, of any size, exist and are not encoded images.

    Raises:
        ShardError: if one does not; the message lists those that do.
    """
    fields = column_fields(index)
    for name in names:
        if name not in fields:
            raise ShardError(_describe_missing(index, name, list(fields)))
        if fields[name].is_encoded:
            raise ShardError(_describe_encoded(index, fields[name]))


def _describe_encoded(index: ShardIndex, field: Field) -> str:
    return (
        f"{index.directory}: {field} is not a column: its rows are the contents of image files, "
        "and images are decoded in batches only. Read them with "
        "`ShardSequence(...).unshuffled()`, whose rows have the same order."
    )


def checked_mask(mask: Any, count: int, path: str) -> npt.NDArray[np.bool_]:
    """Returns the result of the function of `where`.

    Args:
        mask: the result.
        count: number of rows that it received.
        path: path of the shard.

    Raises:
        TypeError: if it is not a boolean array.
        ValueError: if it has another length.
    """
    received = f"Received, for {path}: {type(mask).__name__}"
    if not isinstance(mask, np.ndarray) or np.ma.is_masked(mask):
        raise TypeError(
            "The function of `where` must return a boolean array with one value per row"
            + (", without masked values" if isinstance(mask, np.ndarray) else "")
            + f". {received}"
        )
    if mask.dtype != np.bool_:
        raise TypeError(
            "The function of `where` must return a boolean array, such as columns['labels'] == 1. "
            f"{received} of dtype {mask.dtype}. Row numbers are passed to `rows`."
        )
    if mask.shape != (count,):
        raise ValueError(
            f"The function of `where` must return one value per row, shape ({count},). "
            f"{received} of shape {mask.shape}"
        )
    return np.asarray(mask)


def function_name(function: Any) -> str:
    """Returns the name of a function; for a lambda, the place where it is defined."""
    name = getattr(function, "__name__", type(function).__name__)
    code = getattr(function, "__code__", None)
    if name == "<lambda>" and code is not None:
        return f"<lambda at {os.path.basename(code.co_filename)}:{code.co_firstlineno}>"
    return str(name)


def _describe_missing(index: ShardIndex, name: object, names: list[str]) -> str:
    field = column_fields(index).get(name) if isinstance(name, str) else None
    if field is not None and field.is_varlen:
        how = (
            "images are decoded in batches only"
            if field.is_encoded
            else "read it with `columns`, compute a mask, and pass that to `rows`"
        )
        return (
            f"{index.directory}: the rows of {field} have any size; `where` reads texts, and "
            f"values of less than {MAX_ROW_BYTES} bytes per row: {list_some(names) or 'none'}. To "
            f"select by others, {how}."
        )
    if field is not None:
        return (
            f"{index.directory}: the field {name!r} has {field.row_bytes:,} bytes per row; `where` "
            f"reads those of less than {MAX_ROW_BYTES}: {list_some(names) or 'none'}. Compute a "
            "mask of it yourself and pass it to `rows`."
        )
    reason = index.skipped_fields.get(name) if isinstance(name, str) else None
    if reason is None and name in (ROW, FILE) and not index.columns:
        reason = (
            "these shards have no metadata columns: they were not packed, or they were packed by "
            "an earlier version of keras_bigdata. Pack the data again"
        )
    elif reason is None and name == FILE:
        reason = "it is a column of sources of images"
    elif reason is None:
        reason = "columns of a table are kept if `keep` names them when it is packed"
    return (
        f"{index.directory}: there is no column {name!r}"
        + f" ({reason})"
        + f". The columns are: {list_some(names) or 'none'}"
    )
