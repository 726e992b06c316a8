"""Who destroys the iterator of a TensorFlow `fit` that was broken off, and when.

TensorFlow asks for batches in a thread of its own, and whoever destroys its iterator waits for that
thread. A `fit` that ends early (Ctrl-C, an error, `stop_training` in mid-epoch) leaves the iterator
in a cycle of references, and Python destroys a cycle in whichever thread collects garbage next. If
that is the thread itself, or one that works for it, it waits for itself, and the process for ever:
after every second Ctrl-C in the first second of a `fit`, where worker processes were starting. Any
`PyDataset` can have that; one that allocates much while it is asked has it often.

So while an epoch is under way its sequence holds the iterator, and the frames of every call to a
sequence hold the sequence. What was broken off is destroyed when the next `fit` begins. When the
process ends it is not destroyed, but calls for more are kept waiting: a thread of TensorFlow that
comes back to Python after Python's end aborts the process.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import threading
import time
import weakref
from typing import Any

from keras_bigdata.loading.fit_calls import asking_iterators, running_iterators

# At exit, for calls that are under way.
_PATIENCE = 1.5


class Hold:
    """Of one sequence, on what asks it for an epoch. Calls for batches go through `with hold:`."""

    def __init__(self) -> None:
        self._iterators: list[Any] = []
        self._inside: set[int] = set()
        self._over = False
        _holds.add(self)

    def __enter__(self) -> None:
        if self._over:
            threading.Event().wait()  # for ever
        self._inside.add(threading.get_ident())

    def __exit__(self, *error: object) -> None:
        self._inside.discard(threading.get_ident())

    def take(self) -> None:
        """An epoch begins."""
        iterators = asking_iterators()
        if any(held not in iterators for held in self._iterators):
            self.destroy()
        self._iterators = iterators

    def drop(self) -> None:
        """An epoch ends as it should: Keras keeps the iterator for the next one."""
        self._iterators = []

    def destroy(self) -> None:
        """What was broken off is destroyed now, by a thread that nobody waits for.

        It may take as long as the broken epoch did: TensorFlow waits for its autotuning too.
        """
        broken, self._iterators = self._iterators, []
        if broken:
            threading.Thread(target=_destroy, args=(broken,), daemon=True).start()

    def forked(self) -> None:
        """In a forked child: those that were inside stayed with the parent."""
        self._inside.clear()


def _destroy(iterators: list[Any]) -> None:
    iterators.clear()
    gc.collect()


_holds: weakref.WeakSet[Hold] = weakref.WeakSet()


def _at_exit() -> None:
    running = running_iterators()  # in threads that Python still waits for
    broken = [
        hold
        for hold in list(_holds)
        if hold._iterators and not any(one in running for one in hold._iterators)
    ]
    for hold in broken:
        hold._over = True
        # Never destroyed: the end would wait for that, up to a minute.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(hold._iterators))
    deadline = time.monotonic() + _PATIENCE
    while any(hold._inside for hold in broken) and time.monotonic() < deadline:
        time.sleep(0.005)


getattr(threading, "_register_atexit", atexit.register)(_at_exit)
