"""Which epoch is served, from which batch on, and which of its batches were requested."""

from __future__ import annotations

import threading

import numpy as np


class EpochState:
    """The place of a sequence in the endless stream of epochs.

    An epoch is complete when each of its batches was requested between `begin` and `end`, or when a
    loop consumed its last batch. Thread-safe.

    Args:
        length: number of batches in an epoch.
        epoch: number of the epoch that is served next. Defaults to `0`.
        start: first batch of that epoch that is served, for that epoch only. Defaults to `0`.
        fixed: whether every epoch is the same one. Defaults to `False`.
    """

    def __init__(self, length: int, epoch: int = 0, start: int = 0, *, fixed: bool = False) -> None:
        self.length = length
        self.fixed = fixed
        # The first batch that is served: of the epoch that begins next, and of the current one.
        self.next_start = start
        self.start = 0
        self._epoch = epoch
        # Requests are recorded between `begin` and `end` only.
        self._begun = False
        self._requested = np.zeros(length, bool)
        # The epoch whose last batch was consumed by a loop, until `advance` is called.
        self._consumed: int | None = None
        self._lock = threading.Lock()

    @property
    def epoch(self) -> int:
        """Number of the epoch that is served now, or next."""
        return self._epoch

    def seek(self, epoch: int, start: int = 0) -> None:
        """Makes an epoch the next one to begin, from a batch on."""
        with self._lock:
            self._epoch, self.next_start, self.start = epoch, start, 0
            self._begun = False
            self._consumed = None

    def begin(self) -> None:
        """Begins an epoch."""
        with self._lock:
            self._begun = True
            self.start = self.next_start
            self._requested = np.arange(self.length) < self.start

    def mark_requested(self, epoch: int, batches: int | slice) -> None:
        """Records that batches were requested, if their epoch is the one that has begun."""
        with self._lock:
            if self._begun and epoch == self._epoch:
                self._requested[batches] = True

    def end(self, *, stopped: bool = False) -> int | None:
        """Ends the current epoch.

        Args:
            stopped: whether the epoch is known to be incomplete. Defaults to `False`.

        Returns:
            The number of the epoch if all of its batches were requested, else `None`.
        """
        with self._lock:
            epoch = self._epoch
            complete = self._begun and bool(self._requested.all()) and not stopped
            if complete:
                self._epoch += not self.fixed
                self.next_start = 0
            self.start = 0
            self._begun = False
        return epoch if complete else None

    def mark_consumed(self, epoch: int) -> None:
        """Records that a loop receives the last batch of an epoch."""
        self._consumed = epoch

    def advance(self) -> int | None:
        """Moves on to the next epoch if a loop has consumed the current one.

        Returns:
            The number of the consumed epoch, or `None`.
        """
        with self._lock:
            consumed, self._consumed = self._consumed, None
            if consumed == self._epoch and not self.fixed:
                self._epoch += 1
                self._begun = False
        return consumed

    def reset_after_fork(self) -> None:
        """Makes the lock usable in a forked child: a thread of the parent may hold it."""
        self._lock = threading.Lock()
        self._begun = False
        self._consumed = None
