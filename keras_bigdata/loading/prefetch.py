"""Prefetching: the next batches are loaded while the model trains on the current one.

Keras's own enqueuer is not used: on JAX and torch its threads lose and duplicate batches (see
`tests/test_fit_contract.py`; upstream issue: none filed).
"""

from __future__ import annotations

import threading
import time
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Protocol

from keras_bigdata.child_processes import call_in_forked_child
from keras_bigdata.errors import BigDataError
from keras_bigdata.loading.batch_loader import Batch, BatchLoader
from keras_bigdata.process_exit import call_at_main_thread_end

# Maximum memory of the batches that wait to be trained on, whatever `max_queue_size` is.
QUEUE_BYTES = 512 * 2**20

# Number of runs that are kept: one in use, one being read, one left by a jump to another position.
_MAX_RUNS = 3

# A warning is issued after this many requests in random order, if their batches were loaded at less
# than this many bytes per second. Batches are loaded from the page cache at 2 to 8 GB/s.
_SLOW_REQUESTS = 12
SLOW_BYTES_PER_SECOND = 10**9


class PendingBatch(Protocol):
    """A batch that is being loaded."""

    def result(self) -> Batch:
        """Waits for the batch and returns it."""

    def cancel(self) -> bool:
        """Drops the batch if it is not being loaded yet; returns whether it was dropped."""


class BatchSource(Protocol):
    """Loads batches by their position in the stream."""

    def load_now(self, position: int) -> PendingBatch:
        """Loads a batch that a caller is waiting for."""

    def submit(self, position: int) -> PendingBatch:
        """Starts to load a batch that will be requested later."""

    def close(self) -> None:
        """Ends threads and processes."""


class ThreadSource:
    """Loads batches in threads of this process; reading releases the GIL.

    Files are read in runs of batches that share files, where possible a whole window at a time, and
    the next run is read while one is in use. Transforms run batch by batch in threads of their own,
    so that they do not wait until the next run has been read.

    Args:
        loader: loads the batches.
        workers: number of threads for transforms.
    """

    def __init__(self, loader: BatchLoader, workers: int) -> None:
        self._loader = loader
        # One thread reads 8 GB/s from the page cache. Two threads slow down each other and the
        # training: 1.34 to 1.7 ms per batch instead of 1.20 (2 cores, batches of 6 MB).
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="keras_bigdata-read")
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="keras_bigdata")
        self._lock = threading.Lock()
        self._runs: OrderedDict[range, Future[dict[int, Batch]]] = OrderedDict()

    def load_now(self, position: int) -> PendingBatch:
        """Returns a batch that the caller loads itself when it asks for the result."""
        return LoadedByCaller(self._loader, position)

    def submit(self, position: int) -> PendingBatch:
        """Starts to load a batch that will be requested later."""
        run = self._loader.run(position)
        with self._lock:
            batch = _BatchOfRun(self._loader, position, self._pending_run(run))
            if len(run) > 1:
                self._pending_run(self._loader.run(run.stop))
        if self._loader.config.transform is None:
            return batch
        return self._workers.submit(lambda: self._loader.transformed(position, batch.result()))

    def close(self) -> None:
        """Ends the threads after their current work."""
        for pool in (self._reader, self._workers):
            pool.shutdown(wait=False, cancel_futures=True)

    def _pending_run(self, run: range) -> Future[dict[int, Batch]]:
        """Returns the future of a run; starts to read the run if it is not being read yet."""
        if run not in self._runs:
            self._runs[run] = self._reader.submit(self._read, run)
            if len(self._runs) > _MAX_RUNS:
                self._runs.popitem(last=False)[1].cancel()
        return self._runs[run]

    def _read(self, run: range) -> dict[int, Batch]:
        return dict(zip(run, self._loader.read(run), strict=True))


class LoadedByCaller:
    """A batch that is loaded by the thread that waits for it."""

    def __init__(self, loader: BatchLoader, position: int) -> None:
        self._loader = loader
        self._position = position

    def result(self) -> Batch:
        """Loads the batch and returns it."""
        self._loader.reader.resume()  # a pause must not hold up a batch that is waited for
        return self._loader.load(self._position)

    def cancel(self) -> bool:
        """Does nothing: there is nothing to drop."""
        return False


class _BatchOfRun:
    """One batch of a run that is being read."""

    def __init__(self, loader: BatchLoader, position: int, run: Future[dict[int, Batch]]) -> None:
        self._loader = loader
        self._position = position
        self._run = run

    def result(self) -> Batch:
        # The batch is read alone if its run was cancelled because no request followed; if the run
        # failed, possibly because of another batch; or if the batch was handed out before: each is
        # handed out once, because the receiver may change it.
        try:
            if not self._run.done():
                self._loader.reader.resume()
            batch = self._run.result().pop(self._position, None)
        except (CancelledError, BigDataError):
            batch = None
        if batch is None:
            (batch,) = self._loader.read(range(self._position, self._position + 1))
        return batch

    def cancel(self) -> bool:
        return False


