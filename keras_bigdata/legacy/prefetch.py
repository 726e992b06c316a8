"""A thread that runs ahead of the training, by a bounded number of batches."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")

# How long `close` waits for a generator that is at work. A generator that waits for something
# itself must not hang the program: its thread is a daemon.
_PATIENCE = 5.0


class Prefetch(Generic[Item]):
    """The items of an iterator, in order, made by one thread at most `size` ahead.

    What the iterator raises is raised by `next`, with its traceback, after the items before it.

    Args:
        iterator: advanced only in the thread, and closed there if it is a generator.
        size: items that wait at most; one more is in the making.
    """

    def __init__(self, iterator: Iterator[Item], size: int) -> None:
        self._queue: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(size)
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
        """Ends the thread. Waits until the iterator has finished what it is at, or a while."""
        self._stop.set()
        self._ended = True
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        self._thread.join(_PATIENCE)

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
        """Waits for a free place. False if nobody wants the entry any more."""
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(entry, timeout=0.05)
                return True
        return False
