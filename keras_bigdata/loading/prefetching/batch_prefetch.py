"""Prefetching: the next batches are loaded while the model trains on the current one.

Keras's own enqueuer is not used: on JAX and torch its threads lose and duplicate batches (see
`tests/keras_internals`; upstream issue: none filed).
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import OrderedDict
from concurrent.futures import CancelledError

from keras_bigdata.loading.prefetching.batch_provider import BatchProvider, PendingBatch
from keras_bigdata.loading.prefetching.open_prefetches import register
from keras_bigdata.loading.prefetching.slow_requests import SlowRequests
from keras_bigdata.loading.rows.row_reader import Batch

# Maximum memory of the batches that wait to be trained on, whatever `max_queue_size` is.
_QUEUE_BYTES = 512 * 2**20


class BatchPrefetch:
    """Returns any batch, and has the following ones ready when they are requested in order.

    Thread-safe, and correct for any order of requests: a batch is a pure function of its position,
    so a batch that was not prefetched is loaded at once.

    Args:
        provider: loads the batches.
        depth: number of batches to load in advance.
        length: number of positions after which position 0 follows; `None` for an endless stream.
            Defaults to `None`.
    """

    def __init__(self, provider: BatchProvider, depth: int, length: int | None = None) -> None:
        self._provider = provider
        self._depth = depth
        self._length = length
        self._closed = False
        self._pending: OrderedDict[int, PendingBatch] = OrderedDict()
        self._lock = threading.Lock()
        self._last: int | None = None
        self._in_order = 0
        self._slow_requests = SlowRequests()
        self._finalizer = weakref.finalize(self, provider.close)
        register(self)

    def get(self, position: int) -> Batch:
        """Returns the batch at a position of the stream."""
        with self._lock:
            pending = self._pending.pop(position, None)
            follows = self._last is not None and position == self._after(self._last, 1)
            self._in_order = self._in_order + 1 if follows else 0
            # Prefetching pays off if requests come in order. At the end of an epoch TensorFlow
            # requests the first batch or two of the old epoch again and drops them: one request
            # out of order must not drop what was prefetched for the new epoch.
            extend = pending is not None or self._in_order > 1 or not self._pending
            if pending is None:
                pending = self._provider.load_now(position)
            if extend and not self._closed:
                self._extend(position)
            self._last = position
        started = time.monotonic()
        try:
            batch = pending.result()
        except CancelledError:  # closed by another thread while this one waited
            batch = self._provider.load_now(position).result()
        except BaseException:
            self._drop_pending()
            raise
        self._slow_requests.add(follows, time.monotonic() - started, _nbytes(batch))
        self._limit_depth(batch)
        return batch

    def _after(self, position: int, steps: int) -> int:
        return position + steps if self._length is None else (position + steps) % self._length

    def _extend(self, position: int) -> None:
        following = [self._after(position, steps) for steps in range(1, self._depth + 1)]
        for stale in [other for other in self._pending if other not in following]:
            self._pending.pop(stale).cancel()
        for other in following:
            if other not in self._pending:
                self._pending[other] = self._provider.submit(other)

    def _drop_pending(self) -> None:
        """Drops the pending batches after a failure, so that no later training receives them."""
        with self._lock:
            while self._pending:
                self._pending.popitem()[1].cancel()

    def _limit_depth(self, batch: Batch) -> None:
        nbytes = _nbytes(batch)
        if nbytes * self._depth > _QUEUE_BYTES:
            self._depth = max(1, _QUEUE_BYTES // nbytes)

    def close(self) -> None:
        """Stops prefetching. Batches are still returned, loaded on request."""
        with self._lock:
            self._closed = True
        self._finalizer()

    def leave_to_parent(self) -> None:
        """Keeps this object from closing, in a forked child, the resources of the parent."""
        self._finalizer.detach()


def _nbytes(batch: Batch) -> int:
    return sum(array.nbytes for array in batch.values())
