"""Descriptors that are locked, and not inherited by forked children; waits for their locks.

A lock belongs to a descriptor. A forked child would share it, and hold it after its parent was
killed; therefore the descriptors that are opened here are closed in each forked child.
"""

from __future__ import annotations

import os
import threading
import time

from keras_bigdata.child_processes import call_in_forked_child, hold_during_fork
from keras_bigdata.file_locks import try_lock

# Pauses in seconds between attempts to lock: the first, and the longest.
_PAUSES = (0.0005, 0.02)

_lock = threading.Lock()
_not_inherited: set[int] = set()


def open_not_inherited(path: str, flags: int, mode: int = 0o666) -> int:
    """Opens a file whose descriptor is closed in forked children, until `close` or `inherit`.

    Raises:
        OSError: as `os.open` does.
    """
    with _lock:
        descriptor = os.open(path, flags, mode)
        _not_inherited.add(descriptor)
    return descriptor


def close(descriptor: int) -> None:
    """Closes a descriptor of `open_not_inherited`."""
    with _lock:
        _not_inherited.discard(descriptor)
        os.close(descriptor)


def inherit(descriptor: int) -> int:
    """Returns a descriptor of `open_not_inherited`, which the caller closes from now on."""
    with _lock:
        _not_inherited.discard(descriptor)
    return descriptor


def wait_for_lock(descriptor: int, *, exclusive: bool, seconds: float) -> bool | None:
    """Waits until a file is locked, as `try_lock` does; returns `False` after some time.

    It tries repeatedly instead of blocking, because a suspended process keeps its locks.
    """
    deadline = time.monotonic() + seconds
    pause, longest = _PAUSES
    while (locked := try_lock(descriptor, exclusive=exclusive)) is False:
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(2 * pause, longest)
    return locked


def _close_in_child() -> None:
    for descriptor in _not_inherited:
        os.close(descriptor)
    _not_inherited.clear()


hold_during_fork(_lock)
call_in_forked_child(_close_in_child)
