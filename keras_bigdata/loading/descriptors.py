"""File descriptors are few: what is done when there are no more, or when one has gone stale."""

from __future__ import annotations

import errno
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Protocol, TypeVar

from keras_bigdata.errors import ShardError

_T = TypeVar("_T")

# Before each further attempt. Files that other threads are reading from close in the meantime.
_PAUSES = (0.0, 0.01, 0.1, 0.5)


class TooManyOpenFilesError(ShardError):
    """No file can be opened: no fault of the shard, so never a reason to leave it out."""


class Spender(Protocol):
    """What holds descriptors and can do without them."""

    def close_files(self) -> None: ...


_spenders: weakref.WeakSet[Spender] = weakref.WeakSet()
_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    # Nobody else holds it in the moment of a fork, or the child would wait for ever.
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


def spends(spender: Spender) -> None:
    """Notes who can give descriptors back. Held weakly."""
    with _lock:
        _spenders.add(spender)


def with_room(call: Callable[[], _T]) -> _T:
    """Calls; if too many files are open, closes all shards and tries again, four times at most.

    Raises:
        TooManyOpenFilesError: if that does not help: others have them.
    """
    try:
        return call()
    except (OSError, ShardError) as error:
        if not _out_of_files(error):
            raise
        reason: BaseException = error
    for pause in _PAUSES:
        time.sleep(pause)
        with _lock:
            spenders = list(_spenders)
        for spender in spenders:
            spender.close_files()
        try:
            return call()
        except (OSError, ShardError) as error:
            if not _out_of_files(error):
                raise
            reason = error
    raise TooManyOpenFilesError(
        f"Too many files are open: {reason} No shard is kept open any more, so it is the rest of "
        f"the program that has all {open_files_allowed()} that are allowed. Close some, or allow "
        "more: `ulimit -n 4096` in the shell before the program starts."
    ) from reason


def again_if_stale(call: Callable[[], _T]) -> _T:
    """Calls, and once more if a file on a network has gone stale: a new open finds it again."""
    try:
        return call()
    except (OSError, ShardError) as error:
        if number_of(error) != errno.ESTALE:
            raise
    return call()


def number_of(error: BaseException) -> int | None:
    """The `errno` of an error, or of the one that an error of ours came from."""
    source = error if isinstance(error, OSError) else error.__cause__
    return source.errno if isinstance(source, OSError) else None


def open_files_allowed() -> int:
    """How many files this process may open."""
    try:
        import resource
    except ImportError:  # Windows
        return 512
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _out_of_files(error: BaseException) -> bool:
    return number_of(error) in (errno.EMFILE, errno.ENFILE)
