"""The queue of batches between a source and the model, divided into epochs."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from keras_bigdata.legacy.generators.arguments import EpochLength
from keras_bigdata.legacy.generators.batch_arrays import Batch, count_rows
from keras_bigdata.legacy.generators.batch_stream import (
    StreamItem,
    ToBatch,
    is_iterator,
    is_sequence,
    is_source,
    pass_length,
    read_batches,
)
from keras_bigdata.legacy.generators.prefetch_iterator import PrefetchIterator

# More batches than any epoch has, for epochs whose number of batches is known only at their end.
_UNKNOWN_STEPS = 2**31 - 1


class BatchQueue:
    """Queues the batches of some epochs; no batch is lost or repeated between two epochs.

    One run of `evaluate` or `predict`, and one validation, is an epoch of its queue.

    A thread reads batches ahead (with `workers=0`, they are read when they are needed). The thread
    that trains moves them to the *ready* batches before it needs them, so that errors of the source
    are raised there.

    Args:
        source: a generator, an iterator, an iterable or a sequence of batches.
        to_batch: converts an item of the source to a batch and copies its arrays.
        length: the amount of data of an epoch. With `None`, it is one pass over the source.
        epochs: the number of epochs. Nothing beyond them is read from an iterator.
        length_argument: the name of the argument for `length`, for messages.
        shuffle: whether each pass over a sequence reads its batches in a new order.
        workers: threads that read batches of a sequence.
        max_queue_size: maximum number of batches that wait.
        lock: held while an iterator is advanced.

    Attributes:
        length: the amount of data of an epoch, or `None` if it is one pass of any length.
        length_argument: as passed.
        num_taken: batches that were taken from the queue.
        first_rows: rows of the first batch, or `None` if none was read yet.
        rows: the rows of the batches that no step has used yet, by the numbers of the batches.
        check: called with each batch before it is ready; returns the batch to use instead.
        error: the exception that the source raised, if any.

    Raises:
        TypeError: if batches cannot be read from `source`.
        ValueError: if `length` is required, because the end of an epoch is unknown without it.
    """

    def __init__(
        self,
        source: Any,
        to_batch: ToBatch,
        length: EpochLength | None,
        epochs: int,
        *,
        length_argument: str,
        shuffle: bool,
        workers: int,
        max_queue_size: int,
        lock: threading.Lock | None = None,
    ) -> None:
        if not is_source(source):
            raise TypeError(
                "Batches must come from a generator, an iterator, a `keras.utils.Sequence` or a "
                "dataset. Pass arrays to `fit`, `evaluate` and `predict`. Received: a "
                f"{type(source).__name__}"
            )
        first_length: int | None = None
        if length is None:
            first_length = pass_length(source)
            # The length of a sequence may change in `on_epoch_end`, so its epochs are passes.
            if first_length is not None and not is_sequence(source):
                length = EpochLength(first_length, "batches")
            elif is_iterator(source) and not is_sequence(source):
                raise ValueError(
                    f"A {type(source).__name__} has no length, so the end of an epoch is not "
                    f"known: pass `{length_argument}`. It is optional for a "
                    "`keras.utils.Sequence`, which has a length, and for datasets that can be "
                    "read more than once."
                )
        self.length = length
        self._first_length = first_length
        self.num_taken = 0
        self.first_rows: int | None = None
        self.rows: dict[int, int] = {}
        self.check: Callable[[Batch], Batch] | None = None
        self.error: BaseException | None = None
        self.length_argument = length_argument
        self._ready: deque[tuple[Batch, bool]] = deque()
        self._num_read = 0
        self._epoch_ends: set[int] = set()
        self._lock = threading.RLock()
        self._exhausted = False
        max_batches = None
        if length is not None and length.unit == "batches":
            max_batches = length.max_batches * epochs
        stream = read_batches(
            source,
            to_batch,
            shuffle=shuffle,
            workers=workers,
            max_pending=max_queue_size,
            max_batches=max_batches,
            lock=lock,
        )
        self._epochs = _Epochs(stream, length, epochs)
        self._items: Any = iter(self._epochs)
        if workers > 0:
            self._items = PrefetchIterator(self._items, max_queue_size)

    @property
    def max_steps(self) -> int:
        """The number of batches of an epoch, or an upper bound."""
        return _UNKNOWN_STEPS if self.length is None else self.length.max_batches

    @property
    def has_fixed_steps(self) -> bool:
        """Whether every epoch has exactly `max_steps` batches."""
        return self.length is not None and self.length.unit == "batches"

    @property
    def estimated_steps(self) -> int | None:
        """The steps that the progress bar shows.

        If samples are counted, it is estimated from the first batch, which is read for this. If an
        epoch is a pass, it is the length of the first one.
        """
        if self.length is None or self.has_fixed_steps:
            return self._first_length if self.length is None else self.max_steps
        self.prepare(1)
        return None if self.first_rows is None else -(-self.max_steps // self.first_rows)

    @property
    def ended_early(self) -> bool:
        """Whether the source ended before the last epoch was complete."""
        return self._exhausted and not self._epochs.complete

    @property
    def ready(self) -> list[Batch]:
        """The batches that were read and checked on this side, and not taken yet."""
        return [batch for batch, _ in self._ready]

    def prepare(self, count: int) -> bool:
        """Reads until `count` batches are ready, or the source ends.

        Returns:
            Whether at least one batch is ready.

        Raises:
            Exception: the exception that the source raised.
        """
        with self._lock:
            while len(self._ready) < count and self._read_one():
                pass
            return bool(self._ready)

    def take(self) -> tuple[Batch, bool]:
        """Returns the next batch, and whether it ends its epoch.

        Raises:
            StopIteration: after the last one.
            Exception: the exception that the source raised.
        """
        with self._lock:
            if not self.prepare(1):
                raise StopIteration
            self.num_taken += 1
            return self._ready.popleft()

    def take_all(self) -> Iterator[Batch]:
        """Yields the batches of all remaining epochs."""
        while self.prepare(1):
            yield self.take()[0]

    def take_epoch(self) -> Iterator[Batch]:
        """Yields the batches up to the end of the current epoch."""
        ends_epoch = False
        while not ends_epoch and self.prepare(1):
            batch, ends_epoch = self.take()
            yield batch

    def ends_epoch(self, number: int) -> bool:
        """Whether a batch ends an epoch. Batches are numbered from 0 over all epochs."""
        return number in self._epoch_ends

    def close(self) -> None:
        """Stops reading. Batches that wait are lost; after the last epoch there are none."""
        if hasattr(self._items, "close"):
            self._items.close()
        self._ready.clear()
        self._exhausted = True

    def _read_one(self) -> bool:
        """Appends a batch to the ready ones. Returns `False` if there is none left."""
        if self._exhausted:
            return False
        try:
            batch, ends_epoch = next(self._items)
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
            self.first_rows = count_rows(batch)
        with contextlib.suppress(ValueError):  # a later batch may be empty
            self.rows[self._num_read] = count_rows(batch)
        if ends_epoch:
            self._epoch_ends.add(self._num_read)
        self._num_read += 1
        self._ready.append((batch, ends_epoch))
        return True


class _Epochs:
    """Divides a stream of batches into epochs: yields `(batch, ends_epoch)`.

    As in old Keras, an epoch ends with the batch that reaches or passes its length. A batch is
    never cut, and the next epoch continues with the next batch.

    Args:
        stream: the batches. Nothing beyond the last epoch is read from it.
        length: the amount of data of an epoch. With `None`, it is one pass over the source.
        epochs: the number of epochs.

    Attributes:
        complete: whether all epochs were read completely.
    """

    def __init__(
        self, stream: Iterator[StreamItem], length: EpochLength | None, epochs: int
    ) -> None:
        self._stream = stream
        self._length = length
        self._epochs = epochs
        self.complete = False

    def __iter__(self) -> Iterator[tuple[Batch, bool]]:
        try:
            for _ in range(self._epochs):
                amount = 0
                ends_epoch = False
                while not ends_epoch:
                    try:
                        batch, ends_pass = next(self._stream)
                    except StopIteration:
                        return
                    if self._length is None:
                        ends_epoch = ends_pass
                    else:
                        amount += 1 if self._length.unit == "batches" else count_rows(batch)
                        ends_epoch = amount >= self._length.count
                    yield batch, ends_epoch
            self.complete = True
        finally:
            close = getattr(self._stream, "close", None)
            if close is not None:
                close()
