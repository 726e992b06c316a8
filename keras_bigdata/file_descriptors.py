"""Calls a function again if the process ran out of file descriptors, or if a file is stale."""

from __future__ import annotations

import errno
import threading
import time
import weakref
from collections.abc import Callable
from typing import Protocol, TypeVar

from keras_bigdata.child_processes import hold_during_fork
from keras_bigdata.errors import ShardError

_T = TypeVar("_T")

# Seconds to wait before each further attempt. Meanwhile the files that other threads are reading
# are closed.
_PAUSES = (0.0, 0.01, 0.1, 0.5)


class TooManyOpenFilesError(ShardError):
    """No file can be opened. This is not a fault of a shard, so the shard is never skipped."""


class ClosesFiles(Protocol):
    """An object that can close its files and open them again later."""

    def close_files(self) -> None:
        """Closes all files."""


_registered: weakref.WeakSet[ClosesFiles] = weakref.WeakSet()
_lock = threading.Lock()
hold_during_fork(_lock)


def register(owner: ClosesFiles) -> None:
    """Registers an object, by weak reference, whose files may be closed to free descriptors."""
    with _lock:
        _registered.add(owner)


def retry_when_out_of_files(call: Callable[[], _T]) -> _T:
    """Calls a function; closes all shards and calls it again while no file can be opened.

    Raises:
        TooManyOpenFilesError: if no file can be opened after four more attempts, because other
            parts of the program hold the descriptors.
    """
    try:
        return call()
    except (OSError, ShardError) as error:
        if not is_out_of_descriptors(error):
            raise
        reason: BaseException = error
    for pause in _PAUSES:
        time.sleep(pause)
        with _lock:
            owners = list(_registered)
        for owner in owners:
            owner.close_files()
        try:
            return call()
        except (OSError, ShardError) as error:
            if not is_out_of_descriptors(error):
                raise
            reason = error
    raise TooManyOpenFilesError(
        f"Too many files are open: {reason} No shard is kept open any more, so other parts of the "
        f"program hold all {max_open_files()} descriptors that the process may have. Close some, "
        "or allow more: `ulimit -n 4096` in the shell before the program starts."
    ) from reason


def retry_if_stale(call: Callable[[], _T]) -> _T:
    """Calls a function, and once more if a file of a network file system is stale.

    A new `open` finds the file again by its path.
    """
    try:
        return call()
    except (OSError, ShardError) as error:
        if errno_of(error) != errno.ESTALE:
            raise
    return call()


def errno_of(error: BaseException) -> int | None:
    """Returns the `errno` of an error, or of the error that caused it."""
    source = error if isinstance(error, OSError) else error.__cause__
    return source.errno if isinstance(source, OSError) else None


def max_open_files() -> int:
    """Returns how many files this process may have open."""
    try:
        import resource
    except ImportError:  # Windows
        return 512
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def is_out_of_descriptors(error: BaseException) -> bool:
    """Whether no file can be opened: the process has too many open, or the machine."""
    return errno_of(error) in (errno.EMFILE, errno.ENFILE)
