"""Throughput of the store of a remote set, measured while a part of it is copied."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from keras_bigdata.bounded_map import bounded_map
from keras_bigdata.errors import ShardError
from keras_bigdata.representation import format_bytes
from keras_bigdata.shards.index.shard_index import ShardIndex
from keras_bigdata.storage.copies.fetch import fetch
from keras_bigdata.storage.paths.place import Place, cache_of

# Shards that are copied at one time. A large one is copied in pieces by several connections.
_SHARDS_AT_ONCE = 8


@contextlib.contextmanager
def copied_shards(part: ShardIndex) -> Iterator[tuple[ShardIndex, float | None]]:
    """Copies remote shards to this machine, for as long as the block runs.

    They are copied to the directory of the cache of the set, or else to the directory for temporary
    files, with the checksums and the number of connections of training.

    Args:
        part: the shards. Those that lie on this machine are not measured.

    Yields:
        The index of the copies, and the samples per second of the store. A set on this machine is
        not copied: its own index, and `None`.

    Raises:
        ShardError: if they do not fit on the disk.
        CorruptShardError: if a shard is missing or damaged.
        StorageError: if the store cannot be reached.
    """
    if isinstance(part.directory, Path):
        yield part, None
        return
    with tempfile.TemporaryDirectory(prefix="keras_bigdata-", dir=_cache(part.directory)) as name:
        needed, free = int(part.sizes.sum()), shutil.disk_usage(name).free
        if needed > free:
            raise ShardError(
                f"{part.directory}: {format_bytes(needed)} are copied for the measurement, and "
                f"{os.path.dirname(name)} has {format_bytes(free)} free. Pass a smaller "
                "`max_bytes`, or a `cache` on another disk."
            )
        folder = Path(name)
        names = [f"{shard:06d}.pkl" for shard in range(len(part))]

        def copy(shard: int) -> int:
            path, info = part.path(shard), part[shard]
            if isinstance(path, Path):
                shutil.copyfile(path, folder / names[shard])
                return 0
            descriptor = os.open(folder / names[shard], os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                fetch(path, descriptor, info.bytes, info.checksum)
            finally:
                os.close(descriptor)
            return info.samples

        start = time.perf_counter()
        copied = bounded_map(
            copy, range(len(part)), threads=_SHARDS_AT_ONCE, pending=2 * _SHARDS_AT_ONCE
        )
        rate = sum(copied) / (time.perf_counter() - start)
        yield replace(part, directory=folder, names=names, mtimes_ns=None), rate


def _cache(place: Place) -> str | None:
    """Returns the directory of the cache of a remote set, which is created; `None` without one."""
    cache = cache_of(place)
    if cache is None:
        return None
    os.makedirs(cache.directory, exist_ok=True)
    return cache.directory
