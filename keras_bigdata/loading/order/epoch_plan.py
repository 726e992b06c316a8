"""Computes which rows form batch i of epoch e, as a pure function of the arguments."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np

from keras_bigdata.loading.order.spawn_keys import SpawnKey
from keras_bigdata.permutation import Int64Array, permutation, permutation_at

Shuffle: TypeAlias = Literal["window", "shards", "global"] | None

# Number of positions of a global shuffle that are computed together: about 64 batches share the
# cost of the NumPy calls, and a random access costs half a millisecond.
_BLOCK = 8192

# Minimum number of batches that should be read together, even if their window is smaller.
_MIN_RUN = 8


class EpochPlan:
    """The order of the rows, as a pure function of (seed, epoch, batch).

    It is the same for any number of workers, any order of requests and in every release (see
    `permutation.py`).

    Args:
        samples: int64 array, the number of rows of each shard.
        batch_size: number of rows in a batch.
        shuffle: `"window"`: shards in random order, rows shuffled within each window of
            `window_shards`; `"shards"`: shards in random order, rows as stored; `"global"`: all
            rows shuffled; `None`: as stored. Defaults to `"window"`.
        window_shards: number of shards in a window. Defaults to `6`.
        seed: non-negative integer. Defaults to `0`.
        last_batch: `"keep"`: the last batch may be smaller; `"drop"`: a smaller one is dropped,
            with different rows in each epoch. Defaults to `"keep"`.

    Example:

    ```python
    plan = EpochPlan(np.array([3, 5]), batch_size=4, seed=1)
    shards, rows = plan.rows(epoch=0, batch=1)
    ```
    """

    def __init__(
        self,
        samples: Int64Array,
        batch_size: int,
        *,
        shuffle: Shuffle = "window",
        window_shards: int = 6,
        seed: int = 0,
        last_batch: Literal["keep", "drop"] = "keep",
    ) -> None:
        self.samples = np.asarray(samples, np.int64)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.window_shards = window_shards if shuffle == "window" else 1
        self.seed = seed
        self.last_batch = last_batch
        self.num_samples = int(self.samples.sum())
        whole, rest = divmod(self.num_samples, batch_size)
        self.num_batches = whole + (rest > 0 and last_batch == "keep")
        self._ends = np.cumsum(self.samples)
        # The order is rotated by this many more rows in each epoch, so that "drop" drops every row
        # equally often. Without the rotation, rows of shards of a fifth of the size were dropped up
        # to 1.4 times as often with windows; without a shuffle, the same rows were always dropped.
        self._rotation = rest if last_batch == "drop" and shuffle != "global" else 0
        # The shards of an epoch are divided into windows of at most `window_shards`, as evenly as
        # possible: 7 shards with windows of 6 become 4 + 3, not 6 and one that is not mixed at all.
        count = len(self.samples)
        windows = -(-count // self.window_shards)
        self._window_bounds = -(-np.arange(windows + 1) * count // max(windows, 1))
        # Caches of pure results for each instance: a batch needs a few windows at most.
        self._shard_order = lru_cache(maxsize=4)(self._make_shard_order)
        self._window = lru_cache(maxsize=4)(self._make_window)
        self._block = lru_cache(maxsize=4)(self._make_block)
        self._run_starts = lru_cache(maxsize=4)(self._make_run_starts)

    def rows(self, epoch: int, batch: int, count: int = 1) -> tuple[Int64Array, Int64Array]:
        """Returns the rows of a batch, or of several consecutive batches, in order.

        Args:
            epoch: non-negative integer.
            batch: integer in `[0, num_batches)`.
            count: number of batches, all of one epoch. Defaults to `1`.

        Returns:
            Two int64 arrays of equal length: the shard of each row, and its position in the shard.
        """
        start = batch * self.batch_size
        stop = min(start + count * self.batch_size, self.num_samples)
        return self.row_range(epoch, start, stop)

    def row_range(self, epoch: int, start: int, stop: int) -> tuple[Int64Array, Int64Array]:
        """Returns rows `start` to `stop - 1` of an epoch, as `rows` returns those of batches."""
        rotation = self._rotation_of(epoch)
        start, stop = start + rotation, stop + rotation
        n = self.num_samples
        if stop <= n:
            return self._range(epoch, start, stop)
        if start >= n:
            return self._range(epoch, start - n, stop - n)
        return join_rows([self._range(epoch, start, n), self._range(epoch, 0, stop - n)])

    def run_at(self, epoch: int, batch: int, max_length: int) -> range:
        """Returns the batches that should be read together with a batch, as they share files.

        Args:
            epoch: non-negative integer.
            batch: integer in `[0, num_batches)`.
            max_length: maximum number of batches in a run.

        Returns:
            A range of batches of the same epoch; every batch in it has the same run.
        """
        starts = self._run_starts(epoch if self.shuffle else 0, max_length)
        here = int(np.searchsorted(starts, batch, side="right"))
        return range(int(starts[here - 1]), int(starts[here]))

    def _make_run_starts(self, epoch: int, max_length: int) -> Int64Array:
        """Returns the first batch of each run, with windows if there are any, and the last end."""
        if self.shuffle != "window":
            even = np.arange(0, self.num_batches, min(max_length, 2 * _MIN_RUN))
            return np.append(even, self.num_batches)
        ends = (self._shard_order(epoch)[1] - self._rotation_of(epoch) - 1) % self.num_samples + 1
        firsts = np.minimum(-(-ends // self.batch_size), self.num_batches)
        return cut_runs(firsts, self.num_batches, max_length)

    def window_ends(self, epoch: int) -> Int64Array | None:
        """Returns the positions where the windows of an epoch end; `None` if there are none."""
        return self._shard_order(epoch)[1] if self.shuffle == "window" else None

    def next_window(self, epoch: int, start: int, limit: int) -> tuple[int, Int64Array]:
        """Returns the rest of the window that holds a row of an epoch, without a global shuffle.

        Args:
            epoch: non-negative integer.
            start: position of the row in the epoch.
            limit: number of rows of the epoch that are served.

        Returns:
            The position after the last row of the window that is served, and the shards of the
            rows in between, in the order of their first use.
        """
        rotated = (start + self._rotation_of(epoch)) % self.num_samples
        ends = self._shard_order(epoch if self.shuffle else 0)[1]
        end = int(ends[np.searchsorted(ends, rotated, side="right")])
        stop = min(start + end - rotated, limit)
        return stop, in_order_of_use(self.row_range(epoch, start, stop)[0])

    def first_rows(self, epoch: int) -> Int64Array:
        """Returns for each shard the position in an epoch at which its window begins.

        A window that the rotation divides begins at its second part. Do not call it with a global
        shuffle, which has no windows.
        """
        order, ends = self._shard_order(epoch if self.shuffle else 0)
        starts = np.concatenate(([0], ends[:-1])) - self._rotation_of(epoch)
        first = np.empty(len(order), np.int64)
        first[order] = np.repeat(starts % max(1, self.num_samples), np.diff(self._window_bounds))
        return first

    @property
    def largest_window(self) -> int:
        """Maximum number of shards in a window."""
        return int(np.diff(self._window_bounds).max(initial=0))

    def _range(self, epoch: int, start: int, stop: int) -> tuple[Int64Array, Int64Array]:
        if self.shuffle == "global":
            if stop - start < _BLOCK // 4 and self.batch_size >= _BLOCK:
                # A slice of a large batch: the next one is not in the same block.
                return self._rows_at(epoch, np.arange(start, stop))
            blocks = range(start // _BLOCK, (stop - 1) // _BLOCK + 1)
            parts = [self._block(epoch, block) for block in blocks]
            first = blocks[0] * _BLOCK
        else:
            ends = self._shard_order(epoch if self.shuffle else 0)[1]
            low, high = np.searchsorted(ends, (start, stop - 1), side="right")
            parts = [self._window(epoch, window) for window in range(int(low), int(high) + 1)]
            first = int(ends[low - 1]) if low else 0
        inside = slice(start - first, stop - first)
        shards, rows = join_rows(parts)
        return shards[inside], rows[inside]

    def _make_shard_order(self, epoch: int) -> tuple[Int64Array, Int64Array]:
        """Returns the shards of an epoch in order, and the position where each window ends."""
        count = len(self.samples)
        order = (
            np.arange(count)
            if self.shuffle is None
            else permutation(count, self._sequence(SpawnKey.SHARDS, epoch))
        )
        ends = np.cumsum(self.samples[order])
        return order, ends[self._window_bounds[1:] - 1]

    def _make_window(self, epoch: int, window: int) -> tuple[Int64Array, Int64Array]:
        order = self._shard_order(epoch if self.shuffle else 0)[0]
        shards = order[self._window_bounds[window] : self._window_bounds[window + 1]]
        sizes = self.samples[shards]
        shard = np.repeat(shards, sizes)
        starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
        row = np.arange(len(shard)) - starts
        if self.shuffle == "window":
            mixed = permutation(len(shard), self._sequence(SpawnKey.WINDOW, epoch, window))
            shard, row = shard[mixed], row[mixed]
        return shard, row

    def _make_block(self, epoch: int, block: int) -> tuple[Int64Array, Int64Array]:
        start = block * _BLOCK
        return self._rows_at(epoch, np.arange(start, min(start + _BLOCK, self.num_samples)))

    def _rows_at(self, epoch: int, positions: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Returns the rows at some positions of a global shuffle."""
        rows = permutation_at(positions, self.num_samples, self._sequence(SpawnKey.GLOBAL, epoch))
        shard = np.searchsorted(self._ends, rows, side="right")
        return shard, rows - (self._ends[shard] - self.samples[shard])

    def _rotation_of(self, epoch: int) -> int:
        return epoch * self._rotation % self.num_samples if self._rotation else 0

    def _sequence(self, *use: int) -> np.random.SeedSequence:
        """Returns the seed of one use, such as `(SpawnKey.WINDOW, epoch, window)`."""
        return np.random.SeedSequence(self.seed, spawn_key=use)


def in_order_of_use(shards: Int64Array) -> Int64Array:
    """Returns the distinct shards of some rows, in the order of the first row of each."""
    found, firsts = np.unique(shards, return_index=True)
    return found[np.argsort(firsts)]


def join_rows(parts: Sequence[tuple[Int64Array, Int64Array]]) -> tuple[Int64Array, Int64Array]:
    """Joins several pairs of shards and rows into one pair."""
    if len(parts) == 1:
        return parts[0]
    shards, rows = zip(*parts, strict=True)
    return np.concatenate(shards), np.concatenate(rows)


def cut_runs(firsts: Int64Array, num_batches: int, max_length: int) -> Int64Array:
    """Returns the first batch of each run of an epoch, and the last end.

    Args:
        firsts: the first batch after each window.
        num_batches: number of batches in the epoch.
        max_length: maximum number of batches in a run.
    """
    starts = [0]
    for end in np.unique(firsts).tolist():
        length = end - starts[-1]
        if length < _MIN_RUN and end < num_batches:
            continue
        parts = -(-length // max_length)
        starts += [starts[-1] + length * part // parts for part in range(1, parts + 1)]
    if starts[-1] < num_batches:
        starts.append(num_batches)
    return np.array(starts)
