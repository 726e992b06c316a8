"""Local directories in which files are written before they are uploaded."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from keras_bigdata.file_locks import lock_file

_PREFIX = "keras_bigdata-upload-"
_LOCK = "lock"

# Seconds after which a directory that no process has locked is a leftover: a new one is locked
# within an instant.
_LEFTOVER_AGE = 600.0

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


@contextlib.contextmanager
def upload_directory() -> Iterator[Path]:
    """Creates a temporary directory, which is removed when the block ends.

    Yields:
        Its path.

    Raises:
        OSError: if nothing can be written there; for a full disk, the message names the directory.
    """
    root = tempfile.gettempdir()
    try:
        with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
            descriptor = lock_file(Path(name) / _LOCK)
            try:
                yield Path(name)
            finally:
                os.close(descriptor)
    except OSError as error:
        if error.errno in _FULL:
            raise OSError(
                error.errno,
                f"{error.strerror}: files are written to the temporary directory {root} before "
                "they are uploaded. Free space there, or set the environment variable TMPDIR to a "
                "directory on a larger disk",
            ) from error
        raise


def remove_upload_leftovers() -> None:
    """Removes the directories that killed processes of this user have left."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            found = directory.lstat()
            if hasattr(os, "getuid") and found.st_uid != os.getuid():
                continue
            if directory.is_symlink() or time.time() - found.st_mtime < _LEFTOVER_AGE:
                continue
            descriptor = lock_file(directory / _LOCK)  # raises while its process runs
            try:
                shutil.rmtree(directory)
            finally:
                os.close(descriptor)
