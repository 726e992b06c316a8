"""One shard against its entry in the index: size, checksum, structure."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from keras_bigdata.errors import BigDataError
from keras_bigdata.files import file_checksum
from keras_bigdata.integrity.report import Fault
from keras_bigdata.shards.index import ShardIndex
from keras_bigdata.shards.scan import layout


def check_content(index: ShardIndex, shard: int, remedy: str, trust: bool = False) -> Fault | None:
    """The first thing that is wrong with one shard of an index.

    Args:
        index: the index.
        shard: number of the shard.
        remedy: what a fault says is to be done.
        trust: load pickles that would have to run code. Defaults to `False`.
    """
    info = index[shard]
    path = index.path(shard)
    wrong = _size(path, info.bytes)
    if wrong is None and info.checksum is not None:
        wrong = _checksum(path, info.checksum)
    if wrong is None:
        wrong = _structure(index, shard, trust)
    if wrong is None and info.checksum is None:
        wrong = _checksum(path, None)  # for what the disk cannot read
    return None if wrong is None else Fault(str(path), *wrong, remedy)


Wrong = tuple[str, str, str]  # kind, expected, found


def _size(path: Path, expected: int) -> Wrong | None:
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return "missing", f"a file of {expected} bytes", "none"
    except OSError as error:
        return "unreadable", f"a file of {expected} bytes", str(error.strerror)
    if not os.path.isfile(path):
        return "missing", f"a file of {expected} bytes", "something else than a file"
    if stat.st_size != expected:
        return "size", f"{expected} bytes", f"{stat.st_size} bytes"
    return None


def _checksum(path: Path, expected: int | None) -> Wrong | None:
    try:
        found = file_checksum(path)
    except OSError as error:
        return "unreadable", "a file that can be read", str(error.strerror)
    if expected is None or found == expected:
        return None
    return "checksum", f"CRC-32 {expected:08x}", f"{found:08x} (bytes have changed)"


def _structure(index: ShardIndex, shard: int, trust: bool) -> Wrong | None:
    samples = int(index.samples[shard])
    try:
        arrays = layout(index.path(shard), trust).arrays
    except BigDataError as error:
        return "structure", "a pickle of arrays", str(error).rstrip(".")
    for name, field in index.fields.items():
        expected = (field.dtype, (samples, *field.shape), int(index.offsets[name][shard]))
        found = arrays.get(name)
        if found != expected:
            return "structure", _told(name, expected), _told(name, found)
    return None


def _told(name: str, array: tuple[Any, tuple[int, ...], int] | None) -> str:
    if array is None:
        return f"no array {name!r}"
    dtype, shape, offset = array
    return f"{name!r} as {dtype} {shape} at byte {offset}"
