"""Read-ahead in processes of our own, for transforms that hold the GIL.

Workers are started afresh by loky, never forked from a process full of threads, and live as
long as the sequence. A batch comes back in memory that the parent owns, so a worker that
dies leaves nothing behind, and a pipe (0.1 to 0.2 GB/s) is not the way.
"""

from __future__ import annotations

import contextlib
import itertools
import mmap
import os
import pickle
import signal
import tempfile
import threading
import traceback
import weakref
from collections import OrderedDict
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing.util import Finalize
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from keras_bigdata.child_processes import end_with, interrupts_blocked
from keras_bigdata.errors import ShardError, WorkerError
from keras_bigdata.loading.batch_loader import Batch, Loader, LoaderConfig
from keras_bigdata.loading.buffer_pool import ALIGNMENT, BufferPool
from keras_bigdata.loading.corrupt_shards import CorruptShards
from keras_bigdata.loading.open_files import with_room
from keras_bigdata.loading.prefetch import Alone, Pending, close_at_exit, exiting

# Where the worker put an array: name, dtype, shape, byte offset in the segment.
_Placed: TypeAlias = "list[tuple[str, np.dtype[Any], tuple[int, ...], int]]"

# Arrays (or where they are), and what was found corrupt: (shard, error) each.
_Result: TypeAlias = "tuple[_Placed | Batch, list[tuple[int, str]]]"

# A transform may turn uint8 into float32, or crop out of larger pictures; memory of a
# segment that is not written to is never taken, so room costs nothing.
_ROOM = 8

# Segments that a worker keeps mapped.
_MAPPED = 64

# At exit, for workers to be killed.
_PATIENCE = 1.5


