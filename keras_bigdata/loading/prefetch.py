"""Read-ahead: the next batches of the stream are loaded while the model trains.

Keras's own enqueuer is not used: on JAX and torch its threads lose and double batches.
"""

from __future__ import annotations

import atexit
import threading
import time
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from multiprocessing.util import Finalize
from typing import Protocol

from keras_bigdata.child_processes import call_in_forked_child
from keras_bigdata.errors import BigDataError
from keras_bigdata.loading.batch_loader import Batch, Loader

# Batches waiting to be trained take no more than this, however many were asked for.
QUEUE_BYTES = 512 * 2**20

# Runs that are kept: one in use, one being read, one that a jump left behind.
_RUNS = 3

# After so many batches that do not follow each other, if they are read at less than so many bytes a
# second: from the page cache it is 2 to 8 GB/s.
_JUMPS = 12
_SLOW_BYTES = 10**9


class Pending(Protocol):
    """A batch that is being loaded."""

    def result(self) -> Batch: ...

    def cancel(self) -> bool: ...


class Source(Protocol):
    """Loads batches."""

    def urgent(self, position: int) -> Pending:
        """A batch that somebody is waiting for."""

    def submit(self, position: int) -> Pending:
        """A batch that will be asked for."""

    def close(self) -> None: ...


class Threads:
    """Loads in threads of this process. Reading releases the GIL.

    Files are read in runs of batches that share them, a window at a time where it fits, and the
    next run while one is in use. Transforms run a batch at a time, in threads of their own: they
    must not wait behind the reading of the next run.
    """

    def __init__(self, loader: Loader, workers: int) -> None:
        self._loader = loader
        # One is enough for the page cache (8 GB/s); two slow each other and the training down.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="keras_bigdata-read")
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="keras_bigdata")
        self._lock = threading.Lock()
        self._runs: OrderedDict[range, Future[dict[int, Batch]]] = OrderedDict()

    def urgent(self, position: int) -> Pending:
        return Alone(self._loader, position)

    def submit(self, position: int) -> Pending:
        run = self._loader.run(position)
        with self._lock:
            batch = _Read(self._loader, position, self._reading(run))
            if len(run) > 1:
                self._reading(self._loader.run(run.stop))
        if self._loader.config.transform is None:
            return batch
        return self._workers.submit(lambda: self._loader.transformed(position, batch.result()))

    def close(self) -> None:
        for pool in (self._reader, self._workers):
            pool.shutdown(wait=False, cancel_futures=True)

    def _reading(self, run: range) -> Future[dict[int, Batch]]:
        """The run, being read; begins it if need be."""
        if run not in self._runs:
            self._runs[run] = self._reader.submit(self._read, run)
            if len(self._runs) > _RUNS:
                self._runs.popitem(last=False)[1].cancel()
        return self._runs[run]

    def _read(self, run: range) -> dict[int, Batch]:
        return dict(zip(run, self._loader.read(run), strict=True))


class Alone:
    """One batch, loaded by whoever waits for it."""

    def __init__(self, loader: Loader, position: int) -> None:
        self._loader = loader
        self._position = position

    def result(self) -> Batch:
        self._loader.reader.gate.set()  # somebody waits: no time for quiet
        return self._loader.load(self._position)

    def cancel(self) -> bool:
        return False


class _Read:
    """One batch of a run."""

    def __init__(self, loader: Loader, position: int, run: Future[dict[int, Batch]]) -> None:
        self._loader = loader
        self._position = position
        self._run = run

    def result(self) -> Batch:
        # Alone if need be: the run is cancelled if nobody seemed to want it; if it failed, that
        # may be for the sake of another batch; and a batch is handed out only once, because
        # whoever has it may change it.
        try:
            if not self._run.done():
                self._loader.reader.gate.set()
            batch = self._run.result().pop(self._position, None)
        except (CancelledError, BigDataError):
            batch = None
        if batch is None:
            (batch,) = self._loader.read(range(self._position, self._position + 1))
        return batch

    def cancel(self) -> bool:
        return False


