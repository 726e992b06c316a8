"""When the next checkpoint is due."""

from __future__ import annotations

import time

# With no period given: the share of the time that checkpoints take, and the least period.
_SHARE = 0.01
_LEAST_SECONDS = 10.0


class Pace:
    """Times checkpoints by a period, or by what they cost.

    Args:
        every: seconds from one to the next; `None` for a hundred times what the last one cost,
            and at least 10 seconds.
    """

    def __init__(self, every: float | None) -> None:
        self._every = every
        self._last: float | None = None
        self._cost = 0.0

    @property
    def begun(self) -> bool:
        """Whether there was a checkpoint yet."""
        return self._last is not None

    def done(self, cost: float = 0.0) -> None:
        """There is a checkpoint now.

        Args:
            cost: seconds that training had to wait for it.
        """
        self._last = time.monotonic()
        self._cost = cost

    def is_due(self, beside: float) -> bool:
        """Whether the next one is due.

        Args:
            beside: processor seconds that writing took beside training, which may have had to
                share the processor.
        """
        if self._last is None:
            return True
        every = self._every
        if every is None:
            every = max(_LEAST_SECONDS, (self._cost + beside) / _SHARE)
        return time.monotonic() - self._last >= every