class Processes:
    """Loads in worker processes.

    Args:
        config: what to load.
        workers: number of processes.
        corrupt: where shards that a worker finds corrupt are noted here. Defaults to `None`.
    """

    def __init__(
        self, config: LoaderConfig, workers: int, corrupt: CorruptShards | None = None
    ) -> None:
        import cloudpickle

        try:
            # Times of the files are left out of a pickle; here they are the same files.
            self._config = cloudpickle.dumps((config, config.index.mtimes_ns))
        except Exception as error:
            raise ValueError(
                "With `use_multiprocessing=True` the `transform` is sent to other processes, and "
                f"this one cannot be pickled ({error}). Received: transform={config.transform!r}"
            ) from error
        self._workers = workers
        self._corrupt = corrupt
        row_bytes = sum(config.index.fields[name].row_bytes for name in config.fields)
        self._room = _ROOM * max(row_bytes * config.batch_size, 1 << 16)
        self._segments = BufferPool(config.max_queue_size + 8, _Segment)
        self._lock = threading.Lock()
        self._executor: Any = None
        self._closed = False
        self._pids: list[int] = []
        self._dead: list[int] = []

    def urgent(self, position: int) -> Pending:
        return self.submit(position)

    def submit(self, position: int) -> Pending:
        if exiting():
            # A thread of a backend, or of the user's, still waits for a batch: with an error it
            # would print a traceback after Ctrl-C.
            return self._here(position)
        batch: Future[Batch] = Future()
        executor: Any = None
        try:
            array, segment = with_room(lambda: self._segments.take(self._room))
            executor = with_room(self._pool)
            if executor is None:
                return self._here(position)
            placed = executor.submit(_work, position, segment.path, segment.serial, self._room)
        except ShardError as error:
            batch.set_exception(error)
            return batch
        except (BrokenProcessPool, RuntimeError, OSError) as error:
            if self._closed:
                return self._here(position)
            batch.set_exception(self._failed(executor, error, position))
            return batch

        def finish(future: Future[_Result]) -> None:
            # Holds `array`: the segment is not free before the worker is done with it,
            # even where nobody wants the batch any more.
            if future.cancelled() or not batch.set_running_or_notify_cancel():
                return
            error = future.exception()
            broken = isinstance(error, BrokenProcessPool)
            if error is not None and (_is_closing(error) or (broken and self._closed)):
                batch.set_exception(CancelledError())
            elif error is not None:
                batch.set_exception(self._failed(executor, error, position) if broken else error)
            else:
                result, found = future.result()
                try:
                    for shard, told in found:
                        if self._corrupt is not None:
                            self._corrupt.add(shard, told)
                except Warning as warning:  # made an error by the user
                    batch.set_exception(warning)
                else:
                    batch.set_result(_views(array, result))

        # Weakly: a cycle of futures would keep the segment until the next collection.
        working = weakref.ref(placed)

        def forget(future: Future[Batch]) -> None:
            if future.cancelled() and (abandoned := working()) is not None:
                # When it kills its workers, loky (3.7) sets an exception even on what was
                # cancelled, which is refused, and prints a traceback for it.
                abandoned.set_exception = _unheard
                abandoned.cancel()

        batch.add_done_callback(forget)
        placed.add_done_callback(finish)
        return batch

    def close(self) -> None:
        """Ends the workers. Batches are still given, loaded by whoever asks."""
        with self._lock:
            self._closed = True
            executor, self._executor = self._executor, None
        _stop(executor)

    def _here(self, position: int) -> Pending:
        return Alone(Loader(_loaded(self._config), self._corrupt), position)

    def _pool(self) -> Any:
        """The workers, started if need be; `None` once closed: nobody would end new ones."""
        executor = self._executor
        if executor is not None or self._closed:
            return executor
        # In a thread, where no KeyboardInterrupt is raised: a worker that is left in the middle of
        # its start prints a traceback.
        started: Future[Any] = Future()

        def start() -> None:
            try:
                started.set_result(self._started())
            except BaseException as error:
                started.set_exception(error)

        threading.Thread(target=start, name="keras_bigdata-start").start()
        return started.result()

    def _started(self) -> Any:
        from loky import ProcessPoolExecutor

        with self._lock, interrupts_blocked():
            if self._executor is not None or self._closed:
                return self._executor
            executor = ProcessPoolExecutor(
                self._workers, initializer=_start, initargs=(self._config, os.getpid())
            )
            try:
                executor.submit(os.getpid)  # starts the workers, here and now
            except BaseException:
                _stop(executor)
                raise
            self._executor = executor
            self._pids = [process.pid for process in _processes_of(executor)]
            self._dead = []
            _prepare_exit(os.getpid())
            return executor

    def _failed(self, executor: Any, error: BaseException, position: int) -> WorkerError:
        """The error that a user sees; the next request starts new workers."""
        with self._lock:
            # For the first batch of many that fail; then loky ends the others.
            self._dead = self._dead or _dead_of(executor)
            which = f"process {', '.join(map(str, self._dead))}"
            if not self._dead:
                which = f"one of {', '.join(map(str, self._pids))}" if self._pids else "not started"
            # Not those that somebody has started since.
            if self._executor is executor:
                self._executor = None
        _stop(executor)
        failure = WorkerError(
            f"A worker process of the read-ahead died ({which}) while batch "
            f"{position} of the stream was being loaded: {error} If the system killed it for want "
            "of memory, use fewer `workers` or a smaller `max_queue_size`."
        )
        failure.__cause__ = error
        return failure


# Threads of loky that are ending workers; weakly, for they hold the semaphores.
_ending: set[weakref.ref[threading.Thread]] = set()


def _await_ends() -> None:
    for reference in list(_ending):
        if (thread := reference()) is not None:
            thread.join(_PATIENCE)


def _unheard(exception: BaseException | None) -> None:
    """In place of `set_exception` of a future that nobody waits for."""


def _stop(executor: Any) -> None:
    if executor is None:
        return
    thread = getattr(executor, "_executor_manager_thread", None)
    executor.shutdown(wait=False, kill_workers=True)
    if thread is not None:
        _ending.add(weakref.ref(thread, _ending.discard))
    else:  # out of files, say, while they were being started: nobody else ends them
        for process in _processes_of(executor):
            process.terminate()


def _is_closing(error: BaseException) -> bool:
    """Whether a task was given up because the pool was closed while somebody waited for it."""
    from loky.process_executor import ShutdownExecutorError

    return isinstance(error, ShutdownExecutorError)


def _processes_of(executor: Any) -> list[Any]:
    return list((getattr(executor, "_processes", None) or {}).values())


def _dead_of(executor: Any) -> list[int]:
    """Worker processes that have ended by themselves, by their numbers."""
    return [process.pid for process in _processes_of(executor) if process.exitcode is not None]


