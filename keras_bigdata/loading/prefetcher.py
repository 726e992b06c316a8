"""Batches by their position in the stream, read ahead: what a sequence holds of the machine."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

from keras_bigdata.child_processes import hold_during_fork
from keras_bigdata.loading.batch_loader import Batch, Loader, LoaderConfig
from keras_bigdata.loading.corrupt_shards import CorruptShards
from keras_bigdata.loading.prefetch import ReadAhead, RunAhead, Source, Threads
from keras_bigdata.loading.worker_processes import Processes


class Feed:
    """Threads, processes, open files and memory: begun with the first request, given back at will.

    Thread-safe.

    Args:
        config: what to load.
        corrupt: where corrupt shards are noted.
        workers: threads or processes that read ahead; 0 for none.
        use_processes: whether the transform, if there is one, runs in processes.
    """

    def __init__(
        self, config: LoaderConfig, corrupt: CorruptShards, workers: int, use_processes: bool
    ) -> None:
        self._config = config
        self._corrupt = corrupt
        self._workers = workers
        self._use_processes = use_processes
        self._lock = threading.Lock()
        self._batches: ReadAhead | None = None
        self._runs: RunAhead | None = None
        self.loader = Loader(config, corrupt)

    def batch(self, position: int, cycle: int | None) -> Batch:
        """The batch at a position; with a `cycle`, position 0 follows after so many."""
        if not self._workers:
            return self.loader.load(position)
        with self._lock:
            ahead = self._batches
            begun = ahead is None
            if ahead is None:
                ahead = ReadAhead(self._source(), self._config.max_queue_size, cycle)
                self._batches = ahead
        if begun:
            release_others(self)
        return ahead.get(position)

    def joined(self, positions: range, following: Iterator[range]) -> Batch:
        """The batches at some positions as one, before any transform; the next ones are read."""
        if not self._workers:
            return self.loader.read_joined(positions)
        with self._lock:
            begun = self._runs is None
            self._runs = runs = self._runs or RunAhead(self.loader)
        if begun:
            release_others(self)
        return runs.get(positions, following)

    def pause(self) -> None:
        """Reads nothing ahead until `go_on`, or until somebody waits for a batch."""
        self.loader.reader.gate.clear()

    def go_on(self) -> None:
        """Reads ahead again."""
        self.loader.reader.gate.set()

    def release(self) -> None:
        """Gives everything back until the next request."""
        with self._lock:
            held: list[ReadAhead | RunAhead | None] = [self._batches, self._runs]
            self._batches = self._runs = None
            self.loader = Loader(self._config, self._corrupt)
        for ahead in held:
            if ahead is not None:
                ahead.close()

    def _source(self) -> Source:
        if self._use_processes and self._config.transform is not None:
            return Processes(self._config, self._workers, self._corrupt)
        return Threads(self.loader, self._workers)


class Holder(Protocol):
    """What holds them, and can do without until it is asked for the next batch."""

    def release(self) -> None: ...


# Sequences that hold threads, files and memory at a time. On TensorFlow `fit` keeps every dataset
# it was ever given alive (`tf.data.Dataset.from_generator` does): they cannot wait to be deleted.
_HOLDING = 4
_holders: OrderedDict[int, weakref.ref[Holder]] = OrderedDict()
_holders_lock = threading.Lock()
hold_during_fork(_holders_lock)


def release_others(newest: Holder) -> None:
    """Of all sequences that read ahead, only the last few go on holding what it takes."""
    with _holders_lock:
        _holders[id(newest)] = weakref.ref(newest)
        _holders.move_to_end(id(newest))
        released = []
        while len(_holders) > _HOLDING:
            released.append(_holders.popitem(last=False)[1]())
    for holder in released:
        if holder is not None:
            holder.release()
