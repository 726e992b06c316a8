"""Records which epoch is served, from which batch, and which of its batches were requested."""

from __future__ import annotations

import itertools
import threading

import numpy as np

_numbers = itertools.count(1)


class EpochState:
    """The position of a sequence in the endless stream of epochs.

    An epoch is complete when each of its batches was requested before `end`, or when a loop
    consumed its last batch. `begin` forgets earlier requests; code that never calls `begin` only
    has to call `end`. Thread-safe.

    Args:
        length: number of batches in an epoch.
        epoch: number of the epoch that is served next. Defaults to `0`.
        start: first batch of that epoch that is served, for that epoch only. Defaults to `0`.
        fixed: whether the same epoch is served every time. Defaults to `False`.

    Attributes:
        iteration: a number that changes when an epoch begins and when the position is set. An
            iteration with another number has been dropped.
        seeks: how often the position was set.
    """

    def __init__(self, length: int, epoch: int = 0, start: int = 0, *, fixed: bool = False) -> None:
        self.length = length
        self.fixed = fixed
        # The first batch that is served, in the epoch that begins next and in the current one.
        self.next_start = start
        self.start = 0
        self.iteration = next(_numbers)
        self.seeks = 0
        self._epoch = epoch
        self._requested = np.zeros(length, bool)
        # Batches that were requested again after all batches were, without `begin` or `end`.
        self._repeated = np.zeros(length, bool)
        self._begun = False
        # Epochs whose last batches were consumed by loops, from the current one on.
        self._consumed: set[int] = set()
        self._lock = threading.Lock()

    @property
    def epoch(self) -> int:
        """Number of the epoch that is served now, or next."""
        return self._epoch

    def seek(self, epoch: int, start: int = 0) -> None:
        """Sets the epoch that begins next, and its first batch that is served."""
        with self._lock:
            self._epoch, self.next_start, self.start = epoch, start, 0
            self._consumed.clear()
            self.iteration = next(_numbers)
            self.seeks += 1
            self._forget_requests()

    def begin(self) -> None:
        """Begins an epoch."""
        with self._lock:
            self.iteration = next(_numbers)
            self._forget_requests()
            self._begun = True
            self.start = self.next_start
            self._requested[: self.start] = True

    def begin_loop(self, epoch: int) -> int:
        """Begins a loop over an epoch, unless `begin` was called.

        Returns:
            The first batch that is served.
        """
        with self._lock:
            if not self._begun:
                self._forget_requests()
                self.start = self.next_start if epoch == self._epoch else 0
                self._requested[: self.start] = True
            return self.start if epoch == self._epoch else 0

    @property
    def begun(self) -> bool:
        """Whether `begin` was called, and neither `end` nor `advance` after it."""
        return self._begun

    def mark_requested(self, epoch: int, batches: int | slice) -> bool:
        """Records that batches of an epoch were requested, if it is the current one.

        Returns:
            `True` once if every batch was requested twice without `begin` or `end`: the caller
            probably expects the next epoch, and receives the same one again.
        """
        with self._lock:
            if epoch != self._epoch:
                return False
            if self._begun or not self._requested.all():
                self._requested[batches] = True
                return False
            before = self._repeated.all()
            self._repeated[batches] = True
            return bool(not before and self._repeated.all())

    def end(self, *, stopped: bool = False) -> int | None:
        """Ends the current epoch.

        Args:
            stopped: whether the epoch is known to be incomplete. Defaults to `False`.

        Returns:
            The number of the epoch if all of its batches were requested, else `None`.
        """
        with self._lock:
            epoch = self._epoch
            complete = bool(self._requested.all()) and not stopped
            if complete:
                self._epoch += not self.fixed
                self.next_start = 0
            self.start = 0
            self._forget_requests()
        return epoch if complete else None

    def mark_consumed(self, epoch: int) -> None:
        """Records that a loop receives the last batch of an epoch."""
        self._consumed.add(epoch)

    def advance(self) -> int | None:
        """Ends a loop: moves on to the next epoch if the current one was consumed.

        Two loops may go through two epochs side by side.

        Returns:
            The number of the last consumed epoch, or `None`.
        """
        with self._lock:
            if not self._begun:
                self.start = 0
            passed = {epoch for epoch in self._consumed if epoch < self._epoch}
            while self._epoch in self._consumed - passed:
                passed.add(self._epoch)
                self.start = self.next_start = 0
                if not self.fixed:
                    self._epoch += 1
                    self._forget_requests()
            self._consumed -= passed
        return max(passed, default=None)

    def reset_after_fork(self) -> None:
        """Makes the lock usable in a forked child: a thread of the parent may hold it."""
        self._lock = threading.Lock()
        self._consumed.clear()
        self._forget_requests()

    def _forget_requests(self) -> None:
        self._requested = np.zeros(self.length, bool)
        self._repeated = np.zeros(self.length, bool)
        self._begun = False
