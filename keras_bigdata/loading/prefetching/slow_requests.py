"""A warning for training that requests batches in random order from storage that is slow."""

from __future__ import annotations

import warnings

# A warning is issued after this many requests in random order, if their batches were loaded at less
# than this many bytes per second. Batches are loaded from the page cache at 2 to 8 GB/s.
_SLOW_REQUESTS = 12
_SLOW_BYTES_PER_SECOND = 10**9


class SlowRequests:
    """Warns once if batches are requested in random order and loading them is slow.

    Args:
        bytes_per_second: rate below which loading is slow. Defaults to 1 GB/s.
    """

    def __init__(self, bytes_per_second: float = _SLOW_BYTES_PER_SECOND) -> None:
        self._bytes_per_second = bytes_per_second
        self._requests = 0
        self._seconds = 0.0
        self._nbytes = 0
        self._warned = False

    def add(self, follows: bool, seconds: float, nbytes: int) -> None:
        """Counts a request.

        Args:
            follows: whether it was for the batch that follows the one requested before.
            seconds: how long the caller waited, in seconds.
            nbytes: size of the batch.
        """
        if follows or self._warned:
            self._requests, self._seconds, self._nbytes = 0, 0.0, 0
            return
        self._requests += 1
        self._seconds += seconds
        self._nbytes += nbytes
        slow = self._nbytes < self._bytes_per_second * self._seconds and self._seconds > 0.1
        if self._requests == _SLOW_REQUESTS and slow:
            self._warned = True
            warnings.warn(
                "Batches are requested in random order, so they cannot be prefetched, and each "
                f"takes {1e3 * self._seconds / self._requests:.0f} ms to load. Pass "
                "`shuffle=False` to `fit`: ShardSequence shuffles by itself (see its `shuffle`).",
                stacklevel=4,
            )
