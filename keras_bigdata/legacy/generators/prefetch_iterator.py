"""An iterator that a thread reads ahead."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")

# Maximum time in seconds that `close` waits for a generator that is running. A generator that is
# blocked itself must not block the program: its thread is a daemon.
_JOIN_TIMEOUT = 5.0


class PrefetchIterator(Generic[Item]):
    """Reads an iterator ahead in one thread and returns its items in order.

    `next` raises the exception of the iterator, with its traceback, after the preceding items.

    Args:
        iterator: advanced in the thread only, and closed there if it is a generator.
        max_waiting: maximum number of items that wait in the queue, while one more is being read.
    """

    def __init__(self, iterator: Iterator[Item], max_waiting: int) -> None:
        self._queue: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(
            max_waiting
        )
        self._stop = threading.Event()
        self._ended = False
        self._thread = threading.Thread(
            target=self._run, args=(iterator,), name="legacy-prefetch", daemon=True
        )
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if self._ended:
            raise StopIteration
        item, error = self._queue.get()
        if error is not None:
            self._ended = True
            raise error
        return item  # type: ignore[return-value]

    def close(self) -> None:
        """Ends the thread, and waits up to 5 seconds for the iterator to finish its current item.

        Items that wait are lost.
        """
        self._stop.set()
        self._ended = True
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        self._thread.join(_JOIN_TIMEOUT)

    def _run(self, iterator: Iterator[Item]) -> None:
        try:
            for item in iterator:
                if not self._put((item, None)):
                    break
            else:
                self._put((None, StopIteration()))
        except BaseException as error:
            self._put((None, error))
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    def _put(self, entry: tuple[Item | None, BaseException | None]) -> bool:
        """Waits for a free place in the queue. Returns `False` if `close` was called."""
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(entry, timeout=0.05)
                return True
        return False
