"""Measures how fast the disk reads on which shards will be written."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from keras_bigdata.files import drop_from_page_cache

# A disk of 200 MB/s reads this in about 0.3 s.
_FILE_BYTES = 64 * 1024**2
_BLOCK_BYTES = 1024**2


def measure_disk_rate(directory: Path) -> float | None:
    """Measures how fast a file is read that is not in the page cache.

    A file of 64 MiB without a name is written where the directory is, or will be created. The
    system removes it when it is closed, also if the process is killed. A cache of the disk itself,
    or of the host of a virtual machine, still holds the file: the rate of such disks is that of the
    cache.

    Args:
        directory: a directory, which need not exist.

    Returns:
        Bytes per second; `None` if nothing can be written there, or if the file stays in memory,
        as in a file system that lies in memory.
    """
    # Random, because some file systems compress. The blocks differ, because some store equal
    # blocks once.
    block = os.urandom(_BLOCK_BYTES)
    buffer = bytearray(_BLOCK_BYTES)
    try:
        with tempfile.TemporaryFile(dir=_existing(directory), buffering=0) as file:
            for number in range(_FILE_BYTES // _BLOCK_BYTES):
                file.write(number.to_bytes(8, "little") + block[8:])
            if not drop_from_page_cache(file.fileno(), _FILE_BYTES):
                return None
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
            file.seek(0)
            start = time.perf_counter()
            while file.readinto(buffer):
                pass
            return _FILE_BYTES / (time.perf_counter() - start)
    except OSError:
        return None


def _existing(directory: Path) -> Path:
    """Returns the directory, or the nearest one above it that exists."""
    path = directory.absolute()
    return next(parent for parent in (path, *path.parents) if parent.is_dir())
