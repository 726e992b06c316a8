"""Decides when the next checkpoint is due, by an interval or by the cost of checkpoints."""

from __future__ import annotations

import time

# Used without an interval: the share of time that checkpoints take, and the shortest interval.
_TIME_SHARE = 0.01
_MIN_SECONDS = 10.0


class CheckpointSchedule:
    """Decides when the next checkpoint is due.

    Args:
        every: seconds between checkpoints; `None` for 100 times the cost of the last one, and at
            least 10 seconds.
    """

    def __init__(self, every: float | None) -> None:
        self._every = every
        self._last: float | None = None
        self._pause = 0.0

    def restart(self, pause: float = 0.0) -> None:
        """Starts the interval after a checkpoint.

        Args:
            pause: seconds for which the training was interrupted.
        """
        self._last = time.monotonic()
        self._pause = pause

    def is_due(self, write_seconds: float) -> bool:
        """Returns whether the next checkpoint is due.

        Args:
            write_seconds: processor time of the thread that wrote the last checkpoint. Training
                may have had to share the processor with it.
        """
        if self._last is None:
            return True
        every = self._every
        if every is None:
            every = max(_MIN_SECONDS, (self._pause + write_seconds) / _TIME_SHARE)
        return time.monotonic() - self._last >= every
