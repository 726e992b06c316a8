"""Read-ahead: the next batches of the stream are loaded while the model trains.

Keras's own enqueuer is not used: on JAX and torch its threads lose and double batches.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from keras_bigdata.loading.loader import Batch, Loader

# Batches waiting to be trained take no more than this, however many were asked for.
QUEUE_BYTES = 512 * 2**20


class Source(Protocol):
    """Loads batches, now or later."""

    def load(self, position: int) -> Batch: ...

    def submit(self, position: int) -> Future[Batch]: ...

    def close(self) -> None: ...


class Threads:
    """Loads in threads of this process. Reading releases the GIL."""

    def __init__(self, loader: Loader, workers: int) -> None:
        self._loader = loader
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="keras_bigdata")

    def load(self, position: int) -> Batch:
        return self._loader.load(position)

    def submit(self, position: int) -> Future[Batch]:
        return self._pool.submit(self._loader.load, position)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


class ReadAhead:
    """Gives any batch, and has the ones that follow ready when they are asked for in order.

    Thread-safe, and right for any order of requests: a batch is a pure function of its
    position, so what was not foreseen is loaded on the spot.

    Args:
        source: loads the batches.
        depth: number of batches to be ahead.
    """

    def __init__(self, source: Source, depth: int) -> None:
        self._source = source
        self._depth = depth
        self._pending: OrderedDict[int, Future[Batch]] = OrderedDict()
        self._lock = threading.Lock()
        self._last: int | None = None
        self._streak = 0
        self._finalizer = weakref.finalize(self, source.close)

    def get(self, position: int) -> Batch:
        """The batch at a position of the stream."""
        with self._lock:
            found = self._pending.pop(position, None)
            follows = self._last is not None and position == self._last + 1
            self._streak = self._streak + 1 if follows else 0
            # Reading on pays where requests come in order. At the end of an epoch
            # TensorFlow asks once or twice for the beginning of the old one, for nothing:
            # a single step must not throw away what is ready for the new one.
            if found is not None or self._streak > 1 or not self._pending:
                self._extend(position)
            self._last = position
        batch = self._source.load(position) if found is None else found.result()
        self._bound(batch)
        return batch

    def _extend(self, position: int) -> None:
        wanted = range(position + 1, position + 1 + self._depth)
        for stale in [p for p in self._pending if p not in wanted]:
            self._pending.pop(stale).cancel()
        for ahead in wanted:
            if ahead not in self._pending:
                self._pending[ahead] = self._source.submit(ahead)

    def _bound(self, batch: Batch) -> None:
        nbytes = sum(array.nbytes for array in batch.values())
        if nbytes * self._depth > QUEUE_BYTES:
            self._depth = max(1, QUEUE_BYTES // nbytes)

    def close(self) -> None:
        """Stops reading ahead."""
        self._finalizer()
