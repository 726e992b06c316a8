"""Compares one shard with its entry in the index: size, checksum, structure."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeAlias

from keras_bigdata.errors import BigDataError
from keras_bigdata.files import file_checksum
from keras_bigdata.integrity.report import Fault
from keras_bigdata.shards.index import ShardIndex
from keras_bigdata.shards.layout import Layout, read_layout
from keras_bigdata.shards.read_column import read_column

# Kind, expected, found.
_Difference: TypeAlias = tuple[str, str, str]


def check_shard(index: ShardIndex, shard: int, remedy: str, trust: bool = False) -> Fault | None:
    """Returns the first fault of a shard; `None` if it agrees with the index.

    Args:
        index: the index.
        shard: number of the shard.
        remedy: the remedy that a fault names.
        trust: as in `open_shards`. Defaults to `False`.
    """
    info = index[shard]
    path = index.path(shard)
    difference = _compare_size(path, info.bytes)
    if difference is None and info.checksum is not None:
        difference = _compare_checksum(path, info.checksum)
    if difference is None:
        difference = _compare_structure(index, shard, trust)
    if difference is None and info.checksum is None:
        difference = _compare_checksum(path, None)  # finds bytes that the disk cannot read
    return None if difference is None else Fault(str(path), *difference, remedy)


def _compare_size(path: Path, expected: int) -> _Difference | None:
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return "missing", f"a file of {expected} bytes", "no file"
    except OSError as error:
        return "unreadable", f"a file of {expected} bytes", str(error.strerror)
    if not os.path.isfile(path):
        return "missing", f"a file of {expected} bytes", "something that is not a regular file"
    if stat.st_size != expected:
        return "size", f"{expected} bytes", f"{stat.st_size} bytes"
    return None


def _compare_checksum(path: Path, expected: int | None) -> _Difference | None:
    try:
        checksum = file_checksum(path)
    except OSError as error:
        return "unreadable", "a file that can be read", str(error.strerror)
    if expected is None or checksum == expected:
        return None
    return "checksum", f"CRC-32 {expected:08x}", f"{checksum:08x} (bytes have changed)"


def _compare_structure(index: ShardIndex, shard: int, trust: bool) -> _Difference | None:
    samples = int(index.samples[shard])
    try:
        layout = read_layout(index.path(shard), trust)
    except BigDataError as error:
        reason = str(error).removeprefix(f"{index.path(shard)}: ").rstrip(".")
        return "structure", "a pickle of arrays", reason
    for name, field in (index.fields | index.columns).items():
        offset = int(index.offsets[name][shard])
        if not field.is_varlen:
            expected = (field.dtype, (samples, *field.row_shape), offset)
            array = layout.arrays.get(name)
            if array != expected:
                return "structure", _format_array(name, expected), _format_array(name, array)
            continue
        difference = _compare_texts(index, shard, name, layout)
        if difference is not None:
            return difference
    return None


def _compare_texts(index: ShardIndex, shard: int, name: str, layout: Layout) -> _Difference | None:
    """Compares a column of texts: where its values and offsets lie, and what they hold."""
    places = layout.varlen.get(name)
    expected = (int(index.offsets[name][shard]), int(index.row_offsets[name][shard]))
    found = None if places is None else (places[0][2], places[1][2])
    if found != expected:
        return "structure", f"texts {name!r} at bytes {expected}", f"texts {name!r} at {found}"
    try:
        read_column(index, shard, name)
    except BigDataError as error:
        reason = str(error).removeprefix(f"{index.path(shard)}: ").rstrip(".")
        return "structure", f"texts {name!r}", reason
    return None


def _format_array(name: str, array: tuple[Any, tuple[int, ...], int] | None) -> str:
    if array is None:
        return f"no array {name!r}"
    dtype, shape, offset = array
    return f"{name!r} as {dtype} {shape} at byte {offset}"
