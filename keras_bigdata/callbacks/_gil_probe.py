"""Whether the code that runs in other threads holds the GIL."""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections import deque

# A thread that wakes has to wait for the GIL if another one holds it: one switch interval, 5 ms, if
# that runs Python code, and nearly nothing if it is in NumPy code that has released it.
_PERIOD = 0.02
_HELD = 0.4
_MAX_KEPT = 500


class GilProbe:
    """Wakes 50 times per second and measures by how much it is late.

    It takes 0.1 % of one core.
    """

    def __init__(self) -> None:
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
        while not self._stop.is_set():
            begin = time.perf_counter()
            time.sleep(_PERIOD)
            self._late.append(time.perf_counter() - begin - _PERIOD)
