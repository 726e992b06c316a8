"""Worker processes of loky: started, killed, and waited for when the process ends.

Uses private names of loky: the processes of an executor, and the thread that ends them. Seen
in loky 3.4 to 3.7; upstream issue: none filed. Without these names, errors do not say which process
died, and workers that were being started when descriptors ran out are not ended.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from multiprocessing.util import Finalize
from typing import Any

from keras_bigdata.process_exit import run_before_executors_wait

# Seconds to wait at exit before workers are killed.
_EXIT_SECONDS = 1.5

# The threads of loky that end workers; weak references, because the threads hold semaphores.
_ending: set[weakref.ref[threading.Thread]] = set()


def start(workers: int, initializer: Callable[..., None], initargs: tuple[Any, ...]) -> Any:
    """Returns an executor whose processes have been started."""
    from loky import ProcessPoolExecutor

    executor = ProcessPoolExecutor(workers, initializer=initializer, initargs=initargs)
    try:
        executor.submit(os.getpid)  # starts the processes now
    except BaseException:
        kill(executor)
        raise
    _prepare_exit(os.getpid())
    return executor


def kill(executor: Any) -> None:
    """Ends the processes of an executor without waiting; does nothing for `None`."""
    if executor is None:
        return
    thread = getattr(executor, "_executor_manager_thread", None)
    executor.shutdown(wait=False, kill_workers=True)
    if thread is not None:
        _ending.add(weakref.ref(thread, _ending.discard))
    else:  # for example, if descriptors ran out while they were started: loky does not end them
        for process in processes_of(executor):
            process.terminate()


def processes_of(executor: Any) -> list[Any]:
    """Returns the processes of an executor, or an empty list if they cannot be found."""
    return list((getattr(executor, "_processes", None) or {}).values())


def cancel(task: Future[Any]) -> None:
    """Cancels a task of an executor that may be killed afterwards.

    When loky (3.7) kills its workers, it sets an exception on cancelled tasks too. They refuse it,
    and loky prints a traceback. Upstream issue: none filed.
    """
    task.set_exception = _ignore  # type: ignore[method-assign]
    task.cancel()


def is_shutdown(error: BaseException) -> bool:
    """Returns whether a task was dropped because its executor was shut down."""
    from loky.process_executor import ShutdownExecutorError

    return isinstance(error, ShutdownExecutorError)


@cache
def _prepare_exit(pid: int) -> None:
    """Registers the functions that cancel work at exit and wait for workers, once per process.

    A child of `multiprocessing` unlinks the semaphores of its workers when it ends, and workers
    that are still starting would then print a traceback.
    """
    run_before_executors_wait()
    Finalize(None, _wait, exitpriority=50)


def _wait() -> None:
    for reference in list(_ending):
        if (thread := reference()) is not None:
            thread.join(_EXIT_SECONDS)


def _ignore(exception: BaseException | None) -> None:
    pass
