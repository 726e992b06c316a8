"""Loading in threads of this process, without a transform or with one that releases the GIL."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import CancelledError, Future

from keras_bigdata.daemon_threads import DaemonThreads
from keras_bigdata.errors import BigDataError
from keras_bigdata.loading.batches.batch_loader import MAX_DECODE_THREADS, BatchLoader
from keras_bigdata.loading.prefetching.batch_provider import LoadedByCaller, PendingBatch
from keras_bigdata.loading.rows.row_reader import RawBatch
from keras_bigdata.machine_limits import usable_cores

# Number of runs that are kept: one in use, one being read, one left by a jump to another position.
_MAX_RUNS = 3


def decode_threads() -> int:
    """Returns the number of threads that decode images: two for each CPU of this process.

    Each waits for the GIL between two images. With 4 threads on 2 CPUs `fit` reached 0.67 of the
    rate of the decoder alone, with 2 threads 0.62 (medians of 3 and 6 runs, images of 128x128).
    """
    return min(2 * usable_cores(), MAX_DECODE_THREADS)


def loading_threads(loader: BatchLoader, workers: int) -> int:
    """Returns the number of threads that decode and transform batches.

    Decoding releases the GIL, so it uses all cores, whatever the transform needs.

    Args:
        loader: loads the batches.
        workers: number of threads for transforms.
    """
    return max(workers, decode_threads()) if loader.needs_decoding else workers


class ThreadProvider:
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
        self._reader = DaemonThreads(1, "keras_bigdata-read")
        self._workers = DaemonThreads(loading_threads(loader, workers), "keras_bigdata")
        self.is_closed = False
        self._lock = threading.Lock()
        self._runs: OrderedDict[range, Future[dict[int, RawBatch]]] = OrderedDict()

    def load_now(self, position: int) -> PendingBatch:
        """Returns a batch that the caller loads itself when it requests the result."""
        return LoadedByCaller(self._loader, position)

    def submit(self, position: int) -> PendingBatch:
        """Starts to load a batch that will be requested later."""
        run = self._loader.run_at(position)
        with self._lock:
            batch = _BatchOfRun(self, self._loader, position, self._pending_run(run))
            if len(run) > 1:
                self._pending_run(self._loader.run_at(run.stop))
        if self._loader.is_finished_when_read:
            return batch
        return self._workers.submit(lambda: self._loader.transformed(position, batch.result()))

    def close(self) -> None:
        """Ends the threads after their current work."""
        self.is_closed = True
        for pool in (self._reader, self._workers):
            pool.shutdown()
        self._loader.stop_fetching()

    def _pending_run(self, run: range) -> Future[dict[int, RawBatch]]:
        """Returns the future of a run; starts to read the run if it is not being read yet."""
        if run not in self._runs:
            self._runs[run] = self._reader.submit(self._read, run)
            if len(self._runs) > _MAX_RUNS:
                self._runs.popitem(last=False)[1].cancel()
        return self._runs[run]

    def _read(self, run: range) -> dict[int, RawBatch]:
        return dict(zip(run, self._loader.read(run), strict=True))


class _BatchOfRun:
    """One batch of a run that is being read."""

    def __init__(
        self,
        provider: ThreadProvider,
        loader: BatchLoader,
        position: int,
        run: Future[dict[int, RawBatch]],
    ) -> None:
        self._provider = provider
        self._loader = loader
        self._position = position
        self._run = run

    def result(self) -> RawBatch:
        # The batch is read alone if its run was cancelled because no request followed; if the run
        # failed, possibly because of another batch; or if the batch was handed out before: each is
        # handed out once, because the receiver may change it.
        try:
            if not self._run.done():
                self._loader.reader.resume()
            batch = self._run.result().pop(self._position, None)
        except (CancelledError, BigDataError) as error:
            if isinstance(error, CancelledError) and self._provider.is_closed:
                raise  # a transform in a thread must not fetch shards that nothing needs any more
            batch = None
        if batch is None:
            (batch,) = self._loader.read(range(self._position, self._position + 1))
        return batch

    def cancel(self) -> bool:
        return False
