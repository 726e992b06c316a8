"""The batches on their way from a source to the model."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from keras_bigdata.legacy.arguments import Amount
from keras_bigdata.legacy.batch_stream import (
    Rounds,
    is_iterator,
    is_sequence,
    is_source,
    pass_length,
    pieces,
)
from keras_bigdata.legacy.batches import Batch, rows_of

# More than any epoch has, for rounds whose number of batches is known only at their end.
_WITHOUT_END = 2**31 - 1


class Feed:
    """Rounds of batches, none lost or given twice between them.

    Batches wait in a queue that a thread fills (or, with `workers=0`, are made when they are
    needed), then in a slot that is filled on the thread that trains, so that errors of the source
    appear there.

    Args:
        source: what gives batches.
        convert: makes a batch of what the source gives, and copies it.
        amount: what a round takes. With `None`, one pass over the source.
        rounds: the number of rounds; nothing more is asked of an iterator.
        name: the argument that would say how much a round takes, for messages.
        shuffle, workers, max_queue_size: as old Keras's arguments.
        lock: held while an iterator is advanced.

    Raises:
        TypeError: if `source` gives no batches.
        ValueError: if there is no saying where a round ends.
    """

    def __init__(
        self,
        source: Any,
        convert: Callable[[Any], Batch],
        amount: Amount | None,
        rounds: int,
        *,
        name: str,
        shuffle: bool,
        workers: int,
        max_queue_size: int,
        lock: threading.Lock | None = None,
    ) -> None:
        if not is_source(source):
            raise TypeError(
                f"A {type(source).__name__} gives no batches. Pass a generator, an iterator, a "
                "keras.utils.Sequence or a dataset; arrays go to `fit`, `evaluate` and `predict`."
            )
        if amount is None:
            length = pass_length(source)
            if length is not None:
                amount = Amount(length, "batches")
            elif is_iterator(source) and not is_sequence(source):
                raise ValueError(
                    f"A {type(source).__name__} does not say how many batches an epoch has: pass "
                    f"`{name}`. It can be left out for a `keras.utils.Sequence`, which has a "
                    "length, and for datasets that can be read again."
                )
        self.amount = amount
        self.name = name
        self.error: BaseException | None = None
        self.given = 0
        self.first_rows: int | None = None
        self.check: Callable[[Batch], Batch] | None = None
        self._slot: deque[tuple[Batch, bool]] = deque()
        self._pulled = 0
        self._ends: set[int] = set()
        self._lock = threading.RLock()
        self._exhausted = False
        known = amount is not None and amount.unit == "batches"
        stream = pieces(
            source,
            convert,
            shuffle=shuffle,
            workers=workers,
            ahead=max_queue_size,
            limit=amount.most_batches * rounds if amount is not None and known else None,
            lock=lock,
        )
        self._rounds = Rounds(stream, amount, rounds)
        self._items: Any = iter(self._rounds)
        if workers > 0:
            self._items = Prefetch(self._items, max_queue_size)

    @property
    def most_steps(self) -> int:
        """The batches of a round, exact or a bound."""
        return _WITHOUT_END if self.amount is None else self.amount.most_batches

    @property
    def is_exact(self) -> bool:
        """Whether every round has `most_steps` batches."""
        return self.amount is not None and self.amount.unit == "batches"

    @property
    def likely_steps(self) -> int | None:
        """What the progress bar shows; judged by the first batch if samples are counted."""
        if self.amount is None or self.is_exact:
            return None if self.amount is None else self.most_steps
        self.fill(1)
        return None if self.first_rows is None else -(-self.most_steps // self.first_rows)

    @property
    def ended_early(self) -> bool:
        """Whether the source came to its end before the last round was whole."""
        return self._exhausted and not self._rounds.complete

    def waiting(self) -> list[Batch]:
        """The batches in the slot."""
        return [batch for batch, _ in self._slot]

    def fill(self, count: int) -> bool:
        """Puts up to `count` batches into the slot. False if there is none left.

        Raises:
            Exception: what the source raised.
        """
        with self._lock:
            while len(self._slot) < count and self._pull():
                pass
            return bool(self._slot)

    def take(self) -> tuple[Batch, bool]:
        """The next batch, and whether it ends its round.

        Raises:
            StopIteration: after the last one.
            Exception: what the source raised.
        """
        with self._lock:
            if not self.fill(1):
                raise StopIteration
            self.given += 1
            return self._slot.popleft()

    def all_rounds(self) -> Iterator[Batch]:
        """The batches of all rounds that are left."""
        while self.fill(1):
            yield self.take()[0]

    def one_round(self) -> Iterator[Batch]:
        """The batches up to the end of the round."""
        last = False
        while not last and self.fill(1):
            batch, last = self.take()
            yield batch

    def ends_round(self, number: int) -> bool:
        """Whether the batch with this number, from 0 in the first round, ends a round."""
        return number in self._ends

    def close(self) -> None:
        """Lets go of the source. Batches that wait are lost; there are none after all rounds."""
        if hasattr(self._items, "close"):
            self._items.close()
        self._slot.clear()
        self._exhausted = True

    def _pull(self) -> bool:
        if self._exhausted:
            return False
        try:
            batch, last = next(self._items)
            if self.check is not None:
                batch = self.check(batch)
        except StopIteration:
            self._exhausted = True
            return False
        except BaseException as error:
            self._exhausted = True
            self.error = error
            raise
        if self.first_rows is None:
            self.first_rows = rows_of(batch)
        if last:
            self._ends.add(self._pulled)
        self._pulled += 1
        self._slot.append((batch, last))
        return True


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
