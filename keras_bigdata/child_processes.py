"""Child processes: ends workers with their parent, and resets state after a fork."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from typing import Any

# Interval in seconds at which a worker checks whether its parent is still running.
_POLL_SECONDS = 0.5

_locks: list[Any] = []
_callbacks: list[Callable[[], None]] = []


def hold_during_fork(lock: Any) -> None:
    """Registers a lock that is acquired before each fork and released after it, on both sides.

    Otherwise a fork may happen while another thread holds the lock; the thread does not exist in
    the child, and the child would wait for the lock forever.
    """
    _locks.append(lock)


def call_in_forked_child(function: Callable[[], None]) -> None:
    """Registers a function that runs in each forked child, after all locks are released."""
    _callbacks.append(function)


def _before_fork() -> None:
    for lock in _locks:
        lock.acquire()


def _after_fork() -> None:
    for lock in reversed(_locks):
        lock.release()


def _after_fork_in_child() -> None:
    _after_fork()
    for function in _callbacks:
        function()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child
    )


@contextlib.contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Blocks SIGINT in worker processes that the block starts: a terminal sends Ctrl-C to them too.

    The parent stops them. Without this, each worker that is still starting prints a traceback of
    its imports.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # it would unblock the signal when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_watched: set[int] = set()


def end_with(parent: int) -> None:
    """Ends this process soon after its parent, however the parent ends.

    Otherwise workers would continue with queued tasks, or wait forever if they have not received a
    task. Does nothing in a process that is not a child of `parent`, such as a worker of a cluster.
    """
    if os.getpid() == parent:
        return
    if os.getppid() != parent:
        started_by = multiprocessing.parent_process()
        if started_by is not None and started_by.pid == parent:
            os._exit(1)  # a child whose parent was killed before this call
        return
    if parent in _watched:
        return
    _watched.add(parent)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="keras_bigdata-parent", daemon=True).start()
