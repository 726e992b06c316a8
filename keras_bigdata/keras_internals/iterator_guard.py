"""The iterator of a `fit` on TensorFlow, kept alive until it can be destroyed safely."""

from __future__ import annotations

import atexit
import ctypes
import gc
import math
import threading
import time
import weakref
from typing import Any

from keras_bigdata.keras_internals.fit import calling_epoch_iterators, running_epoch_iterators

# Seconds to wait at exit for requests that are being served.
_EXIT_SECONDS = 1.5
# Seconds in which a thread of TensorFlow converts a batch that it has just received.
_CONVERSION_SECONDS = 0.05


class IteratorGuard:
    """Keeps the TensorFlow iterator of the current epoch alive until it can be destroyed safely.

    TensorFlow requests batches in a thread of its own, and the thread that destroys its iterator
    waits for the requesting thread. A `fit` that ends early (Ctrl-C, an error, `stop_training`
    during an epoch) leaves the iterator in a cycle of references, and Python destroys a cycle in
    the thread that happens to collect garbage. If that is the requesting thread, or a thread that
    works for it, it waits for itself, and the process hangs forever: after every second Ctrl-C in
    the first second of a `fit` that starts worker processes. This can happen with every
    `PyDataset`; it often happens with one that allocates much memory in a request.

    So the sequence refers to the iterator during an epoch, and the frames of every request refer to
    the sequence. The iterator of a stopped epoch is destroyed when the next `fit` begins. When the
    process ends it is not destroyed at all, and further requests block: a thread of TensorFlow that
    returns to Python after Python has ended aborts the process.

    Requests for batches go through `with guard:`.

    Finds: the iterators that `calling_epoch_iterators` returns.

    Seen in: Keras 3.8 to 3.15.1 with TensorFlow 2.18 to 2.21.

    Upstream: none filed.

    Without it: a stopped `fit` may hang, as with any `PyDataset`.
    """

    def __init__(self) -> None:
        self._iterators: list[Any] = []
        self._serving: set[int] = set()
        self._exiting = False
        self._last_served = -math.inf
        _guards.add(self)

    def __enter__(self) -> None:
        if self._exiting and threading.current_thread() is not threading.main_thread():
            threading.Event().wait()  # forever
        self._serving.add(threading.get_ident())

    def __exit__(self, *error: object) -> None:
        self._serving.discard(threading.get_ident())
        self._last_served = time.monotonic()

    def hold(self) -> None:
        """Keeps the iterator of an epoch that begins; destroys that of a stopped epoch."""
        self._exiting = False  # a function that `atexit` calls may train
        iterators = calling_epoch_iterators()
        if any(held not in iterators for held in self._iterators):
            self.destroy()
        self._iterators = iterators

    def drop(self) -> None:
        """Forgets the iterator of a complete epoch: Keras keeps it for the next one."""
        self._iterators = []

    def destroy(self) -> None:
        """Destroys the iterator of a stopped epoch in a thread that nothing waits for.

        This may take as long as that epoch took: TensorFlow waits for its autotuning too.
        """
        stopped, self._iterators = self._iterators, []
        if stopped:
            threading.Thread(target=_destroy, args=(stopped,), daemon=True).start()

    def reset_after_fork(self) -> None:
        """Resets a forked child: the threads that were served exist in the parent only."""
        self._serving.clear()


def _destroy(iterators: list[Any]) -> None:
    iterators.clear()
    gc.collect()


_guards: weakref.WeakSet[IteratorGuard] = weakref.WeakSet()


def _block_requests_at_exit() -> None:
    running = running_epoch_iterators()
    stopped = [
        guard
        for guard in list(_guards)
        # A guard without iterators may serve a `tf.data.Dataset`, whose iterators are unknown.
        if not any(iterator in running for iterator in guard._iterators or running)
    ]
    for guard in stopped:
        guard._exiting = True
        # The iterators are never destroyed: the process would wait for that for up to a minute.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(guard._iterators))
    started = time.monotonic()
    while any(guard._serving for guard in stopped) and time.monotonic() < started + _EXIT_SECONDS:
        time.sleep(0.005)
    if any(guard._last_served > started - 1 for guard in stopped):
        time.sleep(_CONVERSION_SECONDS)


atexit.register(_block_requests_at_exit)
