"""Compares one shard with its entry in the index: size, checksum, structure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from keras_bigdata.checksum import file_checksum
from keras_bigdata.errors import BigDataError, CorruptShardError
from keras_bigdata.integrity.image_rows import check_image_rows
from keras_bigdata.integrity.report import Fault
from keras_bigdata.shards.fields.entries import TEXT_CODEC
from keras_bigdata.shards.index.shard_index import ShardIndex
from keras_bigdata.shards.opening.layout import find_difference, read_layout
from keras_bigdata.shards.reading.read_column import (
    is_decoded,
    read_column,
    read_offsets,
    read_ragged,
)
from keras_bigdata.storage.cache.open_copy import OpenCopy, open_copy
from keras_bigdata.storage.paths.remote_path import RemotePath

# Maximum number of times that a remote shard is read if its checksum differs. Two readings that
# agree show what the store holds.
_READINGS = 4

# Kind, expected, found.
_Difference: TypeAlias = tuple[str, str, str]


def check_shard(
    index: ShardIndex,
    shard: int,
    remedy: str,
    trust: bool = False,
    sizes: Mapping[str, int] | None = None,
) -> Fault | None:
    """Returns the first fault of a shard; `None` if it agrees with the index.

    A remote shard is read once, into memory; never from a cache.

    Args:
        index: the index.
        shard: number of the shard.
        remedy: the remedy that a fault names.
        trust: as in `open_shards`. Defaults to `False`.
        sizes: name -> size of each file of a remote set, as they were listed. Defaults to `None`:
            the size is requested.

    Raises:
        StorageError: if the store cannot be reached or refuses a request: that is not a fault of
            the shard.
    """
    path = index.path(shard)
    if isinstance(path, RemotePath):
        difference = _check_remote(index, shard, path.with_cache(None), trust, sizes)
    else:
        difference = _check_local(index, shard, path, trust)
    return None if difference is None else Fault(str(path), *difference, remedy)


def _check_local(index: ShardIndex, shard: int, path: Path, trust: bool) -> _Difference | None:
    info = index[shard]
    difference = _compare_size(path, info.bytes)
    if difference is None and info.checksum is not None:
        difference = _compare_checksum(path, info.checksum)
    if difference is None:
        difference = _compare_structure(index, shard, path, trust)
    if difference is None and info.checksum is None:
        difference = _compare_checksum(path, None)  # finds bytes that the disk cannot read
    return difference


def _check_remote(
    index: ShardIndex,
    shard: int,
    path: RemotePath,
    trust: bool,
    sizes: Mapping[str, int] | None,
) -> _Difference | None:
    info = index[shard]
    try:
        size = path.size() if sizes is None else sizes.get(info.name)
    except FileNotFoundError:
        size = None
    if size is None:
        return "missing", f"a file of {info.bytes} bytes", "no file"
    if size != info.bytes:
        return "size", f"{info.bytes} bytes", f"{size} bytes"
    former = None
    for _ in range(_READINGS):
        try:
            copy = open_copy(path, info.bytes, None)
        except CorruptShardError:  # it was removed since it was listed
            return "missing", f"a file of {info.bytes} bytes", "no file"
        with copy:
            checksum = copy.checksum(0, info.bytes)
            if info.checksum in (None, checksum):
                return _compare_structure(index, shard, copy, trust)
        if checksum == former:
            break
        former = checksum
    return _differing_checksum(info.checksum or 0, checksum)


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
    return _differing_checksum(expected, checksum)


def _differing_checksum(expected: int, found: int) -> _Difference:
    return "checksum", f"CRC-32 {expected:08x}", f"{found:08x} (bytes have changed)"


def _compare_structure(
    index: ShardIndex, shard: int, file: Path | OpenCopy, trust: bool
) -> _Difference | None:
    copy = file if isinstance(file, OpenCopy) else None
    try:
        layout = read_layout(file, trust)
    except BigDataError as error:
        reason = str(error).removeprefix(f"{index.path(shard)}: ").rstrip(".")
        return "structure", "a pickle of arrays", reason
    for name in (*index.fields, *index.columns):
        difference = find_difference(index, shard, name, layout)
        if difference is not None:
            return "structure", *difference
    for name, field in (index.fields | index.columns).items():
        if not field.is_varlen:
            continue
        try:
            _check_rows(index, shard, name, trust, copy)
        except BigDataError as error:
            reason = str(error).removeprefix(f"{index.path(shard)}: ").rstrip(".")
            return "structure", f"rows of {field}", reason
    return None


def _check_rows(
    index: ShardIndex, shard: int, name: str, trust: bool, copy: OpenCopy | None
) -> None:
    """Checks the offsets of rows of varying size, and what can be checked of the rows.

    Raises:
        CorruptShardError: if the offsets do not divide the values into rows, if texts are not
            UTF-8, or if a row is not an image of the size of the field.
    """
    field = index.fields.get(name) or index.columns[name]
    if field.codec == TEXT_CODEC:
        read_column(index, shard, name, trust=trust, file=copy)
    elif field.is_encoded:
        check_image_rows(index, shard, name, trust, copy)
    elif is_decoded(index, shard, name):
        read_ragged(index, shard, name, trust=trust, file=copy)
    else:
        read_offsets(index, shard, name, copy)
