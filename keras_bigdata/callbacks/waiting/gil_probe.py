"""Whether the code that runs in other threads holds the GIL."""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

# A thread that wakes has to wait for the GIL if another one holds it: one switch interval, 5 ms, if
# that runs Python code, and nearly nothing if it is in NumPy code that has released it.
_PERIOD = 0.05
# Median lateness above which the GIL counts as held, as a share of the switch interval.
_HELD = 0.4
# Measurements that are kept, and between two calls of `is_needed`.
_MAX_KEPT = 200
_CHECK_EVERY = 20


class GilProbe:
    """Wakes 20 times per second and measures by how much it is late.

    It takes 0.2 % of one core.

    Args:
        is_needed: returns whether the thread should go on, called once per second. Keras calls no
            hook when `fit` ends with an exception.
    """

    def __init__(self, is_needed: Callable[[], bool]) -> None:
        self._is_needed = is_needed
        self._late: deque[float] = deque(maxlen=_MAX_KEPT)
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="keras_bigdata-gil-probe", daemon=True
        )
        self._thread.start()

    @property
    def is_held(self) -> bool:
        """Whether other threads hold the GIL most of the time."""
        late = list(self._late)
        return bool(late) and statistics.median(late) > _HELD * sys.getswitchinterval()

    def forget(self) -> None:
        """Drops what was measured."""
        self._late.clear()

    def stop(self) -> None:
        """Ends the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        scheduling = _Scheduling()
        try:
            self._measure(scheduling)
        finally:
            scheduling.close()

    def _measure(self, scheduling: _Scheduling) -> None:
        for count in itertools.count(1):
            begin, delay = time.perf_counter(), scheduling.waited()
            time.sleep(_PERIOD)
            late = time.perf_counter() - begin - _PERIOD
            self._late.append(late - (scheduling.waited() - delay))
            if self._stop.is_set() or (count % _CHECK_EVERY == 0 and not self._is_needed()):
                return


class _Scheduling:
    """How long the current thread has waited for a core, which only Linux records.

    On a busy machine that would look like waiting for the GIL.
    """

    def __init__(self) -> None:
        try:
            self._file = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        except OSError:
            self._file = -1

    def waited(self) -> float:
        """Returns the seconds so far; 0 if they are not known."""
        if self._file < 0:
            return 0.0
        try:
            return int(os.pread(self._file, 100, 0).split()[1]) * 1e-9
        except (OSError, ValueError, IndexError):
            return 0.0

    def close(self) -> None:
        """Closes the file."""
        if self._file >= 0:
            os.close(self._file)
