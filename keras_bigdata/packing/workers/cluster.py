"""Runs the jobs of a pack in a cluster that was chosen with `joblib.parallel_config`."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import Any

import cloudpickle
import joblib.parallel

from keras_bigdata.errors import PackError
from keras_bigdata.packing.state.manifest import CONTINUE
from keras_bigdata.packing.state.pack_state import PackTarget

# Maximum time in seconds without a worker: clusters that start workers on demand need about this
# long.
NO_WORKER_SECONDS = 120.0

# Interval in seconds at which the state of the cluster is read while no shard gets done.
_POLL_SECONDS = 1.0

# Names, because Ray need not be installed.
_RAY_ERRORS = ("RayActorError", "ActorDiedError", "ActorUnavailableError", "WorkerCrashedError")

_ENDED = object()


class WorkerLostError(PackError):
    """Workers of a Ray cluster ended; Ray does not reassign their tasks."""


def is_cluster_active() -> bool:
    """Returns whether the work of joblib is done in a cluster.

    Every backend counts as one that joblib does not run on this machine itself: Dask, Ray, Spark.
    """
    return type(_active_backend()).__module__ != "joblib._parallel_backends"


def count_slots(workers: int | None, directory: PackTarget) -> int:
    """Returns how many jobs the active backend runs at the same time.

    Raises:
        PackError: if there is no connection to a cluster, or if it has no worker.
    """
    try:
        return int(joblib.effective_n_jobs(workers or -1))
    except Exception as error:
        raise PackError(
            f"{directory}: the cluster cannot be used ({first_line(error)}). Connect to it before "
            "the call, with dask.distributed.Client(address) or ray.init(), and check that its "
            f"workers are running. {CONTINUE}"
        ) from error


def check_sendable(source: Any, settings: Any, job: Any, directory: PackTarget) -> None:
    """Checks that a job can be sent to another machine.

    Joblib's Dask backend would wait for such a job forever.

    Args:
        source: the source of the pack.
        settings: what all jobs share; its `augment` is the function of the user.
        job: the first job.
        directory: the directory of the shards, for the message.

    Raises:
        PackError: if it cannot; the message names the object and its attribute.
    """
    error = _pickle_error((settings, job))
    if error is None:
        return
    augment = settings.augment
    if augment is not None and _pickle_error(augment) is not None:
        name, culprit = "`augment`", augment
    else:
        name, culprit = f"the source ({type(source).__name__})", source
    for attribute, value in getattr(culprit, "__dict__", {}).items():
        if _pickle_error(value) is not None:
            kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
            name += f", because of its attribute `{attribute}` of type {kind}"
            break
    raise PackError(
        f"{directory}: {name} cannot be sent to the workers of the cluster "
        f"({first_line(error)}). Open files, connections and locks when a row is read, not when "
        "the object is created, or leave them out in a method __getstate__."
    ) from error


def run_watched(parallel: Any, calls: Iterable[Any], directory: PackTarget) -> Iterator[Any]:
    """Yields the results of a cluster, and raises an error if none can come any more.

    Joblib's Dask backend waits forever if a task fails outside of its function (a worker that is
    killed again and again, or that cannot import the module of the source), and if all workers end.
    So another thread waits, and this one looks at the cluster meanwhile.

    Args:
        parallel: a `joblib.Parallel`.
        calls: the tasks.
        directory: the directory of the shards, for the messages.

    Yields:
        The results, in the order of completion.

    Raises:
        WorkerLostError: if a worker ended, and its tasks are not reassigned.
        PackError: if the cluster failed.
    """
    # Read in the thread of the caller: it depends on `joblib.parallel_config`.
    client = getattr(_active_backend(), "client", None)
    results: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def wait() -> None:
        try:
            for result in parallel(calls):
                results.put((result, None))
            results.put((_ENDED, None))
        except BaseException as error:
            results.put((_ENDED, error))

    threading.Thread(target=wait, name="keras_bigdata-cluster", daemon=True).start()
    try:
        yield from _watch(results, parallel, client, directory)
    except BaseException:  # also Ctrl-C
        # Ends the other thread, which would wait forever, and the tasks that have not begun.
        with contextlib.suppress(Exception):
            parallel._abort()
        raise


def _watch(results: Any, parallel: Any, client: Any, directory: PackTarget) -> Iterator[Any]:
    worker_seen = time.monotonic()
    while True:
        try:
            result, error = results.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            error = _failed_task(parallel)
            if error is not None:
                raise _cluster_error(error, directory) from error
            if client is None or _count_workers(client):
                worker_seen = time.monotonic()
            elif time.monotonic() - worker_seen > NO_WORKER_SECONDS:
                raise PackError(
                    f"{directory}: the cluster has had no worker for {NO_WORKER_SECONDS:.0f} "
                    f"seconds. Start workers. {CONTINUE}"
                ) from None
            continue
        if error is not None:
            raise _cluster_error(error, directory) from error
        if result is _ENDED:
            return
        worker_seen = time.monotonic()
        yield result


def first_line(error: BaseException) -> str:
    """Returns type and first line of an exception, for a message."""
    return f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(".")


def _active_backend() -> Any:
    return joblib.parallel.get_active_backend()[0]


def _cluster_error(error: BaseException, directory: PackTarget) -> PackError:
    causes = [error]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    for cause in causes:
        if isinstance(cause, (ImportError, AttributeError)):
            error = cause
    if isinstance(error, (ImportError, AttributeError)):
        return PackError(
            f"{directory}: a worker of the cluster cannot load the source or `augment` "
            f"({first_line(error)}). Install the module that defines it on every worker, in the "
            "same version, and restart the workers; or define it in the script that is run, which "
            f"is sent to the workers. {CONTINUE}"
        )
    is_ray = type(error).__name__ in _RAY_ERRORS
    if is_ray or type(error).__name__ == "KilledWorker":
        kind = WorkerLostError if is_ray else PackError
        return kind(
            f"{directory}: workers of the cluster ended before their shards were done: killed for "
            "lack of memory, for example, or by a crash in the code of the source. Give each "
            "worker more memory, or fewer threads, or pass `workers=1` to see in this process "
            f"where it crashes. {CONTINUE} ({first_line(error)})"
        )
    return PackError(
        f"{directory}: the cluster failed ({first_line(error)}). Check that its scheduler and its "
        f"workers are running, or start it again and connect to it. {CONTINUE}"
    )


def _failed_task(parallel: Any) -> BaseException | None:
    """Returns the error of a task that joblib does not report.

    `DaskDistributedBackend._collect` stores it in the future without a call of the callback
    (joblib 1.5 and 1.6). Without the private `_jobs_set`, which holds the tasks that are running,
    such an error is not seen, and the call waits.
    """
    for task in list(getattr(parallel, "_jobs_set", ())):
        future = getattr(task, "job", None)
        if isinstance(future, Future) and future.done() and not future.cancelled():
            error = future.exception()
            if error is not None:
                return error
    return None


def _count_workers(client: Any) -> int:
    """Returns the number of workers of a Dask cluster; 1 if it cannot be read at the moment."""
    try:
        return len(client.ncores())
    except Exception:  # the connection is being restored or is lost: joblib reports that
        return 1


class _Discarded:
    """A file that keeps nothing."""

    def write(self, content: Any) -> int:
        return memoryview(content).nbytes


def _pickle_error(value: Any) -> Exception | None:
    try:
        cloudpickle.dump(value, _Discarded())
    except Exception as error:
        return error
    return None
