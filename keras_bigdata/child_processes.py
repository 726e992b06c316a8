"""What worker processes of loky and joblib need in order to end well."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing import resource_tracker

# How soon a worker ends that lost the process it works for.
_POLL_SECONDS = 0.5


@contextlib.contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Workers started within are deaf to Ctrl-C, which a terminal sends to them as well.

    They are stopped by their parent. Left to themselves, those that are just starting each print a
    traceback of their imports.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # it would let them through again when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_watching: set[int] = set()


def end_with(parent: int) -> None:
    """Ends this process soon after its parent, however that is killed.

    Without it workers go on with what is queued, or wait for ever if they had no task yet. Called
    from another process than a child of `parent`, such as one of a cluster, it does nothing.
    """
    if os.getpid() == parent:
        return
    if os.getppid() != parent:
        # A worker of loky's own is always a child: its parent was killed before this began.
        if multiprocessing.current_process().name.startswith("LokyProcess"):
            os._exit(1)
        return
    if parent in _watching:
        return
    _watching.add(parent)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="keras_bigdata-parent", daemon=True).start()
