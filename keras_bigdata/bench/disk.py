"""Throughput of the disk itself, measured without the page cache."""

from __future__ import annotations

import os
import time

from keras_bigdata.files import drop_from_page_cache
from keras_bigdata.shards.index.shard_index import ShardIndex
from keras_bigdata.storage.paths.place import local_place


def measure_disk(index: ShardIndex) -> float | None:
    """Measures how fast all files of an index are read, one after the other, from start to end.

    Each file is first dropped from the page cache; then the function checks that it was dropped.

    Args:
        index: the shards.

    Returns:
        Samples per second, or `None` if part of a file stays in memory (in a file system that lies
        in memory, for example) or if the operating system cannot say whether it does.
    """
    seconds = 0.0
    block = bytearray(2**20)
    for shard in range(len(index)):
        with open(local_place(index.path(shard), "bench"), "rb", buffering=0) as file:
            if not drop_from_page_cache(file.fileno(), int(index.sizes[shard])):
                return None
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
            start = time.perf_counter()
            while file.readinto(block):
                pass
            seconds += time.perf_counter() - start
    return float(index.samples.sum() / seconds)