class ReadAhead:
    """Gives any batch, and has the ones that follow ready when they are asked for in order.

    Thread-safe, and right for any order of requests: a batch is a pure function of its
    position, so what was not foreseen is loaded on the spot.

    Args:
        source: loads the batches.
        depth: number of batches to be ahead.
        length: position after which 0 comes again; `None` for an endless stream.
            Defaults to `None`.
    """

    def __init__(self, source: Source, depth: int, length: int | None = None) -> None:
        self._source = source
        self._depth = depth
        self._length = length
        self._closed = False
        self._pending: OrderedDict[int, Pending] = OrderedDict()
        self._lock = threading.Lock()
        self._last: int | None = None
        self._streak = 0
        self._slow = _SlowJumps()
        self._finalizer = weakref.finalize(self, source.close)
        _live.add(self)

    def get(self, position: int) -> Batch:
        """The batch at a position of the stream."""
        with self._lock:
            found = self._pending.pop(position, None)
            follows = self._last is not None and position == self._after(self._last, 1)
            self._streak = self._streak + 1 if follows else 0
            # Reading on pays where requests come in order. At the end of an epoch
            # TensorFlow asks once or twice for the beginning of the old one, for nothing:
            # a single step must not throw away what is ready for the new one.
            ready = found is not None or self._streak > 1 or not self._pending
            if found is None:
                found = self._source.urgent(position)
            if ready and not self._closed:
                self._extend(position)
            self._last = position
        started = time.monotonic()
        try:
            batch = found.result()
        except CancelledError:  # closed from another thread while this one was waiting
            batch = self._source.urgent(position).result()
        except BaseException:
            self._forget()
            raise
        self._slow.note(follows, time.monotonic() - started, batch)
        self._bound(batch)
        return batch

    def _after(self, position: int, steps: int) -> int:
        return position + steps if self._length is None else (position + steps) % self._length

    def _extend(self, position: int) -> None:
        wanted = [self._after(position, steps) for steps in range(1, self._depth + 1)]
        for stale in [p for p in self._pending if p not in wanted]:
            self._pending.pop(stale).cancel()
        for ahead in wanted:
            if ahead not in self._pending:
                self._pending[ahead] = self._source.submit(ahead)

    def _forget(self) -> None:
        """Nothing that was begun beside what failed is served to a later training."""
        with self._lock:
            while self._pending:
                self._pending.popitem()[1].cancel()

    def _bound(self, batch: Batch) -> None:
        nbytes = sum(array.nbytes for array in batch.values())
        if nbytes * self._depth > QUEUE_BYTES:
            self._depth = max(1, QUEUE_BYTES // nbytes)

    def close(self) -> None:
        """Stops reading ahead. Batches are still given, loaded on the spot."""
        with self._lock:
            self._closed = True
        self._finalizer()


class _SlowJumps:
    """Warns once if batches are asked for in random order and reading them takes its time."""

    def __init__(self) -> None:
        self._jumps = 0
        self._seconds = 0.0
        self._nbytes = 0
        self._warned = False

    def note(self, follows: bool, seconds: float, batch: Batch) -> None:
        if follows or self._warned:
            self._jumps, self._seconds, self._nbytes = 0, 0.0, 0
            return
        self._jumps += 1
        self._seconds += seconds
        self._nbytes += sum(array.nbytes for array in batch.values())
        slow = self._nbytes < _SLOW_BYTES * self._seconds and self._seconds > 0.1
        if self._jumps == _JUMPS and slow:
            self._warned = True
            warnings.warn(
                "Batches are asked for in random order, so none can be read ahead, and each takes "
                f"{1e3 * self._seconds / self._jumps:.0f} ms to read. Pass `shuffle=False` to "
                "`fit`: the order is what the `shuffle` of the ShardSequence says.",
                stacklevel=4,
            )


class RunAhead:
    """Gives whole runs of batches, and reads the next ones in a thread meanwhile.

    Args:
        loader: loads the runs.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="keras_bigdata-run")
        self._lock = threading.Lock()
        self._ahead: dict[range, Future[Batch]] = {}
        self._closed = False
        _live.add(self)

    def get(self, run: range, following: Iterable[range]) -> Batch:
        """The batches at some positions, joined; what follows will be asked for next."""
        with self._lock:
            future = self._ahead.pop(run, None)
            if future is None:
                future = self._begin(run)
            wanted = list(following)
            for stale in [other for other in self._ahead if other not in wanted]:
                self._ahead.pop(stale).cancel()
            for other in wanted:
                if other not in self._ahead and not self._closed:
                    self._ahead[other] = self._begin(other)
        try:
            return future.result()
        except (CancelledError, BigDataError):
            return self._loader.read_joined(run)  # for the error to come from who asks

    def _begin(self, run: range) -> Future[Batch]:
        if not self._closed:
            return self._reader.submit(self._loader.read_joined, run)
        future: Future[Batch] = Future()
        future.cancel()
        return future

    def close(self) -> None:
        """Stops reading ahead."""
        with self._lock:
            self._closed = True
            self._ahead.clear()
        self._reader.shutdown(wait=False, cancel_futures=True)


_live: weakref.WeakSet[ReadAhead | RunAhead] = weakref.WeakSet()
_of_parent: list[ReadAhead | RunAhead] = []
_exit = threading.Event()


def _leave_to_parent() -> None:
    """In a forked child: the threads and processes are the parent's, locks may be held by them."""
    for ahead in list(_live):
        if isinstance(ahead, ReadAhead):
            ahead._finalizer.detach()
        _of_parent.append(ahead)  # never closed, nor collected, which would close it
    _live.clear()


call_in_forked_child(_leave_to_parent)


def exiting() -> bool:
    """Whether the interpreter ends, and nothing may be started any more."""
    return _exit.is_set()


def _close_all() -> None:
    _exit.set()
    for ahead in list(_live):
        ahead.close()


def close_at_exit() -> None:
    """Sees to it that the process ends without loading batches that nobody wants any more.

    The pools have exit hooks that wait until everything submitted is done. Ours has to come before
    them, and plain `atexit` comes after. A child of `multiprocessing` waits for its own children,
    among them our workers, before it comes to any of them, but after its finalizers.
    """
    getattr(threading, "_register_atexit", atexit.register)(_close_all)
    Finalize(None, _close_all, exitpriority=100)


close_at_exit()
