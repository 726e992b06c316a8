"""Prefetching of whole runs, for a consumer that cuts them into batches itself."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import CancelledError, Future

from keras_bigdata.daemon_threads import DaemonThreads
from keras_bigdata.errors import BigDataError
from keras_bigdata.loading.batches.batch_loader import BatchLoader
from keras_bigdata.loading.prefetching.open_prefetches import register
from keras_bigdata.loading.rows.row_reader import Batch


class RunPrefetch:
    """Returns whole runs of batches, and reads the next ones in a thread meanwhile.

    Args:
        loader: loads the runs.
    """

    def __init__(self, loader: BatchLoader) -> None:
        self._loader = loader
        self._reader = DaemonThreads(1, "keras_bigdata-run")
        self._lock = threading.Lock()
        self._pending: dict[range, Future[Batch]] = {}
        self._closed = False
        register(self)

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
        self._loader.stop_fetching()
        self._reader.shutdown()

    def leave_to_parent(self) -> None:
        """Does nothing: the thread does not exist in a forked child."""
