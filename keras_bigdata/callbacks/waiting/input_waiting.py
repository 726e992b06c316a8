"""How long training waits for batches, from the times when they are delivered.

No hook of Keras is called between the moment when training requests a batch and the one when it
starts to compute: both happen in one compiled function, which may return before the device has
finished. So the waiting is computed. The device is synchronized a few times per second. Between two
such moments, S and E, m batches were trained on, which arrived at a_1 to a_m. If a step takes M,
step k ends at e_k = max(e_(k-1), a_k) + M, with e_0 = S and e_m = E. There is one M for which that
holds, M = min((E - S) / m, min_k (E - a_k) / (m - k + 1)), and the waiting is E - S - m * M.

On TensorFlow another thread requests the batches, some of them in advance. On JAX and torch the
thread that trains requests them, and starts no step meanwhile: on GPUs and TPUs, JAX requests one
batch more than it starts steps, so step k starts when batch k + 1 has arrived. The device cannot
have waited longer than that thread did, which bounds the error if steps differ.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from keras_bigdata.loading.epochs.deliveries import Delivery

# Seconds between two synchronizations. Each costs the time in which the next step could have been
# prepared, at most a few ms.
_SEGMENT_SECONDS = 0.25


def waiting_seconds(start: float, end: float, arrivals: npt.NDArray[np.float64]) -> float:
    """Returns how long a device waited for batches, if all steps take equally long.

    Args:
        start: when it was idle, and could have begun the first step, in seconds.
        end: when it had finished the last step, in seconds.
        arrivals: float64 array of shape `(steps,)`, when the batch of each step was available, in
            seconds.
    """
    steps = len(arrivals)
    if not steps or end <= start:
        return 0.0
    left = np.arange(steps, 0, -1)
    step = min((end - start) / steps, float(((end - np.minimum(arrivals, end)) / left).min()))
    return max(0.0, end - start - steps * step)


class WaitingMeter:
    """Adds up the waiting of one epoch.

    Args:
        begin: when the epoch began, in seconds of `time.monotonic()`.
        training_thread: identifier of the thread that trains.
        left_over: the attribute of the meter of the last epoch, if training may use these batches.
            Defaults to none.

    Attributes:
        waiting: seconds in which training waited.
        first: seconds of them before the first batch.
        steps: number of batches that were trained on.
        rows: number of rows in them.
        conversion: seconds in which the backend converted batches before it requested the next
            ones, in another thread than the one that trains.
        is_complete: whether the arrival of every batch is known.
    """

    def __init__(
        self, begin: float, training_thread: int, left_over: Iterable[tuple[float, int]] = ()
    ) -> None:
        self.waiting = self.first = self.conversion = 0.0
        self.steps = 0
        self.rows = 0
        self.is_complete = True
        self._begin = self._start = begin
        self._thread = training_thread
        self._queue: deque[tuple[float, int]] = deque(left_over)
        self._first_requested = begin
        self._last: Delivery | None = None
        self._shortest_gap = np.inf
        self._is_requested_here = False
        self._blocked = 0.0
        self._second_call: tuple[float, float] = (np.inf, np.inf)
        self._requested_in_first_call = 0

    @property
    def left_over(self) -> list[tuple[float, int]]:
        """Arrival and number of rows of the batches that no step has used so far."""
        return list(self._queue)

    def begin_call(self, steps: int, now: float) -> None:
        """Records that Keras is about to request the batches of further steps.

        Args:
            steps: number of steps before them.
            now: seconds of `time.monotonic()`.
        """
        if 0 < steps < self._second_call[0]:
            self._second_call = steps, now

    def is_due(self, now: float) -> bool:
        """Returns whether the device should be synchronized, so that `close` can be called."""
        return now - self._start >= _SEGMENT_SECONDS

    def close(
        self, steps: int, deliveries: Iterable[Delivery], now: float, *, without_data: int = 0
    ) -> None:
        """Ends a segment: the device is idle now.

        Args:
            steps: number of steps of the epoch so far.
            deliveries: what was delivered since the last call.
            now: seconds of `time.monotonic()`.
            without_data: number of steps at the end that may have found no more data. Defaults to
                0.
        """
        self._receive(deliveries)
        missing = steps - self.steps - len(self._queue)
        if missing > 0:
            self.is_complete = self.is_complete and missing <= without_data
            steps -= missing
        taken = [self._queue.popleft() for _ in range(steps - self.steps)]
        arrivals = self._arrivals(taken)
        # TensorFlow converts a batch after it was delivered, and training waits for that too.
        gap = self._shortest_gap if np.isfinite(self._shortest_gap) else 0.0
        if self.steps == 0 and len(arrivals):
            # What TensorFlow does before it requests the first batch, such as to compile the
            # model, is not waiting for data.
            self._start = max(self._begin, self._first_requested)
            self.first = max(0.0, float(arrivals[0]) - self._start)
        waiting = waiting_seconds(self._start, now, arrivals + gap)
        if self._is_requested_here:
            waiting = min(waiting, self._blocked)
        self._blocked = 0.0
        self.waiting += waiting
        self.conversion += gap * len(taken)
        self.rows += sum(rows for _, rows in taken)
        self.steps = steps
        self._start = now

    @property
    def _requested_ahead(self) -> int:
        """Number of batches that the training thread requests before it can start a step."""
        steps, _ = self._second_call
        if not self._is_requested_here or steps == np.inf:
            return 0
        return max(0, self._requested_in_first_call - int(steps))

    def _arrivals(self, taken: list[tuple[float, int]]) -> npt.NDArray[np.float64]:
        """Returns the times at which the steps of these batches could begin."""
        times = [arrival for arrival, _ in taken]
        ahead = self._requested_ahead
        if times and ahead:
            times += [arrival for arrival, _ in itertools.islice(self._queue, ahead)]
            times += [times[-1]] * ahead
            times = times[ahead : ahead + len(taken)]
        return np.array(times)

    def _receive(self, deliveries: Iterable[Delivery]) -> None:
        for each in deliveries:
            self._is_requested_here = each.thread == self._thread
            self._blocked += each.delivered - each.requested
            if each.requested < self._second_call[1]:
                self._requested_in_first_call += each.batches
            rows = each.rows // each.batches
            self._queue.extend([(each.delivered, rows)] * each.batches)
            last, self._last = self._last, each
            if last is None:
                self._first_requested = each.requested
            elif each.batches == last.batches == 1 and each.thread != self._thread:
                # The shortest one: a longer one may be waiting for room in a queue.
                gap = max(0.0, each.requested - last.delivered)
                self._shortest_gap = min(self._shortest_gap, gap)
