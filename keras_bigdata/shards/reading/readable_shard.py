"""Opens a shard as a local file, also one behind a URL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from keras_bigdata.shards.index.shard_index import ShardIndex
from keras_bigdata.storage.cache.open_copy import OpenCopy, open_copy
from keras_bigdata.storage.paths.remote_path import RemotePath


@contextlib.contextmanager
def readable_shard(index: ShardIndex, shard: int) -> Iterator[Path | OpenCopy]:
    """Yields the file of a shard, or an open copy of a remote one.

    Args:
        index: the index.
        shard: number of the shard.

    Raises:
        CorruptShardError: if a remote shard does not exist, or is not the one of the index.
        StorageError: if it cannot be read.
    """
    path = index.path(shard)
    if not isinstance(path, RemotePath):
        yield path
        return
    with open_shard_copy(index, shard, path) as copy:
        yield copy


def open_shard_copy(index: ShardIndex, shard: int, path: RemotePath) -> OpenCopy:
    """Returns an open copy of a remote shard, which equals its entry in the index."""
    info = index[shard]
    return open_copy(path, info.bytes, info.checksum)
