"""The layout of one pickle: dtype, shape and place of each array in it."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import CorruptShardError
from keras_bigdata.shards.fields.entries import TEXT_CODEC, Field
from keras_bigdata.shards.index.shard_index import DECODED, ShardIndex
from keras_bigdata.shards.pickles import StoredArray, find_arrays
from keras_bigdata.storage.cache.open_copy import OpenCopy

# Number of arrays, and of other values, that a message names.
_LISTED = 20
_LISTED_OTHERS = 3

# Dtype, shape and offset of an array.
ArrayPlace: TypeAlias = "tuple[np.dtype[Any], tuple[int, ...], int]"


@dataclass(frozen=True, slots=True)
class Layout:
    """The arrays in one pickle.

    Args:
        nbytes: size of the file.
        mtime_ns: its modification time; 0 for the copy of a remote file.
        arrays: name -> `(dtype, shape, offset)`; the offset is -1 if the array has to be decoded.
        varlen: name -> the same of the values and of the offsets of rows of variable length.
        skipped_fields: name -> why it cannot become an array.
        numbers, is_named, two_readings: as in `PickleContents`.
    """

    nbytes: int
    mtime_ns: int
    arrays: dict[str, ArrayPlace]
    varlen: dict[str, tuple[ArrayPlace, ArrayPlace]]
    skipped_fields: dict[str, str]
    numbers: tuple[str, ...] = ()
    is_named: bool = True
    two_readings: str | None = None


def read_layout(path: str | os.PathLike[str] | OpenCopy, trust: bool = False) -> Layout:
    """Finds dtype, shape and offset of each array in a pickle.

    Args:
        path: the pickle, or an open copy of a remote one.
        trust: as in `open_shards`. Defaults to `False`.

    Raises:
        ShardError: as `find_arrays`.
    """
    try:
        size, mtime_ns = _size_and_time(path)
    except OSError as error:
        raise CorruptShardError(f"{path}: cannot be opened ({error.strerror}).") from error
    contents = find_arrays(path, trust=trust)
    compressed = contents.compressed
    arrays = {name: _place_of(array, compressed) for name, array in contents.fields.items()}
    varlen = {
        name: (_place_of(rows.values, compressed), _place_of(rows.offsets, compressed))
        for name, rows in contents.varlen.items()
    }
    return Layout(
        size,
        mtime_ns,
        arrays,
        varlen,
        contents.skipped_fields,
        contents.numbers,
        contents.is_named,
        contents.two_readings,
    )


def _size_and_time(path: str | os.PathLike[str] | OpenCopy) -> tuple[int, int]:
    if isinstance(path, OpenCopy):
        return path.size, 0
    stat = os.stat(path)
    return stat.st_size, stat.st_mtime_ns


def _place_of(array: StoredArray | npt.NDArray[Any], compressed: bool) -> ArrayPlace:
    native = array.dtype.newbyteorder("=")
    raw = (
        isinstance(array, StoredArray)
        and array.dtype == native
        and (array.order == "C" or len(array.shape) == 1)
        and not compressed
    )
    return native, tuple(array.shape), array.offset if raw else DECODED  # type: ignore[union-attr]


def find_difference(
    index: ShardIndex, shard: int, name: str, layout: Layout
) -> tuple[str, str] | None:
    """Compares where and how a field or column of a shard is stored with the index.

    Args:
        index: the index.
        shard: number of the shard.
        name: name of the field or of the metadata column.
        layout: the layout of the file.

    Returns:
        The expected and the found layout, as texts; `None` if they agree.
    """
    field = index.fields.get(name) or index.columns[name]
    rows, offset = int(index.samples[shard]), int(index.offsets[name][shard])
    if not field.is_varlen:
        expected = (field.dtype, (rows, *field.row_shape), offset)
        array = layout.arrays.get(name)
        if array == expected:
            return None
        return _format_array(name, expected), _format_array(name, array)
    places = (offset, int(index.row_offsets[name][shard]))
    varlen = layout.varlen.get(name)
    found = None if varlen is None else _format_varlen(field, varlen)
    wanted = _varlen_text(field, field.value_dtype, field.value_shape, rows, places)
    reason = layout.skipped_fields.get(name)
    missing = f"no values and offsets {name!r}{'' if reason is None else f' ({reason})'}"
    return None if found == wanted else (wanted, found or missing)


def has_rows(varlen: tuple[ArrayPlace, ArrayPlace]) -> bool:
    """Returns whether values and offsets may be rows: the offsets are signed integers."""
    _, (dtype, shape, _) = varlen
    return dtype.kind == "i" and shape[0] > 0


def varlen_places(varlen: tuple[ArrayPlace, ArrayPlace]) -> tuple[int, int]:
    """Returns the byte positions of values and offsets, or -1 if they have to be decoded."""
    values, offsets = varlen
    return values[2], offsets[2] if offsets[0] == np.int64 else DECODED


def _format_varlen(field: Field, varlen: tuple[ArrayPlace, ArrayPlace]) -> str:
    (dtype, shape, _), (row_dtype, row_shape, _) = varlen
    if not has_rows(varlen):
        return f"{field.name!r} with {row_dtype} offsets of shape {row_shape}"
    return _varlen_text(field, dtype, shape[1:], row_shape[0] - 1, varlen_places(varlen))


def _varlen_text(
    field: Field,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    rows: int,
    places: tuple[int, int],
) -> str:
    sizes = ", ".join(map(str, ("any", *shape)))
    kind = "texts" if field.codec == TEXT_CODEC else f"rows of {dtype} ({sizes})"
    if field.codec == TEXT_CODEC and (dtype != np.uint8 or shape):
        kind = f"texts of {dtype} ({sizes})"
    return f"{field.name!r} as {rows} {kind}, values and offsets at bytes {places}"


def _format_array(name: str, array: ArrayPlace | None) -> str:
    if array is None:
        return f"no array {name!r}"
    dtype, shape, offset = array
    return f"{name!r} as {dtype} {shape} at byte {offset}"


def format_arrays(layout: Layout) -> str:
    """Returns the arrays with their dtypes and shapes as text, or what there is instead.

    If there are many arrays or other values, only the first ones are named.
    """
    if not layout.arrays and not layout.varlen and layout.skipped_fields:
        others = list(layout.skipped_fields.items())[:_LISTED_OTHERS]
        return "none; " + ", ".join(f"{name[:100]!r} is {why[:200]}" for name, why in others)
    texts = [
        f"{name[:100]!r} {dtype} {shape}"
        for name, (dtype, shape, _) in itertools.islice(layout.arrays.items(), _LISTED)
    ]
    texts += [
        f"{name[:100]!r} {values[0]} values and {offsets[1][0]} offsets"
        for name, (values, offsets) in itertools.islice(layout.varlen.items(), _LISTED)
    ]
    count = len(layout.arrays) + len(layout.varlen)
    more = f", ... ({count - _LISTED} more)" if count > _LISTED else ""
    return ", ".join(texts[:_LISTED]) + more or "none"
