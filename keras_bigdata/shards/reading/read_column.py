"""Reads one column or field of one shard whole, outside of training."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.shards.fields.entries import TEXT_CODEC
from keras_bigdata.shards.fields.ragged import Ragged
from keras_bigdata.shards.fields.varlen import check_offsets, decode_texts_of_rows
from keras_bigdata.shards.index.shard_index import DECODED, ShardIndex
from keras_bigdata.shards.pickles import (
    read_array,
    read_columns,
    read_remote_arrays,
    read_varlen,
)
from keras_bigdata.shards.pickles.source import StoredArray
from keras_bigdata.shards.reading.readable_shard import readable_shard
from keras_bigdata.storage.cache.open_copy import OpenCopy
from keras_bigdata.storage.paths.listed_sizes import listed_size
from keras_bigdata.storage.paths.remote_path import RemotePath

Array = npt.NDArray[Any]

_INT64 = np.dtype(np.int64)


def read_column(
    index: ShardIndex,
    shard: int,
    name: str,
    *,
    trust: bool = False,
    file: OpenCopy | None = None,
) -> Array:
    """Returns a field or a metadata column of one shard: one entry per row.

    Only its bytes are read, unless the shard has to be decoded whole.

    Args:
        index: the index.
        shard: number of the shard.
        name: name of the field or of the metadata column.
        trust: as in `open_shards`. Defaults to `False`.
        file: an open copy of the remote shard, which is read instead of it. Defaults to `None`.

    Returns:
        An array of shape `(rows, ...)`; of `str` for a column of texts.

    Raises:
        CorruptShardError: if the file is missing, cut short or changed.
        ShardError: if it is a field of varying row size, which is not an array.
    """
    rows = int(index.samples[shard])
    field = index.fields.get(name) or index.columns[name]
    path, offset = index.path(shard), int(index.offsets[name][shard])
    if file is None:
        _check_size(path, int(index.sizes[shard]))
    if field.codec == TEXT_CODEC:
        return _read_texts(index, shard, name, trust, file)
    if field.is_varlen:
        raise ShardError(
            f"{index.directory}: {field} has rows of any size, which `read_ragged` returns."
        )
    if offset != DECODED:
        stored = StoredArray(field.dtype, (rows, *field.row_shape), offset, "C")
        return read_array(file or path, stored)
    with _opened(index, shard, file) as opened:
        column = read_columns(opened, [name], trust)[name]
    if column.shape != (rows, *field.shape) or column.dtype != field.dtype:
        raise CorruptShardError(
            f"{path}: {name!r} is {column.dtype} of shape {column.shape}, expected {field.dtype} "
            f"{(rows, *field.shape)}: the shard was changed. Open it again, or restore it."
        )
    return column


def read_remote_columns(index: ShardIndex, shard: int, names: Sequence[str]) -> dict[str, Array]:
    """Returns those of some columns of a remote shard that are stored as they are.

    Columns that lie close together in the file are one request.

    Args:
        index, shard: as in `read_column`.
        names: names of fields and metadata columns. Those that have to be decoded, or whose rows
            vary in size, are left out.

    Raises:
        CorruptShardError: if the file is missing, cut short or changed.
    """
    path, rows = index.path(shard), int(index.samples[shard])
    fields = {name: index.fields.get(name) or index.columns[name] for name in names}
    plain = [
        name
        for name, field in fields.items()
        if not field.is_varlen and index.offsets[name][shard] != DECODED
    ]
    if not plain or not isinstance(path, RemotePath):
        return {}
    _check_size(path, int(index.sizes[shard]))
    places = {
        name: StoredArray(
            fields[name].dtype,
            (rows, *fields[name].row_shape),
            int(index.offsets[name][shard]),
            "C",
        )
        for name in plain
    }
    return read_remote_arrays(path, places)


def _opened(
    index: ShardIndex, shard: int, file: OpenCopy | None
) -> contextlib.AbstractContextManager[Path | OpenCopy]:
    """Returns a context of the copy that is open already, or of the file of a shard."""
    return readable_shard(index, shard) if file is None else contextlib.nullcontext(file)


def _check_size(path: Path | RemotePath, expected: int) -> None:
    """Checks that a file has the size in the index: in another file, its offsets are wrong."""
    try:
        size = listed_size(path) if isinstance(path, RemotePath) else os.stat(path).st_size
    except OSError as error:
        raise CorruptShardError(f"{path}: cannot be opened ({error.strerror}).") from error
    if size != expected:
        raise CorruptShardError(
            f"{path}: the shard has {size:,} bytes, expected {expected:,}: it was cut short or "
            "changed. Restore it, or pack the data again."
        )


def read_ragged(
    index: ShardIndex,
    shard: int,
    name: str,
    *,
    trust: bool = False,
    file: OpenCopy | None = None,
) -> Ragged:
    """Returns a field of varying row size of one shard, as it is stored.

    Args:
        index, shard, trust, file: as in `read_column`.
        name: name of a field of numbers of any length, or of encoded images, whose rows are then
            bytes.

    Raises:
        CorruptShardError: if the file is missing, cut short or changed, or if its offsets do not
            divide its values into rows.
    """
    if file is None:
        _check_size(index.path(shard), int(index.sizes[shard]))
    parts = read_parts(index, shard, name, trust, file)
    return Ragged(*parts, padding=index.fields[name].padding)


def read_parts(
    index: ShardIndex, shard: int, name: str, trust: bool, file: OpenCopy | None = None
) -> tuple[Array, Array]:
    """Returns values and offsets of rows of varying size. The offsets are checked."""
    field = index.fields.get(name) or index.columns[name]
    if is_decoded(index, shard, name):
        with _opened(index, shard, file) as opened:
            return decode_parts(index, shard, name, opened, trust)
    offsets = read_offsets(index, shard, name, file)
    start = int(index.offsets[name][shard])
    stored = StoredArray(field.value_dtype, (int(offsets[-1]), *field.value_shape), start, "C")
    return read_array(file or index.path(shard), stored), offsets


def is_decoded(index: ShardIndex, shard: int, name: str) -> bool:
    """Returns whether the shard has to be decoded whole to read rows of varying size."""
    places = (int(index.offsets[name][shard]), int(index.row_offsets[name][shard]))
    return DECODED in places


def read_offsets(index: ShardIndex, shard: int, name: str, file: OpenCopy | None = None) -> Array:
    """Returns the offsets of rows of varying size that are stored as they are, checked.

    Raises:
        CorruptShardError: if they do not divide values that the file can hold into rows.
    """
    field = index.fields.get(name) or index.columns[name]
    path, rows = index.path(shard), int(index.samples[shard])
    start, row_start = int(index.offsets[name][shard]), int(index.row_offsets[name][shard])
    where = _describe(index, shard, name)
    offsets = read_array(file or path, StoredArray(_INT64, (rows + 1,), row_start, "C"))
    # The size of the file bounds what is read: the offsets are data of any origin.
    size = int(offsets[-1])
    value_bytes = max(1, field.value_dtype.itemsize * math.prod(field.value_shape))
    if not 0 <= size <= (int(index.sizes[shard]) - start) // value_bytes:
        raise CorruptShardError(
            f"{where}: the offsets end at {size:,} values, which the file does not hold. Restore "
            "the file, or write it again."
        )
    check_offsets(offsets, rows, size, where)
    return offsets


def decode_parts(
    index: ShardIndex, shard: int, name: str, file: str | Path | OpenCopy, trust: bool
) -> tuple[Array, Array]:
    """Decodes a whole shard, and returns values and offsets of one field or column of it."""
    field = index.fields.get(name) or index.columns[name]
    where = _describe(index, shard, name)
    values, offsets = read_varlen(file, name, trust)
    if values.dtype != field.value_dtype or values.shape[1:] != field.value_shape:
        sizes = ", ".join(map(str, ("any", *field.value_shape)))
        raise CorruptShardError(
            f"{where}: the values are {values.dtype} {values.shape}, expected {field.value_dtype} "
            f"({sizes}): the shard was changed. Restore it, or pack the data again."
        )
    check_offsets(offsets, int(index.samples[shard]), len(values), where)
    return values, offsets.astype(np.int64)


def stored_bytes_per_row(index: ShardIndex, name: str) -> float | None:
    """Returns the average bytes of the values of a row of varying size, in the first shard.

    Returns:
        `None` if it cannot be read, or only by decoding the shard.
    """
    if not len(index) or not index.samples[0] or is_decoded(index, 0, name):
        return None
    field = index.fields.get(name) or index.columns[name]
    try:
        _check_size(index.path(0), int(index.sizes[0]))
        offsets = read_offsets(index, 0, name)
    except ShardError:
        return None
    value_bytes = field.value_dtype.itemsize * math.prod(field.value_shape)
    return int(offsets[-1]) * value_bytes / int(index.samples[0])


def _read_texts(
    index: ShardIndex, shard: int, name: str, trust: bool, file: OpenCopy | None
) -> Array:
    values, offsets = read_parts(index, shard, name, trust, file)
    return decode_texts_of_rows(values, offsets, _describe(index, shard, name))


def _describe(index: ShardIndex, shard: int, name: str) -> str:
    kind = "column" if name in index.columns else "field"
    return f"{index.path(shard)}: the {kind} {name!r}"
