"""Prefetching in worker processes, for transforms that hold the GIL.

Workers are started by loky as new processes, never forked from a process full of threads, and live
as long as the sequence.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import traceback
import weakref
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeAlias

from keras_bigdata.child_processes import end_with, interrupts_blocked
from keras_bigdata.errors import ShardError, WorkerError
from keras_bigdata.file_descriptors import retry_when_out_of_files
from keras_bigdata.loading.batches.batch_loader import BatchLoader, LoaderConfig
from keras_bigdata.loading.batches.corrupt_shards import CorruptShards
from keras_bigdata.loading.batches.stage_times import StageSeconds, StageTimes
from keras_bigdata.loading.batches.transformed_batch import BatchSignature
from keras_bigdata.loading.prefetching import loky_pool
from keras_bigdata.loading.prefetching.batch_provider import LoadedByCaller, PendingBatch
from keras_bigdata.loading.prefetching.shared_memory import (
    MappedSegments,
    Placement,
    Segment,
    views,
)
from keras_bigdata.loading.rows.buffer_pool import BufferPool
from keras_bigdata.loading.rows.row_reader import Batch
from keras_bigdata.process_exit import is_exiting

# The arrays of a batch, or where they are in a segment; the shards that were found corrupt, as
# (shard, error); and how long it took.
_Result: TypeAlias = "tuple[Placement | Batch, list[tuple[int, str]], StageSeconds]"

# Size of a segment as a multiple of the stored batch: a transform may turn uint8 into float32, or
# resize to larger images. Memory of a segment that is never written is never allocated.
_SEGMENT_RATIO = 8


class ProcessProvider:
    """Loads batches in worker processes.

    Args:
        config: what to load.
        workers: number of processes.
        corrupt_shards: records the shards that a worker finds corrupt. Defaults to `None`.
        times: records how long the workers take. Defaults to `None`.

    Raises:
        ValueError: if the transform cannot be pickled.
    """

    def __init__(
        self,
        config: LoaderConfig,
        workers: int,
        corrupt_shards: CorruptShards | None = None,
        times: StageTimes | None = None,
    ) -> None:
        import cloudpickle

        try:
            # A pickled index has no modification times; the workers read the same files.
            mtimes_ns = [index.mtimes_ns for index in config.indexes]
            self._config = cloudpickle.dumps((config, mtimes_ns))
        except Exception as error:
            raise ValueError(
                "With `use_multiprocessing=True` the `transform` is sent to other processes, and "
                f"this one cannot be pickled ({error}). Received: transform={config.transform!r}"
            ) from error
        self._workers = workers
        self._corrupt_shards = corrupt_shards
        self._times = StageTimes() if times is None else times
        self._signature = BatchSignature(config.ragged_fields)
        row_bytes = config.row_bytes
        self._segment_bytes = _SEGMENT_RATIO * max(row_bytes * config.batch_size, 1 << 16)
        self._segments = BufferPool(config.max_queue_size + 8, Segment)
        self._lock = threading.Lock()
        self._executor: Any = None
        self._closed = False
        self._pids: list[int] = []
        self._dead_pids: list[int] = []

    def load_now(self, position: int) -> PendingBatch:
        """Starts to load a batch that a caller is waiting for."""
        return self.submit(position)

    def submit(self, position: int) -> PendingBatch:
        """Starts to load a batch in a worker, or in this process after the workers have ended."""
        if is_exiting():
            # A thread of the backend, or of the program, still waits for a batch. An error would
            # print a traceback after Ctrl-C.
            return self._in_this_process(position)
        batch: Future[Batch] = Future()
        executor: Any = None
        try:
            array, segment = retry_when_out_of_files(
                lambda: self._segments.take(self._segment_bytes)
            )
            executor = retry_when_out_of_files(self._start_workers)
            if executor is None:
                return self._in_this_process(position)
            task = executor.submit(
                _load, position, segment.path, segment.serial, self._segment_bytes
            )
        except ShardError as error:
            batch.set_exception(error)
            return batch
        except (BrokenProcessPool, RuntimeError, OSError) as error:
            if self._closed:
                return self._in_this_process(position)
            batch.set_exception(self._worker_error(executor, error, position))
            return batch

        def finish(task: Future[_Result]) -> None:
            # Refers to `array`: the segment is not free before the worker is done with it, even if
            # the batch is not needed any more.
            if task.cancelled() or not batch.set_running_or_notify_cancel():
                return
            error = task.exception()
            broken = isinstance(error, BrokenProcessPool)
            if error is not None and (loky_pool.is_shutdown(error) or (broken and self._closed)):
                batch.set_exception(CancelledError())
            elif error is not None:
                batch.set_exception(
                    self._worker_error(executor, error, position) if broken else error
                )
            else:
                self._receive(batch, array, task.result(), position)

        # A weak reference: a cycle of futures would keep the segment until the next garbage
        # collection.
        running = weakref.ref(task)

        def cancel_task(batch: Future[Batch]) -> None:
            if batch.cancelled() and (abandoned := running()) is not None:
                loky_pool.cancel(abandoned)

        batch.add_done_callback(cancel_task)
        task.add_done_callback(finish)
        return batch

    def close(self) -> None:
        """Ends the workers. Batches are still returned, loaded by the caller."""
        with self._lock:
            self._closed = True
            executor, self._executor = self._executor, None
        loky_pool.kill(executor)

    def _receive(self, batch: Future[Batch], array: Any, result: _Result, position: int) -> None:
        content, found, seconds = result
        self._times.add(seconds)
        arrays = content if isinstance(content, dict) else views(array, content)
        try:
            for shard, error in found:
                if self._corrupt_shards is not None:
                    self._corrupt_shards.add(shard, error)
            # Each worker compares only the batches that it loads itself.
            self._signature.check(arrays, f"`transform` at batch {position} of the stream")
        except (Warning, ShardError) as error:  # a program may turn warnings into errors
            batch.set_exception(error)
        else:
            batch.set_result(arrays)

    def _in_this_process(self, position: int) -> PendingBatch:
        return LoadedByCaller(_unpickled(self._config).loader(self._corrupt_shards), position)

    def _start_workers(self) -> Any:
        """Returns the executor, started if needed; `None` after `close`: nothing would end it."""
        executor = self._executor
        if executor is not None or self._closed:
            return executor
        # Runs in a thread, where KeyboardInterrupt is not raised: a worker that is left in the
        # middle of its start prints a traceback.
        started: Future[Any] = Future()

        def start() -> None:
            try:
                started.set_result(self._new_executor())
            except BaseException as error:
                started.set_exception(error)

        threading.Thread(target=start, name="keras_bigdata-start").start()
        return started.result()

    def _new_executor(self) -> Any:
        with self._lock, interrupts_blocked():
            if self._executor is not None or self._closed:
                return self._executor
            executor = loky_pool.start(self._workers, _initialize, (self._config, os.getpid()))
            self._executor = executor
            self._pids = [process.pid for process in loky_pool.processes_of(executor)]
            self._dead_pids = []
            return executor

    def _worker_error(self, executor: Any, error: BaseException, position: int) -> WorkerError:
        """Returns the error that a user sees. The next request starts new workers."""
        with self._lock:
            # Read when the first of many batches fails: loky then ends the other workers too.
            self._dead_pids = self._dead_pids or [
                process.pid
                for process in loky_pool.processes_of(executor)
                if process.exitcode is not None
            ]
            which = f"process {', '.join(map(str, self._dead_pids))}"
            if not self._dead_pids:
                which = f"one of {', '.join(map(str, self._pids))}" if self._pids else "not started"
            # Another thread may have started new workers since.
            if self._executor is executor:
                self._executor = None
        loky_pool.kill(executor)
        failure = WorkerError(
            f"A worker process of the prefetching died ({which}) while batch {position} of the "
            f"stream was being loaded: {error} If the system killed it because memory ran out, use "
            "fewer `workers` or a smaller `max_queue_size`."
        )
        failure.__cause__ = error
        return failure


# ---- In the workers


class _Worker:
    """The state that a worker process keeps between batches."""

    def __init__(self, loader: BatchLoader) -> None:
        self.loader = loader
        self.segments = MappedSegments()
        self.found: list[tuple[int, str]] = []
        loader.corrupt_shards.send_to(lambda shard, error: self.found.append((shard, error)))


_worker: _Worker | None = None


def _initialize(config: bytes, parent: int) -> None:
    global _worker  # noqa: PLW0603 - a worker process has no other place for it
    # Needed on systems where SIGINT could not be blocked while the worker started.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(parent)
    _worker = _Worker(_unpickled(config).loader())


def _unpickled(pickled: bytes) -> LoaderConfig:
    config: LoaderConfig
    config, mtimes_ns = pickle.loads(pickled)
    for index, times in zip(config.indexes, mtimes_ns, strict=True):
        index.mtimes_ns = times
    return config


def _load(position: int, path: str, serial: int, nbytes: int) -> _Result:
    """Loads a batch into a segment, or returns the batch itself if it does not fit."""
    assert _worker is not None
    try:
        batch = _worker.loader.load(position)
    except Exception as error:
        if _can_be_pickled(error):
            raise
        text = "\n".join(traceback.format_exception(error)).rstrip()
        raise WorkerError(
            f"Batch {position} of the stream failed in a worker process with an error that cannot "
            f"be pickled, {type(error).__name__}: {error}\n{text}"
        ) from None
    found, _worker.found[:] = list(_worker.found), []
    placement = _worker.segments.write(batch, path, serial, nbytes)
    return batch if placement is None else placement, found, _worker.loader.times.take()


def _can_be_pickled(error: Exception) -> bool:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True
