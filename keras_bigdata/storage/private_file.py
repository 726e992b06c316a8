"""A temporary local file for a transfer; the next one removes that of a killed process."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "keras_bigdata-transfer-"

# A younger directory may not be locked yet, in seconds.
_MIN_AGE = 60.0


@contextlib.contextmanager
def private_file(name: str) -> Iterator[Path]:
    """Yields the path of a file that does not exist yet, and removes it at the end of the block.

    It lies in a directory of its own below the temporary one, since HDF5 cannot write a file that
    has no name. A lock on that directory ends with the process, also by SIGKILL: directories that
    are no longer locked are removed by the next call.

    Args:
        name: its name, whose suffix a writer may depend on.

    Yields:
        The path.

    Raises:
        OSError: if the directory cannot be made.
    """
    _remove_leftovers()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as directory:
        descriptor = _lock(directory)
        try:
            yield Path(directory) / name
        finally:
            if descriptor is not None:
                os.close(descriptor)


def _remove_leftovers() -> None:
    with contextlib.suppress(OSError):
        for entry in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            with contextlib.suppress(OSError):
                if time.time() - entry.lstat().st_mtime < _MIN_AGE:
                    continue
                descriptor = _lock(str(entry))
                if descriptor is not None:
                    shutil.rmtree(entry, ignore_errors=True)
                    os.close(descriptor)


def _lock(directory: str) -> int | None:
    """Returns the descriptor that holds the lock on a directory of this user.

    Returns:
        `None` if another process holds it, or if there are no such locks.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid == os.getuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
