"""Anything that gives batches, as one stream: sequences by index, iterables, iterators."""

from __future__ import annotations

import math
import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from keras_bigdata.legacy.arguments import Amount
from keras_bigdata.legacy.batches import Batch, rows_of

# A batch, and whether it is the last one of a pass over its source.
Piece = tuple[Batch, bool]
Convert = Callable[[Any], Batch]


def is_sequence(source: Any) -> bool:
    """Whether batches are asked for by index: a Keras `Sequence`, or something like one."""
    if not hasattr(source, "__getitem__") or isinstance(source, (list, tuple)):
        return False
    # Of the class: the property of a Keras sequence calls len(), which may fail.
    if hasattr(type(source), "num_batches") or hasattr(source, "on_epoch_end"):
        return True
    return hasattr(source, "__len__") and not hasattr(source, "__iter__")


def is_source(value: Any) -> bool:
    """Whether it can give batches at all; `(x, y)` and the like are data."""
    if isinstance(value, (str, bytes, Mapping, np.ndarray)) or hasattr(value, "iloc"):
        return False
    return is_sequence(value) or is_iterator(value) or hasattr(value, "__iter__")


def is_iterator(source: Any) -> bool:
    """Whether it goes on where it stopped; `next` is the method's name in Python 2."""
    return hasattr(source, "__next__") or callable(getattr(source, "next", None))


def pass_length(source: Any) -> int | None:
    """Batches in one pass, if the source says so.

    Raises:
        ValueError: if a pass has no batches or no end.
    """
    if is_iterator(source) and not is_sequence(source):
        return None
    length: Any = None
    if callable(getattr(source, "cardinality", None)):  # tf.data
        length = int(source.cardinality())
        if length == -1:
            raise ValueError(
                "The dataset has no end, so the number of steps must be given "
                "(`steps_per_epoch`, `validation_steps` or `steps`)."
            )
        length = None if length < 0 else length
    elif hasattr(source, "__len__"):
        # Not len(): it refuses the floats that np.ceil() gives.
        length = math.ceil(source.__len__())
    elif is_sequence(source):
        length = source.num_batches
        if length is None:
            raise ValueError("The sequence has no end, so the number of steps must be given.")
    if length is not None and length < 1:
        raise ValueError(f"{type(source).__name__} has no batches: its length is {length}.")
    return None if length is None else int(length)


def pieces(
    source: Any,
    convert: Convert,
    *,
    shuffle: bool = False,
    workers: int = 1,
    ahead: int = 1,
    limit: int | None = None,
    lock: threading.Lock | None = None,
) -> Iterator[Piece]:
    """The batches of a source, one pass after the other; an iterator's until it ends.

    `convert` is called at once, before the source is asked for anything else: it copies.

    Args:
        source: a sequence, an iterable or an iterator.
        convert: makes a batch of what the source gives.
        shuffle: whether each pass over a sequence asks for its batches in a new order.
        workers: threads that ask a sequence for batches; order does not depend on it.
        ahead: batches of a sequence that may be asked for before they are needed, with more than
            one worker.
        limit: batches of a sequence that will be needed in all, if known.
        lock: held while an iterator is advanced.
    """
    if is_sequence(source):
        in_order = _InOrder(workers, ahead)
        return _by_index(source, convert, in_order, shuffle=shuffle, limit=limit)
    if is_iterator(source):
        return _until_end(source, convert, lock or threading.Lock())
    return _again_and_again(source, convert)


def _by_index(
    sequence: Any, convert: Convert, in_order: _InOrder, *, shuffle: bool, limit: int | None
) -> Iterator[Piece]:
    # Seeded by the caller's generator once, so that a fixed seed fixes the order although another
    # thread draws it.
    order = random.Random(random.getrandbits(64))
    given = 0

    def read(index: int) -> Batch:
        return convert(sequence[index])

    with in_order:
        while limit is None or given < limit:
            length = _length(sequence)
            indices = list(range(length))
            if shuffle:
                order.shuffle(indices)
            if limit is not None:
                indices = indices[: limit - given]
            for number, batch in enumerate(in_order.map(read, indices), 1):
                given += 1
                last = number == length
                # The sequence may move its data now: the batch is a copy already.
                if last and hasattr(sequence, "on_epoch_end"):
                    sequence.on_epoch_end()
                yield batch, last


def _length(sequence: Any) -> int:
    length = pass_length(sequence)
    assert length is not None  # a sequence without one is refused there
    return length


def _until_end(iterator: Any, convert: Convert, lock: threading.Lock) -> Iterator[Piece]:
    advance = getattr(iterator, "__next__", None) or iterator.next
    while True:
        try:
            with lock:
                batch = convert(advance())
        except StopIteration:
            return
        except RuntimeError as error:
            # `next(...)` that came to its end inside a generator ended that one before Python 3.7.
            if isinstance(error.__cause__, StopIteration):
                return
            raise
        yield batch, False


def _again_and_again(iterable: Iterable[Any], convert: Convert) -> Iterator[Piece]:
    while True:
        previous: Batch | None = None
        for raw in iterable:
            if previous is not None:
                yield previous, False
            previous = convert(raw)
        if previous is None:
            return
        yield previous, True


class _InOrder:
    """`map` in threads, a bounded number of calls ahead, results in order."""

    def __init__(self, workers: int, ahead: int) -> None:
        self._pool = ThreadPoolExecutor(workers, "legacy-batches") if workers > 1 else None
        self._ahead = max(ahead, workers)
        self._waiting: deque[Future[Batch]] = deque()

    def __enter__(self) -> _InOrder:
        return self

    def __exit__(self, *error: object) -> None:
        for future in self._waiting:
            future.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def map(self, function: Callable[[int], Batch], indices: Iterable[int]) -> Iterator[Batch]:
        if self._pool is None:
            yield from map(function, indices)
            return
        for index in indices:
            self._waiting.append(self._pool.submit(function, index))
            if len(self._waiting) >= self._ahead:
                yield self._waiting.popleft().result()
        while self._waiting:
            yield self._waiting.popleft().result()


class Rounds:
    """Exactly so many rounds of a stream: `(batch, whether it ends its round)`.

    As in old Keras a round is over as soon as its amount is reached or passed; a batch is never
    cut, and the next round goes on with the next batch.

    Args:
        pieces: the stream; nothing beyond the last round is asked of it.
        amount: what a round takes. With `None`, it is one pass over the source.
        count: the number of rounds.
    """

    def __init__(self, pieces: Iterator[Piece], amount: Amount | None, count: int) -> None:
        self._pieces = pieces
        self._amount = amount
        self._count = count
        self.complete = False

    def __iter__(self) -> Iterator[tuple[Batch, bool]]:
        try:
            for _ in range(self._count):
                taken = 0
                last = False
                while not last:
                    try:
                        batch, ends_pass = next(self._pieces)
                    except StopIteration:
                        return
                    if self._amount is None:
                        last = ends_pass
                    else:
                        taken += 1 if self._amount.unit == "batches" else rows_of(batch)
                        last = taken >= self._amount.count
                    yield batch, last
            self.complete = True
        finally:
            close = getattr(self._pieces, "close", None)
            if close is not None:
                close()
