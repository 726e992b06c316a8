"""The layout of one pickle: dtype, shape and place of each array in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_bigdata.errors import CorruptShardError
from keras_bigdata.shards.index import DECODED
from keras_bigdata.shards.pickles import StoredArray, find_arrays

# Number of arrays, and of other values, that a message names.
_LISTED = 20
_LISTED_OTHERS = 3


@dataclass(frozen=True, slots=True)
class Layout:
    """The arrays in one pickle.

    Args:
        nbytes: size of the file.
        mtime_ns: its modification time.
        arrays: name -> `(dtype, shape, offset)`; the offset is -1 if the array has to be decoded.
        skipped_fields: name -> why it cannot become an array.
        numbers, is_named, two_readings: as in `PickleContents`.
    """

    nbytes: int
    mtime_ns: int
    arrays: dict[str, tuple[np.dtype[Any], tuple[int, ...], int]]
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
    arrays = {}
    for name, array in contents.fields.items():
        native = array.dtype.newbyteorder("=")
        raw = (
            isinstance(array, StoredArray)
            and array.dtype == native
            and (array.order == "C" or len(array.shape) == 1)
            and not contents.compressed
        )
        arrays[name] = (native, tuple(array.shape), array.offset if raw else DECODED)  # type: ignore[union-attr]
    return Layout(
        stat.st_size,
        stat.st_mtime_ns,
        arrays,
        contents.skipped_fields,
        contents.numbers,
        contents.is_named,
        contents.two_readings,
    )


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
