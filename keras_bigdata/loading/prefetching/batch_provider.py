"""The interface of threads (`worker_threads`) and processes that load batches by position."""

from __future__ import annotations

import contextlib
from typing import Protocol

from keras_bigdata.loading.batches.batch_loader import BatchLoader
from keras_bigdata.loading.rows.row_reader import Batch


class PendingBatch(Protocol):
    """A batch that is being loaded."""

    def result(self) -> Batch:
        """Waits for the batch and returns it."""

    def cancel(self) -> bool:
        """Drops the batch if it is not being loaded yet; returns whether it was dropped."""


class BatchProvider(Protocol):
    """Loads batches by their position in the stream."""

    def load_now(self, position: int) -> PendingBatch:
        """Loads a batch that a caller is waiting for."""

    def submit(self, position: int) -> PendingBatch:
        """Starts to load a batch that will be requested later."""

    def close(self) -> None:
        """Ends threads and processes."""


class LoadedByCaller:
    """A batch that is loaded by the thread that waits for it.

    Args:
        loader: loads the batch.
        position: its position in the stream.
    """

    def __init__(self, loader: BatchLoader, position: int) -> None:
        self._loader = loader
        self._position = position
        # Other threads may read two windows before the caller reads this batch: on a busy machine
        # a shard of the first batch was dropped and downloaded again in 7 of 250 trainings.
        self._held = contextlib.ExitStack()
        self._held.enter_context(loader.holding(position))

    def result(self) -> Batch:
        """Loads the batch and returns it."""
        self._loader.reader.resume()  # a pause must not hold up a batch that is waited for
        with self._held:
            return self._loader.load(self._position)

    def cancel(self) -> bool:
        """Does nothing: there is nothing to drop."""
        return False
