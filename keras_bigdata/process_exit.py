"""Functions that run as soon as the main thread ends, while other threads are still running."""

from __future__ import annotations

import threading
from collections.abc import Callable
from multiprocessing.util import Finalize

from keras_bigdata.child_processes import call_in_forked_child

_functions: list[Callable[[], None]] = []
_lock = threading.Lock()
_watching = False
_exiting = threading.Event()


def is_exiting() -> bool:
    """Returns whether the main thread has ended, so that no work should be started any more."""
    return _exiting.is_set()


def call_at_main_thread_end(function: Callable[[], None]) -> None:
    """Registers a function that runs once when the main thread ends, even if registered twice.

    Thread pools (and those of loky) wait at exit until everything that was submitted is done;
    functions of `atexit` run only after that. A function registered here runs meanwhile, in a
    thread that waits for the main thread, and can cancel the work.

    A child of `multiprocessing` waits for its own children before its main thread ends, but after
    it has run its finalizers: there the function runs as one of the finalizers.
    """
    global _watching  # noqa: PLW0603 - once per process
    with _lock:
        if function not in _functions:
            _functions.append(function)
        if _watching:
            return
        _watching = True
    threading.Thread(target=_wait_for_main_thread, name="keras_bigdata-exit", daemon=True).start()
    Finalize(None, _call_all, exitpriority=100)


def _wait_for_main_thread() -> None:
    threading.main_thread().join()
    _call_all()


def _call_all() -> None:
    _exiting.set()
    for function in list(_functions):
        function()


def _forget_thread() -> None:
    """Resets the state in a forked child, where the waiting thread does not exist."""
    global _lock, _watching  # noqa: PLW0603
    _lock = threading.Lock()
    _watching = False


call_in_forked_child(_forget_thread)