class BatchPrefetch:
    """Returns any batch, and has the following ones ready when they are requested in order.

    Thread-safe, and correct for any order of requests: a batch is a pure function of its position,
    so a batch that was not prefetched is loaded at once.

    Args:
        source: loads the batches.
        depth: number of batches to load in advance.
        length: number of positions after which position 0 follows; `None` for an endless stream.
            Defaults to `None`.
    """

    def __init__(self, source: BatchSource, depth: int, length: int | None = None) -> None:
        self._source = source
        self._depth = depth
        self._length = length
        self._closed = False
        self._pending: OrderedDict[int, PendingBatch] = OrderedDict()
        self._lock = threading.Lock()
        self._last: int | None = None
        self._in_order = 0
        self._slow_requests = SlowRequests()
        self._finalizer = weakref.finalize(self, source.close)
        _register(self)

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
                pending = self._source.load_now(position)
            if extend and not self._closed:
                self._extend(position)
            self._last = position
        started = time.monotonic()
        try:
            batch = pending.result()
        except CancelledError:  # closed by another thread while this one waited
            batch = self._source.load_now(position).result()
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
                self._pending[other] = self._source.submit(other)

    def _drop_pending(self) -> None:
        """Drops the pending batches after a failure, so that no later training receives them."""
        with self._lock:
            while self._pending:
                self._pending.popitem()[1].cancel()

    def _limit_depth(self, batch: Batch) -> None:
        nbytes = _nbytes(batch)
        if nbytes * self._depth > QUEUE_BYTES:
            self._depth = max(1, QUEUE_BYTES // nbytes)

    def close(self) -> None:
        """Stops prefetching. Batches are still returned, loaded on request."""
        with self._lock:
            self._closed = True
        self._finalizer()

    def leave_to_parent(self) -> None:
        """Keeps this object from closing, in a forked child, the resources of the parent."""
        self._finalizer.detach()


class SlowRequests:
    """Warns once if batches are requested in random order and loading them is slow.

    Args:
        bytes_per_second: rate below which loading is slow. Defaults to 1 GB/s.
    """

    def __init__(self, bytes_per_second: float = SLOW_BYTES_PER_SECOND) -> None:
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


class RunPrefetch:
    """Returns whole runs of batches, and reads the next ones in a thread meanwhile.

    Args:
        loader: loads the runs.
    """

    def __init__(self, loader: BatchLoader) -> None:
        self._loader = loader
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="keras_bigdata-run")
        self._lock = threading.Lock()
        self._pending: dict[range, Future[Batch]] = {}
        self._closed = False
        _register(self)

    def get(self, run: range, following: Iterable[range]) -> Batch:
        """Returns the batches at some positions, joined into one.

        Args:
            run: the positions.
            following: the runs that will be requested next.
        """
        with self._lock:
            future = self._pending.pop(run, None)
            if future is None:
                future = self._start(run)
            next_runs = list(following)
            for stale in [other for other in self._pending if other not in next_runs]:
                self._pending.pop(stale).cancel()
            for other in next_runs:
                if other not in self._pending and not self._closed:
                    self._pending[other] = self._start(other)
        try:
            return future.result()
        except (CancelledError, BigDataError):
            return self._loader.read_joined(run)  # so that the error is raised in the caller

    def _start(self, run: range) -> Future[Batch]:
        if not self._closed:
            return self._reader.submit(self._loader.read_joined, run)
        future: Future[Batch] = Future()
        future.cancel()
        return future

    def close(self) -> None:
        """Stops prefetching. Runs are still returned, loaded on request."""
        with self._lock:
            self._closed = True
            self._pending.clear()
        self._reader.shutdown(wait=False, cancel_futures=True)

    def leave_to_parent(self) -> None:
        """Does nothing: the thread does not exist in a forked child."""


_open: weakref.WeakSet[BatchPrefetch | RunPrefetch] = weakref.WeakSet()
_of_parent: list[BatchPrefetch | RunPrefetch] = []


def _register(prefetch: BatchPrefetch | RunPrefetch) -> None:
    """Closes a prefetch when the process ends: the batches in its queue are not needed then."""
    _open.add(prefetch)
    call_at_main_thread_end(_close_all)


def _close_all() -> None:
    for prefetch in list(_open):
        prefetch.close()


def _leave_to_parent() -> None:
    """Keeps a forked child from using the parent's threads and processes, and their locks."""
    for prefetch in list(_open):
        prefetch.leave_to_parent()
        _of_parent.append(prefetch)  # neither closed nor collected, which would close it
    _open.clear()


call_in_forked_child(_leave_to_parent)


def _nbytes(batch: Batch) -> int:
    return sum(array.nbytes for array in batch.values())
