"""What stands in an `index.json`, which anybody may have written, entry by entry.

What is wrong is a `ValueError` or `TypeError`; the index adds where.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_NAME = 4_096
# Bytes of one row, of all files and rows in all: sums stay far from 64 bits.
LARGEST = 2**62

_MAX_DIMENSIONS = 32
_MAX_FIELDS = 1_000
_MAX_DEPTH = 16

# As `numpy.lib.format.dtype_to_descr` writes them. NumPy would take much more for a dtype: lists
# in a text, names of Python types, aliases that warn.
_DTYPE = re.compile(
    r"[<>|=](?:b1|[iu][1248]|f(?:2|4|8|12|16)|c(?:8|16|24|32)|[SUV][0-9]{1,9}"
    r"|[mM]8(?:\[[0-9]{0,9}(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?)\Z"
)


def int_column(values: Iterable[int]) -> npt.NDArray[np.int64]:
    """Integers of 64 bits, one a shard."""
    made = np.array(values if isinstance(values, list) else list(values))
    if made.size == 0:
        return np.zeros(0, np.int64)
    if made.ndim != 1 or made.dtype.kind not in "iu":
        raise ValueError("a column of the shards holds something else than integers")
    if made.dtype.kind == "u" and made.max() > np.iinfo(np.int64).max:
        raise ValueError("a column of the shards holds integers of more than 63 bits")
    return made.astype(np.int64)


def row_dtype(descr: Any) -> np.dtype[Any]:
    """The dtype that `dtype_to_descr` described, without objects."""
    described, _ = _described(descr, 0)
    dtype = np.lib.format.descr_to_dtype(described)
    if dtype.hasobject:
        raise ValueError("a dtype of objects")
    return dtype


def row_shape(sizes: Any, itemsize: int) -> tuple[int, ...]:
    """The shape of one row, which must be one that memory could hold."""
    if not isinstance(sizes, list) or len(sizes) > _MAX_DIMENSIONS:
        raise ValueError("the shape of a row is no list of sizes")
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise ValueError("the shape of a row holds something else than sizes")
    if math.prod(size for size in sizes if size) * max(itemsize, 1) > LARGEST:
        raise ValueError("a row is larger than any memory")
    return tuple(sizes)


def names_inside(names: Any) -> list[str]:
    """Refuses names that would lead out of the index's directory, or that no file can have."""
    if not isinstance(names, list):
        raise ValueError("the names of the shards are no list")
    for name in names:
        _check_name(name)
    return names


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME:
        raise ValueError(f"a shard name has {len(name):,} characters")
    posix = PurePosixPath(name)
    windows = PureWindowsPath(name)
    if windows.drive or windows.root or ".." in posix.parts + windows.parts or not windows.parts:
        raise ValueError(f"the shard name {name[:200]!r} leads out of the directory")
    if "\0" in name:
        raise ValueError(f"the shard name {name[:200]!r} has a null character")
    os.fsencode(name)


def check_about(classes: Any, class_counts: Any, vocabulary: Any, made: Any) -> None:
    """Refuses what describes the data in another form than it is written."""
    named = list(classes.values()) if isinstance(classes, dict) else [classes]
    if classes is not None and not all(isinstance(each, list) for each in named):
        raise ValueError("the classes are no list")
    if class_counts is not None and not (
        isinstance(class_counts, list)
        and all(type(count) is int and 0 <= count <= LARGEST for count in class_counts)
    ):
        raise ValueError("the class counts are no list of counts")
    if vocabulary is not None and not (
        isinstance(vocabulary, list) and all(isinstance(word, str) for word in vocabulary)
    ):
        raise ValueError("the vocabulary is no list of words")
    if not isinstance(made, dict):
        raise ValueError("how the shards were made is no dict")


def _described(descr: Any, depth: int) -> tuple[Any, int]:
    """The description with the tuples that JSON lacks, and how many plain dtypes it has."""
    if isinstance(descr, str):
        if not _DTYPE.match(descr):
            raise ValueError(f"the unknown dtype {descr[:40]!a}")
        return descr, 1
    if not isinstance(descr, list) or depth == _MAX_DEPTH:
        raise ValueError("a dtype that is no text and no list of fields")
    made, leaves = [], 0
    for entry in descr:
        if not isinstance(entry, list) or len(entry) not in (2, 3):
            raise ValueError("a field of a dtype that is no name and dtype")
        title, kind, *sizes = entry
        part, more = _described(kind, depth + 1)
        leaves += more
        if leaves > _MAX_FIELDS:
            raise ValueError("a dtype of too many fields")
        shape = [row_shape(size, 1) for size in sizes]
        made.append((tuple(title) if isinstance(title, list) else title, part, *shape))
    return made, leaves
