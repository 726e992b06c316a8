"""One stream of batches from any source: a sequence, an iterable or an iterator."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from keras_bigdata.bounded_map import bounded_map
from keras_bigdata.legacy.generators.batch_arrays import Batch

# A batch, and whether it is the last one of a pass over its source.
StreamItem = tuple[Batch, bool]
ToBatch = Callable[[Any], Batch]


def is_sequence(source: Any) -> bool:
    """Whether batches are read by index: a Keras `Sequence`, or an object with its methods."""
    if not hasattr(source, "__getitem__") or isinstance(source, (list, tuple)):
        return False
    # Looked up on the class: the property of a Keras sequence calls len(), which may fail.
    if hasattr(type(source), "num_batches") or hasattr(source, "on_epoch_end"):
        return True
    return hasattr(source, "__len__") and not hasattr(source, "__iter__")


def is_source(value: Any) -> bool:
    """Whether batches can be read from a value. Arrays, and dicts of them, are data instead."""
    if isinstance(value, (str, bytes, Mapping, np.ndarray)) or hasattr(value, "iloc"):
        return False
    return is_sequence(value) or is_iterator(value) or hasattr(value, "__iter__")


def is_iterator(source: Any) -> bool:
    """Whether reading continues where it stopped. Python 2 called the method `next`."""
    return hasattr(source, "__next__") or callable(getattr(source, "next", None))


def pass_length(source: Any) -> int | None:
    """Returns the number of batches in one pass over a source, or `None` if it is unknown.

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
                "The dataset has no end, so the number of steps is required: pass "
                "`steps_per_epoch`, `validation_steps` or `steps`."
            )
        length = None if length < 0 else length
    elif hasattr(source, "__len__"):
        # Not len(): it refuses the floats that np.ceil() returns.
        length = math.ceil(source.__len__())
    elif is_sequence(source):
        length = source.num_batches
        if length is None:
            raise ValueError("The sequence has no end, so the number of steps is required.")
    if length is not None and length < 1:
        raise ValueError(f"A {type(source).__name__} has no batches. Received: length {length}")
    return None if length is None else int(length)


def read_batches(
    source: Any,
    to_batch: ToBatch,
    *,
    shuffle: bool = False,
    workers: int = 1,
    max_pending: int = 1,
    max_batches: int | None = None,
    lock: threading.Lock | None = None,
) -> Iterator[StreamItem]:
    """Yields the batches of a source, pass after pass, or those of an iterator until it ends.

    Args:
        source: a sequence, an iterable or an iterator.
        to_batch: converts an item of the source to a batch and copies its arrays. Called before
            the next item is read.
        shuffle: whether each pass over a sequence reads its batches in a new order.
        workers: threads that read batches of a sequence. The order does not depend on it.
        max_pending: maximum number of batches of a sequence that are read ahead, with more than
            one worker.
        max_batches: total number of batches of a sequence that are needed, if known.
        lock: held while an iterator is advanced.

    Yields:
        `(batch, ends_pass)`; `ends_pass` is always `False` for an iterator.
    """
    if is_sequence(source):
        return _read_sequence(
            source,
            to_batch,
            shuffle=shuffle,
            workers=workers,
            max_pending=max(max_pending, workers),
            max_batches=max_batches,
        )
    if is_iterator(source):
        return _read_iterator(source, to_batch, lock or threading.Lock())
    return _read_iterable(source, to_batch)


def _read_sequence(
    sequence: Any,
    to_batch: ToBatch,
    *,
    shuffle: bool,
    workers: int,
    max_pending: int,
    max_batches: int | None,
) -> Iterator[StreamItem]:
    # Seeded once from the global generator, so that a fixed seed fixes the order although another
    # thread draws it.
    rng = random.Random(random.getrandbits(64))
    num_read = 0

    def read(index: int) -> Batch:
        return to_batch(sequence[index])

    while max_batches is None or num_read < max_batches:
        length = _sequence_length(sequence)
        indices = list(range(length))
        if shuffle:
            rng.shuffle(indices)
        if max_batches is not None:
            indices = indices[: max_batches - num_read]
        batches = (
            bounded_map(read, indices, threads=workers, pending=max_pending)
            if workers > 1
            else map(read, indices)
        )
        for number, batch in enumerate(batches, 1):
            num_read += 1
            ends_pass = number == length
            # The sequence may move its data now: the batch is a copy already.
            if ends_pass and hasattr(sequence, "on_epoch_end"):
                sequence.on_epoch_end()
            yield batch, ends_pass


def _sequence_length(sequence: Any) -> int:
    length = pass_length(sequence)
    assert length is not None  # `pass_length` raises for a sequence without an end
    return length


def _read_iterator(iterator: Any, to_batch: ToBatch, lock: threading.Lock) -> Iterator[StreamItem]:
    advance = getattr(iterator, "__next__", None) or iterator.next
    while True:
        try:
            with lock:
                batch = to_batch(advance())
        except StopIteration:
            return
        except RuntimeError as error:
            # Before Python 3.7, a `next(...)` that raised StopIteration inside a generator ended
            # the generator. Now it is a RuntimeError (PEP 479).
            if isinstance(error.__cause__, StopIteration):
                return
            raise
        yield batch, False


def _read_iterable(iterable: Iterable[Any], to_batch: ToBatch) -> Iterator[StreamItem]:
    while True:
        previous: Batch | None = None
        for raw in iterable:
            if previous is not None:
                yield previous, False
            previous = to_batch(raw)
        if previous is None:
            return
        yield previous, True
