"""Which epoch is served, from which batch on, and what of it was asked for."""

from __future__ import annotations

import threading

import numpy as np


class Progress:
    """Where in the endless stream of epochs a sequence is.

    An epoch is over when every batch of it was asked for between `begin` and `end`, or when a loop
    was given its last one. Thread-safe.

    Args:
        length: batches of an epoch.
        epoch: the epoch that is served next. Defaults to `0`.
        batch: the first batch of it that is served, once. Defaults to `0`.
        fixed: whether every epoch is the same one. Defaults to `False`.
    """

    def __init__(self, length: int, epoch: int = 0, batch: int = 0, *, fixed: bool = False) -> None:
        self.length = length
        self.fixed = fixed
        # First batch that is served: of the next epoch to begin, and of the one under way.
        self.next_start = batch
        self.start = 0
        self._epoch = epoch
        # Only between `begin` and `end` is it noted what was asked for.
        self._begun = False
        self._asked = np.zeros(length, bool)
        # The epoch whose last batch a loop was given, until the loop or the next one says so.
        self._given: int | None = None
        self._lock = threading.Lock()

    @property
    def epoch(self) -> int:
        """The epoch that is served next, or is being served."""
        return self._epoch

    def go_to(self, epoch: int, batch: int = 0) -> None:
        """The next epoch to begin is this one, from this batch on."""
        with self._lock:
            self._epoch, self.next_start, self.start = epoch, batch, 0
            self._begun = False
            self._given = None

    def begin(self) -> None:
        """An epoch begins."""
        with self._lock:
            self._begun = True
            self.start = self.next_start
            self._asked = np.arange(self.length) < self.start

    def ask(self, epoch: int, batches: int | slice) -> None:
        """Batches of an epoch were asked for; noted if it is under way."""
        with self._lock:
            if self._begun and epoch == self._epoch:
                self._asked[batches] = True

    def end(self, *, stopped: bool = False) -> int | None:
        """Whatever was begun ends. Gives the epoch that is over, if one is.

        Args:
            stopped: whether it is not over in any case. Defaults to `False`.
        """
        with self._lock:
            epoch = self._epoch
            over = self._begun and bool(self._asked.all()) and not stopped
            if over:
                self._epoch += not self.fixed
                self.next_start = 0
            self.start = 0
            self._begun = False
        return epoch if over else None

    def give_last(self, epoch: int) -> None:
        """A loop is given the last batch of an epoch."""
        self._given = epoch

    def settle(self) -> int | None:
        """No loop is in an epoch any more. Gives the epoch that one was given whole, if any."""
        with self._lock:
            given, self._given = self._given, None
            if given == self._epoch and not self.fixed:
                self._epoch += 1
                self._begun = False
        return given

    def forked(self) -> None:
        """In a forked child: the lock may have been held by a thread that stayed behind."""
        self._lock = threading.Lock()
        self._begun = False
        self._given = None
