"""The layout of one pickle: dtype, shape and place of each array in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import CorruptShardError
from keras_bigdata.shards.index import DECODED
from keras_bigdata.shards.pickles import StoredArray, find_arrays

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
        mtime_ns: its modification time.
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


def read_layout(path: str | os.PathLike[str], trust: bool = False) -> Layout:
    """Finds dtype, shape and offset of each array in a pickle.

    Args:
        path: the pickle.
        trust: as in `open_shards`. Defaults to `False`.

    Raises:
        ShardError: as `find_arrays`.
    """
    try:
        stat = os.stat(path)
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
        stat.st_size,
        stat.st_mtime_ns,
        arrays,
        varlen,
        contents.skipped_fields,
        contents.numbers,
        contents.is_named,
        contents.two_readings,
    )


def _place_of(array: StoredArray | npt.NDArray[Any], compressed: bool) -> ArrayPlace:
    native = array.dtype.newbyteorder("=")
    raw = (
        isinstance(array, StoredArray)
        and array.dtype == native
        and (array.order == "C" or len(array.shape) == 1)
        and not compressed
    )
    return native, tuple(array.shape), array.offset if raw else DECODED  # type: ignore[union-attr]


def format_arrays(layout: Layout) -> str:
    """Returns the arrays with their dtypes and shapes as text, or what there is instead.

    Of many arrays or other values, the first are named.
    """
    if not layout.arrays and layout.skipped_fields:
        others = list(layout.skipped_fields.items())[:_LISTED_OTHERS]
        return "none; " + ", ".join(f"{name[:100]!r} is {why[:200]}" for name, why in others)
    some = list(layout.arrays.items())[:_LISTED]
    more = f", ... ({len(layout.arrays) - _LISTED} more)" if len(layout.arrays) > _LISTED else ""
    return (
        ", ".join(f"{name[:100]!r} {dtype} {shape}" for name, (dtype, shape, _) in some) + more
        or "none"
    )
