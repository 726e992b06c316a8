"""Batches of rows of similar length, as a pure function of the seed, the epoch and the lengths."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from keras_bigdata.loading.order.epoch_plan import EpochPlan, join_rows
from keras_bigdata.loading.order.spawn_keys import SpawnKey
from keras_bigdata.permutation import Int64Array, permutation

_NO_LIMIT = 2**62


class BucketPlan(EpochPlan):
    """The order of an `EpochPlan`, with rows of similar length in one batch.

    The batches of a window, or of a few small ones, hold the rows of the same batches of the plan,
    sorted by length, and come in a random order. So each row is served exactly once, and the files
    are read as without buckets. A batch that is smaller than the others stays the last one.

    Args:
        plan: the order of the rows.
        lengths_of: receives int64 arrays of shards and rows, and returns the length of each row.
    """

    def __init__(
        self, plan: EpochPlan, lengths_of: Callable[[Int64Array, Int64Array], Int64Array]
    ) -> None:
        self.__dict__.update(plan.__dict__)
        self.plan = plan
        self._lengths_of = lengths_of
        self._segment = lru_cache(maxsize=4)(self._make_segment)

    def rows(self, epoch: int, batch: int, count: int = 1) -> tuple[Int64Array, Int64Array]:
        """Returns the rows of a batch, or of several consecutive batches, in order."""
        parts = []
        stop = batch + count
        while batch < stop:
            segment = self.plan.run_at(epoch, batch, _NO_LIMIT)
            shards, rows = self._segment(epoch, segment.start, len(segment))
            first = (batch - segment.start) * self.batch_size
            last = (min(stop, segment.stop) - segment.start) * self.batch_size
            parts.append((shards[first:last], rows[first:last]))
            batch = segment.stop
        return join_rows(parts)

    def row_range(self, epoch: int, start: int, stop: int) -> tuple[Int64Array, Int64Array]:
        """Returns rows `start` to `stop - 1` of an epoch, as `rows` returns those of batches."""
        first, last = start // self.batch_size, -(-stop // self.batch_size)
        shards, rows = self.rows(epoch, first, last - first)
        here = slice(start - first * self.batch_size, stop - first * self.batch_size)
        return shards[here], rows[here]

    def segment(self, epoch: int, start: int) -> tuple[int, int]:
        """Returns the positions around a row between which rows are sorted: begin and end."""
        batches = self.plan.run_at(epoch, start // self.batch_size, _NO_LIMIT)
        return batches.start * self.batch_size, batches.stop * self.batch_size

    def _make_segment(self, epoch: int, start: int, count: int) -> tuple[Int64Array, Int64Array]:
        """Returns the rows of the batches of a window, in the order in which they are served."""
        shards, rows = self.plan.rows(epoch, start, count)
        order = np.argsort(self._lengths_of(shards, rows), kind="stable")
        size = self.batch_size
        whole = len(order) // size
        use = (SpawnKey.BUCKET, epoch, start)
        mixed = permutation(whole, np.random.SeedSequence(self.seed, spawn_key=use))
        order = np.concatenate(
            (order[: whole * size].reshape(whole, size)[mixed].reshape(-1), order[whole * size :])
        )
        return shards[order], rows[order]
