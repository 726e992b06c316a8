"""Batches by their position, and the threads, processes and files that load them."""

from __future__ import annotations

import threading
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from keras_bigdata.child_processes import hold_during_fork
from keras_bigdata.loading.batches.batch_loader import LoaderConfig
from keras_bigdata.loading.batches.corrupt_shards import CorruptShards
from keras_bigdata.loading.prefetching.batch_prefetch import BatchPrefetch
from keras_bigdata.loading.prefetching.batch_provider import BatchProvider
from keras_bigdata.loading.prefetching.run_prefetch import RunPrefetch
from keras_bigdata.loading.prefetching.worker_processes import ProcessProvider
from keras_bigdata.loading.prefetching.worker_threads import ThreadProvider
from keras_bigdata.loading.rows.row_reader import Batch
from keras_bigdata.storage.paths.place import cache_of, urls_of


class Prefetcher:
    """Returns batches by their position in the stream, and prefetches the following ones.

    Threads, processes and files are started with the first request and can be released at any time.
    Thread-safe.

    Args:
        config: what to load.
        corrupt_shards: records corrupt shards.
        workers: number of threads or processes; 0 to load each batch on request.
        use_processes: whether the transform, if there is one, runs in processes.
    """

    def __init__(
        self, config: LoaderConfig, corrupt_shards: CorruptShards, workers: int, use_processes: bool
    ) -> None:
        self._config = config
        self._corrupt_shards = corrupt_shards
        self._workers = workers
        self._use_processes = use_processes
        self._warned_of_downloads = False
        self._lock = threading.Lock()
        self._batches: BatchPrefetch | None = None
        self._runs: RunPrefetch | None = None
        self.loader = config.loader(corrupt_shards)

    def batch(self, position: int, length: int | None) -> Batch:
        """Returns the batch at a position.

        Args:
            position: position in the stream.
            length: number of positions after which position 0 follows; `None` for an endless
                stream.
        """
        if not self._workers:
            return self.loader.load(position)
        with self._lock:
            started = self._batches is None
            if self._batches is None:
                depth = self._config.max_queue_size
                self._batches = BatchPrefetch(self._new_provider(), depth, length)
            batches = self._batches
        if started:
            _recently_started.add(self)
        return batches.get(position)

    def joined(self, positions: range, following: Iterator[range]) -> Batch:
        """Returns the batches at some positions as one batch, before any transform.

        Args:
            positions: positions in the stream.
            following: the positions that will be requested next.
        """
        if not self._workers:
            return self.loader.read_joined(positions)
        with self._lock:
            started = self._runs is None
            self._runs = runs = self._runs or RunPrefetch(self.loader)
        if started:
            _recently_started.add(self)
        return runs.get(positions, following)

    def pause(self) -> None:
        """Delays reading until `resume` is called or a caller waits for a batch."""
        self.loader.reader.pause()

    def resume(self) -> None:
        """Ends a pause."""
        self.loader.reader.resume()

    def release(self) -> None:
        """Releases threads, processes, files and memory until the next request."""
        with self._lock:
            open_prefetches: list[BatchPrefetch | RunPrefetch | None] = [self._batches, self._runs]
            self._batches = self._runs = None
            released = self.loader
            self.loader = self._config.loader(self._corrupt_shards)
            self.loader.use_times(released.times)
        for prefetch in open_prefetches:
            if prefetch is not None:
                prefetch.close()
        # After the threads, which would begin another read.
        released.stop_fetching()

    def _new_provider(self) -> BatchProvider:
        if self._use_processes and self._config.transform is not None:
            self._refuse_other_memory()
            self._warn_of_downloads()
            times = self.loader.times
            return ProcessProvider(self._config, self._workers, self._corrupt_shards, times)
        return ThreadProvider(self.loader, self._workers)

    def _refuse_other_memory(self) -> None:
        """Raises if worker processes would look for shards in the memory of this one."""
        for config in self._config.parts:
            for url in urls_of(config.index.directory):
                if url.scheme == "memory":
                    raise ValueError(
                        f"{url} lies in the memory of this process, where worker processes do not "
                        "find it. Pass use_multiprocessing=False, or a directory or another URL. "
                        "Received: use_multiprocessing=True"
                    )

    def _warn_of_downloads(self) -> None:
        """Warns once that each worker process downloads the shards for itself."""
        if self._warned_of_downloads:
            return
        self._warned_of_downloads = True
        for config in self._config.parts:
            place = config.index.directory
            if not isinstance(place, Path) and cache_of(place) is None:
                warnings.warn(
                    f"{place}: with `use_multiprocessing=True` each of the {self._workers} worker "
                    "processes downloads the shards for itself, and holds them in its memory. "
                    "They share the files of a cache: Shards(url, cache=directory).",
                    stacklevel=2,
                )


class _RecentlyStarted:
    """The most recently started prefetchers; the others are released.

    On TensorFlow, `fit` keeps every dataset that it ever received alive (as
    `tf.data.Dataset.from_generator` does), so prefetchers cannot wait until they are deleted.

    Args:
        max_open: number of prefetchers that may hold resources at a time.
    """

    def __init__(self, max_open: int) -> None:
        self._max_open = max_open
        self._order: OrderedDict[int, weakref.ref[Prefetcher]] = OrderedDict()
        self._lock = threading.Lock()
        hold_during_fork(self._lock)

    def add(self, newest: Prefetcher) -> None:
        """Adds a prefetcher that has just started, and releases those that started first."""
        with self._lock:
            self._order[id(newest)] = weakref.ref(newest)
            self._order.move_to_end(id(newest))
            oldest = []
            while len(self._order) > self._max_open:
                oldest.append(self._order.popitem(last=False)[1]())
        for prefetcher in oldest:
            if prefetcher is not None:
                prefetcher.release()


_recently_started = _RecentlyStarted(max_open=4)
