"""Records when batches are requested and delivered, while something measures the training."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

# Deliveries that are kept if nothing takes them.
_MAX_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """Batches that were delivered together.

    Attributes:
        requested, delivered: times of `time.monotonic()`, in seconds.
        batches: number of batches.
        rows: number of rows in all of them.
        thread: identifier of the thread that requested them.
    """

    requested: float
    delivered: float
    batches: int
    rows: int
    thread: int


class Deliveries:
    """The deliveries of the current epoch, in their order. Thread-safe.

    Args:
        across_epochs: whether training may use batches that were delivered before its epoch began,
            as it does with `fit(steps_per_epoch=...)`. Defaults to `False`.
    """

    def __init__(self, *, across_epochs: bool = False) -> None:
        self.across_epochs = across_epochs
        self._kept: deque[Delivery] = deque(maxlen=_MAX_KEPT)

    def begin(self) -> None:
        """Forgets the deliveries before an epoch, if none of them can be used in it."""
        if not self.across_epochs:
            self._kept.clear()

    def add(self, requested: float, batches: int, rows: int) -> None:
        """Records a delivery that is complete now.

        Args:
            requested: time of `time.monotonic()` when it was requested.
            batches: number of batches.
            rows: number of rows in all of them.
        """
        now = time.monotonic()
        self._kept.append(Delivery(requested, now, batches, rows, threading.get_ident()))

    def take(self) -> list[Delivery]:
        """Removes all deliveries and returns them."""
        taken = []
        while self._kept:
            taken.append(self._kept.popleft())
        return taken
