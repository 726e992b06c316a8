"""The prefetches of this process: closed when it ends, left alone by a forked child."""

from __future__ import annotations

import weakref
from typing import Protocol

from keras_bigdata.child_processes import call_in_forked_child
from keras_bigdata.process_exit import call_at_main_thread_end


class Prefetch(Protocol):
    """An object with threads or processes that load data in advance."""

    def close(self) -> None:
        """Ends the threads and processes."""

    def leave_to_parent(self) -> None:
        """Keeps this object from closing, in a forked child, the resources of the parent."""


_open: weakref.WeakSet[Prefetch] = weakref.WeakSet()
_of_parent: list[Prefetch] = []


def register(prefetch: Prefetch) -> None:
    """Adds a prefetch, which is closed when the main thread ends: its queue is not needed then."""
    _open.add(prefetch)
    call_at_main_thread_end(_close_all)


def _close_all() -> None:
    for prefetch in list(_open):
        prefetch.close()


def _leave_to_parent() -> None:
    """Keeps a forked child from using the parent's threads and processes, and their locks."""
    for prefetch in list(_open):
        prefetch.leave_to_parent()
        _of_parent.append(prefetch)  # neither closed nor collected, which would close it
    _open.clear()


call_in_forked_child(_leave_to_parent)
