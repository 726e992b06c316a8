"""A pool of threads that does not keep the process alive."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from keras_bigdata.process_exit import finished_before_exit

Result = TypeVar("Result")
_Task = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]


class DaemonThreads:
    """Runs functions in threads, as `concurrent.futures.ThreadPoolExecutor` does.

    At its end the process waits for all threads of a `ThreadPoolExecutor`, so a function that
    never returns keeps the process alive after Ctrl-C. For these threads it waits 2 seconds.

    The threads end when the pool is shut down or deleted.

    Args:
        threads: maximum number of threads.
        name: prefix of the names of the threads.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._threads = threads
        self._name = name
        self._running: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._end = weakref.finalize(self, self._tasks.put, None)
        self._end.atexit = False

    def submit(self, function: Callable[..., Result], *args: Any) -> Future[Result]:
        """Returns the future of `function(*args)`, which runs in a thread of the pool.

        Raises:
            RuntimeError: if the pool was shut down.
        """
        future: Future[Result] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("The threads were shut down.")
            self._tasks.put((future, function, args))
            if len(self._running) < self._threads:
                name = f"{self._name}_{len(self._running)}"
                thread = threading.Thread(target=_work, args=(self._tasks,), name=name, daemon=True)
                thread.start()
                self._running.append(thread)
        return future

    def shutdown(self, timeout: float = 0.0) -> None:
        """Cancels the calls that have not begun, and ends the threads after their current call.

        Args:
            timeout: maximum time in seconds to wait for the current calls. Defaults to `0.0`.
        """
        with self._lock:
            self._closed = True
            try:
                while (task := self._tasks.get_nowait()) is not None:
                    task[0].cancel()
            except Empty:
                pass
            self._end.detach()
            self._tasks.put(None)
        deadline = time.monotonic() + timeout
        for thread in self._running if timeout else ():
            thread.join(max(0.0, deadline - time.monotonic()))


def _work(tasks: SimpleQueue[_Task | None]) -> None:
    while (task := tasks.get()) is not None:
        _run(*task)
        del task  # a thread that waits must not keep a batch alive
    tasks.put(None)  # for the other threads


def _run(future: Future[Any], function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    with finished_before_exit():
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = function(*args)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)
