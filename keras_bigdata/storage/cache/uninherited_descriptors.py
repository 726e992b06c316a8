"""Descriptors of locked files that forked children do not inherit.

A lock belongs to a descriptor. A forked child would share it, and hold it after its parent was
killed; therefore the descriptors that are opened here are closed in each forked child.
"""

from __future__ import annotations

import os
import threading

from keras_bigdata.child_processes import call_in_forked_child, hold_during_fork

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


def _close_in_child() -> None:
    for descriptor in _not_inherited:
        os.close(descriptor)
    _not_inherited.clear()


hold_during_fork(_lock)
call_in_forked_child(_close_in_child)