@cache
def _prepare_exit(pid: int) -> None:
    """Once in a process, after the first task: exit hooks run in reverse order."""
    # With that task loky has set one that waits for all that was submitted.
    close_at_exit()
    # A child of `multiprocessing` unlinks the semaphores of its workers next, and those that are
    # only starting would print a traceback of that.
    Finalize(None, _await_ends, exitpriority=50)


class _Segment(mmap.mmap):
    """Memory that the workers can map too: an anonymous file, gone with its last mapping."""

    path: str
    serial: int
    _serials = itertools.count()

    def __new__(cls, nbytes: int) -> _Segment:
        anonymous = hasattr(os, "memfd_create")
        if anonymous:
            fd = os.memfd_create("keras_bigdata")
            path = f"/proc/{os.getpid()}/fd/{fd}"
        else:
            fd, path = tempfile.mkstemp(prefix="keras_bigdata-")
        os.truncate(fd, nbytes)
        self = super().__new__(cls, fd, nbytes)
        self.path = path
        # A descriptor's number is used again: this tells its files apart.
        self.serial = next(cls._serials)
        weakref.finalize(self, _discard, fd, None if anonymous else path, os.getpid())
        return self


def _discard(fd: int, path: str | None, owner: int) -> None:
    os.close(fd)
    if path is not None and os.getpid() == owner:  # not a forked child
        with contextlib.suppress(OSError):
            os.unlink(path)


def _views(segment: npt.NDArray[np.uint8], placed: _Placed | Batch) -> Batch:
    if isinstance(placed, dict):
        return placed
    batch = {}
    for name, dtype, shape, offset in placed:
        nbytes = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        batch[name] = segment[offset : offset + nbytes].view(dtype).reshape(shape)
    return batch


# ---- In the workers


class _Worker:
    """What a worker process keeps between batches."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self.mapped: OrderedDict[int, mmap.mmap] = OrderedDict()
        self.found: list[tuple[int, str]] = []
        loader.corrupt.on_found = lambda shard, error: self.found.append((shard, error))

    def map(self, path: str, serial: int, nbytes: int) -> mmap.mmap:
        if serial not in self.mapped:
            fd = os.open(path, os.O_RDWR)
            try:
                self.mapped[serial] = mmap.mmap(fd, nbytes)
            finally:
                os.close(fd)
            if len(self.mapped) > _MAPPED:
                self.mapped.popitem(last=False)
        return self.mapped[serial]


_worker: _Worker | None = None


def _start(config: bytes, parent: int) -> None:
    global _worker  # noqa: PLW0603 - a process has no other place for it
    # Where it cannot be held back while they start.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(parent)
    _worker = _Worker(Loader(_loaded(config)))


def _loaded(pickled: bytes) -> LoaderConfig:
    config: LoaderConfig
    config, config.index.mtimes_ns = pickle.loads(pickled)
    return config


def _travels(error: Exception) -> bool:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True


def _work(position: int, path: str, serial: int, room: int) -> _Result:
    """Loads a batch into a segment, or gives the batch itself where it has no room."""
    assert _worker is not None
    try:
        batch = _worker.loader.load(position)
    except Exception as error:
        if _travels(error):
            raise
        told = "\n".join(traceback.format_exception(error)).rstrip()
        raise WorkerError(
            f"Batch {position} of the stream failed in a worker process with an error that cannot "
            f"be pickled, {type(error).__name__}: {error}\n{told}"
        ) from None
    found, _worker.found[:] = list(_worker.found), []
    placed: _Placed = []
    end = 0
    for name, array in batch.items():
        offset = -(-end // ALIGNMENT) * ALIGNMENT
        end = offset + array.nbytes
        placed.append((name, array.dtype, array.shape, offset))
    if end > room or any(array.dtype.hasobject for array in batch.values()):
        return batch, found
    segment = _worker.map(path, serial, room)
    if hasattr(os, "posix_fallocate"):
        # Memory that is not there is an error here, not a SIGBUS at the first write.
        fd = os.open(path, os.O_RDWR)
        try:
            os.posix_fallocate(fd, 0, max(end, 1))
        finally:
            os.close(fd)
    for (_, dtype, shape, offset), array in zip(placed, batch.values(), strict=True):
        target = np.frombuffer(segment, np.uint8, array.nbytes, offset).view(dtype)
        np.copyto(target.reshape(shape), array)
    return placed, found
