"""The end of the process: which functions run then, and how threads at work are treated."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from multiprocessing.util import Finalize

from keras_bigdata.child_processes import call_in_forked_child

# Maximum time in seconds that the process waits at its end for threads at work. A transform that
# is stuck must not keep the process alive.
_WAIT_SECONDS = 2.0

_functions: list[Callable[[], None]] = []
_registered = False
_exiting = threading.Event()
_finalizing = False
_working: set[int] = set()
_changed = threading.Condition()


def is_exiting() -> bool:
    """Returns whether the main thread has ended, so that no work should be started any more."""
    return _exiting.is_set()


def call_at_main_thread_end(function: Callable[[], None]) -> None:
    """Registers a function that runs when the main thread ends; it may run more than once.

    Functions of `atexit` run only after executors, among them those of loky, have completed
    everything that was submitted to them. A function registered here runs before, and can cancel
    the work.
    """
    with _changed:
        if function not in _functions:
            _functions.append(function)
    _register()


@contextlib.contextmanager
def finished_before_exit() -> Iterator[None]:
    """Makes the process wait at its end for the block, which runs in a daemon thread.

    It waits up to 2 seconds.

    CPython ends a daemon thread by unwinding its stack when it needs the GIL after finalization has
    begun. If a frame of C++ is on that stack, the process may be aborted
    (<https://github.com/python/cpython/issues/87135>; from CPython 3.14 on the thread sleeps). So a
    thread that begins work after that point sleeps here until the process has ended.
    """
    _register()
    thread = threading.get_ident()
    with _changed:
        stop = _finalizing
        if not stop:
            _working.add(thread)
    if stop:
        threading.Event().wait()
    try:
        yield
    finally:
        with _changed:
            # It is missing in a child process that the block has forked.
            _working.discard(thread)
            _changed.notify_all()


def run_before_executors_wait() -> None:
    """Makes the registered functions run before the executors that were imported until now wait.

    Call it after loky was imported.

    Finds: `threading._register_atexit`, through which `concurrent.futures` and loky register the
    functions that wait for their workers; the last one registered runs first.
    Seen in: CPython 3.9 to 3.14.
    Upstream: none filed.
    Without it: at its end the process waits until the batches that were submitted to worker
    processes, up to `max_queue_size`, have been loaded.
    """
    # Raises RuntimeError in a program that is ending: its executors have been waited for.
    with contextlib.suppress(AttributeError, RuntimeError):
        threading._register_atexit(_call_all)  # type: ignore[attr-defined]


def _register() -> None:
    """Registers `_call_all` and `_finalize`, once per process."""
    global _registered  # noqa: PLW0603 - once per process
    with _changed:
        if _registered:
            return
        _registered = True
    run_before_executors_wait()
    # Runs also in children of `multiprocessing`, which do not run functions of `atexit`.
    Finalize(None, _finalize, exitpriority=100)


def _call_all() -> None:
    """Calls the registered functions, when the main thread has ended."""
    _exiting.set()
    for function in list(_functions):
        function()


def _finalize() -> None:
    """Waits for the blocks of `finished_before_exit`, when the process ends."""
    global _finalizing  # noqa: PLW0603
    _call_all()
    with _changed:
        _finalizing = True
        _changed.wait_for(lambda: not _working, _WAIT_SECONDS)


def _reset() -> None:
    """Resets the state in a forked child: the threads of the parent do not exist there."""
    global _changed, _registered  # noqa: PLW0603
    _changed = threading.Condition()
    _registered = False
    _working.clear()


call_in_forked_child(_reset)
