"""The disk's own rate, with the page cache out of the way."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from keras_bigdata.shards.index import ShardIndex

_BLOCK = 2**20


def disk_rate(index: ShardIndex) -> float | None:
    """Samples a second of reading all files of an index in turn, each from its start to its end.

    Before it is read, the system is asked to forget each file, and then asked whether it has.

    Args:
        index: the shards.

    Returns:
        Samples a second, or `None` if part of a file stays in memory, as in a file system that
        lies in memory, or if the system does not tell.
    """
    passed = 0.0
    block = bytearray(_BLOCK)
    for shard in range(len(index)):
        with _opened(index.path(shard)) as fd:
            if not _forgotten(fd, int(index.sizes[shard])):
                return None
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
            started = time.perf_counter()
            while os.readv(fd, [block]):
                pass
            passed += time.perf_counter() - started
    return float(index.samples.sum() / passed)


def _forgotten(fd: int, size: int) -> bool:
    """Whether nothing of the file is in the page cache any more, as far as a few looks tell."""
    if not hasattr(os, "posix_fadvise") or not hasattr(os, "RWF_NOWAIT"):
        return False
    with contextlib.suppress(OSError):  # a file system that is read-only
        os.fsync(fd)  # pages that are not written yet cannot be forgotten
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    for position in (0, size // 4, size // 2, max(0, size - 1)):
        try:
            os.preadv(fd, [bytearray(1)], position, os.RWF_NOWAIT)
        except BlockingIOError:
            continue
        except OSError:  # the file system does not know the question
            return False
        return False
    return True


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)
