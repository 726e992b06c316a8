"""Computes which rows form batch i of epoch e if all classes are drawn evenly."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from keras_bigdata.loading.order.class_rows import ClassRows, VariantRows
from keras_bigdata.loading.order.epoch_plan import Shuffle
from keras_bigdata.loading.order.spawn_keys import SpawnKey
from keras_bigdata.permutation import Int64Array, permutation, permutation_at

# Minimum number of batches that are read together.
_MIN_RUN = 16

# Shards with fewer rows of a class are joined with the next ones, so that the order of the shards
# needs little memory next to the rows themselves: 32 bytes for each of them.
_MIN_UNIT_ROWS = 32

# Permutations up to this length are kept: they are computed as a whole each time. An entry is 16
# kB at most. Longer ones are computed at the positions that are needed.
_MAX_KEPT_LENGTH = 8192
_MAX_KEPT = 4096


class _Use(IntEnum):
    """What a random stream of a balanced order is for: the second part of its spawn key."""

    EPOCH = 0
    BLOCK = 1
    BATCH = 2
    SHARDS = 3
    WINDOW = 4
    GLOBAL = 5


class BalancedPlan:
    """The order of the rows with all classes drawn evenly, with the methods of `EpochPlan`.

    An epoch has as many rows as the data, and each class gives the same number of them, or one more
    than others; over the epochs these additional rows go round the classes. The rows of a class are
    an endless stream of passes, each in an order of its own: no row is served again before all rows
    of its class were, also across epochs. All this is a pure function of (seed, epoch, batch).

    A run of rows is divided into blocks with one row of each class. Up to `batch_size` classes, the
    classes have the same order in all blocks of an epoch, so that each batch has the same number of
    rows of each class, or one more. With more classes each block has its own order, so that batches
    combine other classes each time.

    Within a class the rows are read from a few shards at a time: a pass goes through the shards
    that hold the class as an epoch of `EpochPlan` goes through all shards. Classes that are equally
    far in their passes read the same shards. Memory: 4 bytes per row for the rows, about 1 for the
    order of shards, and at most 64 MiB of permutations.

    Args:
        class_rows: the rows of each class.
        batch_size: number of rows in a batch.
        shuffle: `"window"`, `"shards"` or `"global"`, within each class. Defaults to `"window"`.
        window_shards: number of shards in a window. Defaults to `6`.
        seed: non-negative integer. Defaults to `0`.
        last_batch: `"keep"`: the last batch may be smaller; `"drop"`: an epoch has full batches
            only, and the next epoch continues where it stopped. Defaults to `"keep"`.
    """

    def __init__(
        self,
        class_rows: ClassRows,
        batch_size: int,
        *,
        shuffle: Shuffle = "window",
        window_shards: int = 6,
        seed: int = 0,
        last_batch: Literal["keep", "drop"] = "keep",
    ) -> None:
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.window_shards = window_shards if shuffle == "window" else 1
        self.seed = seed
        self.num_samples = int(class_rows.ends[-1]) if len(class_rows.ends) else 0
        whole, rest = divmod(self.num_samples, batch_size)
        self.num_batches = whole + (rest > 0 and last_batch == "keep")
        self._class_rows = class_rows
        self._count = len(class_rows.labels)
        self._sizes = np.diff(class_rows.ends, prepend=0)
        self._epoch_rows = whole * batch_size if last_batch == "drop" else self.num_samples
        # Number of whole blocks in an epoch, and of classes that give one more row.
        self._blocks, self._extra = divmod(self._epoch_rows, max(self._count, 1))
        # As many batches as a window of all rows has are read together, so that many of their rows
        # lie next to each other in the files.
        self._run = _MIN_RUN
        if shuffle == "window":
            shards = sum(len(variant.shards) for variant in class_rows.variants)
            rows = self.num_samples * len(class_rows.variants) * window_shards // max(shards, 1)
            self._run = max(_MIN_RUN, rows // batch_size)
        self._is_same_in_epoch = self._count <= batch_size
        self._classes: dict[tuple[int, int], _ClassOrder] = {}
        # Caches of pure results.
        self._epoch_order = lru_cache(maxsize=4)(self._make_epoch_order)
        self._shard_rank = lru_cache(maxsize=4)(self._make_shard_rank)
        self._kept_permutation = lru_cache(maxsize=_MAX_KEPT)(self._make_kept_permutation)

    def rows(self, epoch: int, batch: int, count: int = 1) -> tuple[Int64Array, Int64Array]:
        """Returns the rows of a batch, or of several consecutive batches, in order.

        Args:
            epoch: non-negative integer.
            batch: integer in `[0, num_batches)`.
            count: number of batches, all of one epoch. Defaults to `1`.

        Returns:
            Two int64 arrays of equal length: the shard of each row, and its position in the shard.
        """
        start, stop = self._bounds(batch, count)
        shards, rows = self.row_range(epoch, start, stop)
        mixed = self._mixed(epoch, batch, stop - start)
        return shards[mixed], rows[mixed]

    def passes(self, epoch: int, batch: int) -> Int64Array:
        """Returns for each row of a batch how often its class was passed through before."""
        start, stop = self._bounds(batch, 1)
        return self.passes_of_range(epoch, start, stop)[self._mixed(epoch, batch, stop - start)]

    def passes_of_range(self, epoch: int, start: int, stop: int) -> Int64Array:
        """Returns this for rows `start` to `stop - 1` of an epoch, in the order of `row_range`."""
        classes, streamed = self._streams(epoch, start, stop)
        passes: Int64Array = streamed // self._sizes[classes]
        return passes

    def _bounds(self, batch: int, count: int) -> tuple[int, int]:
        start = batch * self.batch_size
        return start, min(start + count * self.batch_size, self._epoch_rows)

    def _mixed(self, epoch: int, batch: int, count: int) -> Int64Array:
        """Returns the order of rows within their batches, for consecutive batches."""
        # In the order of the blocks, the classes of a batch would have a pattern.
        mixed = np.empty(count, np.int64)
        for low in range(0, count, self.batch_size):
            high = min(low + self.batch_size, count)
            sequence = self.sequence(_Use.BATCH, epoch, batch + low // self.batch_size)
            mixed[low:high] = low + permutation(high - low, sequence)
        return mixed

    def row_range(self, epoch: int, start: int, stop: int) -> tuple[Int64Array, Int64Array]:
        """Returns rows `start` to `stop - 1` of an epoch, without the order within batches."""
        classes, streamed = self._streams(epoch, start, stop)
        # Class by class: the rows that a class gives to a range follow each other in its stream.
        order = np.argsort(classes, kind="stable")
        found, firsts = np.unique(classes[order], return_index=True)
        lasts = np.append(firsts[1:], len(order)) - 1
        positions = np.empty(len(order), np.int64)
        variant_of = np.zeros(len(order), np.int64)
        variants = self._class_rows.variants
        for number, first, last in zip(
            found.tolist(), firsts.tolist(), lasts.tolist(), strict=True
        ):
            low, high = int(streamed[order[first]]), int(streamed[order[last]]) + 1
            size = int(self._sizes[number])
            place = first
            while low < high:
                number_of_pass, begin = divmod(low, size)
                end = min(size, begin + high - low)
                variant = number_of_pass % len(variants)
                here = slice(place, place + end - begin)
                positions[here] = self._class(number, variant).rows(number_of_pass, begin, end)
                variant_of[here] = variant
                place, low = here.stop, low + end - begin
        shards, rows = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
        for variant, variant_rows in enumerate(variants):
            here = variant_of == variant
            shards[order[here]], rows[order[here]] = variant_rows.find(positions[here])
        return shards, rows

    @property
    def run_rows(self) -> int:
        """Number of rows that are read together where memory allows it."""
        return self._run * self.batch_size

    def run_at(self, epoch: int, batch: int, max_length: int) -> range:
        """Returns the batches that should be read together with a batch, as `EpochPlan` does."""
        length = min(max_length, self._run)
        start = batch // length * length
        return range(start, min(start + length, self.num_batches))

    def _streams(self, epoch: int, start: int, stop: int) -> tuple[Int64Array, Int64Array]:
        """Returns the class of each row in a range, and the row's number in the class's stream."""
        block, place = np.divmod(np.arange(start, stop), self._count)
        if self._is_same_in_epoch:
            classes = self._epoch_order(epoch)[place]
        else:
            blocks = range(int(block[0]), int(block[-1]) + 1)
            orders = np.concatenate([self._block_order(epoch, number) for number in blocks])
            classes = orders[start - blocks[0] * self._count :][: stop - start]
        return classes, self._served_before(epoch)[classes] + block

    def _served_before(self, epoch: int) -> Int64Array:
        """Returns how many rows each class has given in the epochs before."""
        extra = -(-(epoch * self._extra - np.arange(self._count)) // self._count)
        return epoch * self._blocks + extra

    def _giving_more(self, epoch: int) -> Int64Array:
        """Returns the classes that give one more row in an epoch."""
        return (epoch * self._extra + np.arange(self._extra)) % self._count

    def _make_epoch_order(self, epoch: int) -> Int64Array:
        """Returns the classes of an epoch in order: first those that give one more row."""
        order = permutation(self._count, self.sequence(_Use.EPOCH, epoch))
        more = np.isin(order, self._giving_more(epoch))
        return np.concatenate((order[more], order[~more]))

    def _block_order(self, epoch: int, block: int) -> Int64Array:
        order = permutation(self._count, self.sequence(_Use.BLOCK, epoch, block))
        if block == self._blocks:  # the last one, which is not whole
            return order[np.isin(order, self._giving_more(epoch))]
        return order

    def _class(self, number: int, variant: int) -> _ClassOrder:
        order = self._classes.get((number, variant))
        if order is None:
            rows = self._class_rows
            stop = int(rows.ends[number])
            part = slice(stop - int(self._sizes[number]), stop)
            label = int(rows.labels[number])
            order = _ClassOrder(self, label, rows.variants[variant], part)
            self._classes[number, variant] = order
        return order

    # ---- Used by the orders of the classes

    def sequence(self, *use: int) -> np.random.SeedSequence:
        """Returns the seed of one use, such as `(_Use.WINDOW, label, number_of_pass, window)`."""
        return np.random.SeedSequence(self.seed, spawn_key=(SpawnKey.BALANCE, *use))

    def permuted(self, start: int, stop: int, count: int, use: tuple[int, ...]) -> Int64Array:
        """Returns entries `start` to `stop - 1` of the random permutation of one use."""
        if count <= _MAX_KEPT_LENGTH:
            return self._kept_permutation(count, use)[start:stop].astype(np.int64)
        return permutation_at(np.arange(start, stop), count, self.sequence(*use))

    def shard_rank(self, number_of_pass: int, variant: VariantRows) -> Int64Array:
        """Returns the place of each shard of a variant in a pass, the same for all classes."""
        return self._shard_rank(number_of_pass, len(variant.shards))

    def _make_shard_rank(self, number_of_pass: int, count: int) -> Int64Array:
        order = permutation(count, self.sequence(_Use.SHARDS, number_of_pass))
        rank = np.empty(count, np.int64)
        rank[order] = np.arange(count)
        return rank

    def _make_kept_permutation(
        self, count: int, use: tuple[int, ...]
    ) -> npt.NDArray[np.unsignedinteger[Any]]:
        return permutation(count, self.sequence(*use)).astype(np.uint16)

    def __getstate__(self) -> dict[str, Any]:
        raise TypeError("A BalancedPlan is created again from its ClassRows, not pickled.")


class _ClassOrder:
    """The passes over the rows of one class in one variant.

    Args:
        plan: the plan that it belongs to.
        label: the class number.
        variant: the rows of the variant.
        part: where the rows of the class are in it.
    """

    def __init__(self, plan: BalancedPlan, label: int, variant: VariantRows, part: slice) -> None:
        self._plan = plan
        self._label = label
        self._variant = variant
        self._positions = variant.positions[part]
        count = len(self._positions)
        # The units of which windows consist: the rows of the class in one shard, or in a few.
        shards = np.searchsorted(variant.ends, self._positions, side="right")
        starts = np.flatnonzero(np.diff(shards, prepend=-1))
        starts = starts[np.diff(starts // _MIN_UNIT_ROWS, prepend=-1) > 0]
        self._starts = np.append(starts, count)
        self._first_shards = shards[starts]
        units = len(starts)
        windows = -(-units // plan.window_shards)
        self._window_bounds = -(-np.arange(windows + 1) * units // windows)
        self._last_order: tuple[int, Int64Array, Int64Array] | None = None

    def rows(self, number_of_pass: int, start: int, stop: int) -> npt.NDArray[Any]:
        """Returns the positions of rows `start` to `stop - 1` of a pass."""
        if self._plan.shuffle == "global":
            use = (_Use.GLOBAL, self._label, number_of_pass)
            return self._positions[self._plan.permuted(start, stop, len(self._positions), use)]
        parts = list(self._windows(number_of_pass, start, stop))
        return self._positions[parts[0] if len(parts) == 1 else np.concatenate(parts)]

    def _windows(self, number_of_pass: int, start: int, stop: int) -> Iterator[Int64Array]:
        """Yields the rows of a range, window by window, by their number within the class."""
        order, ends = self._order(number_of_pass)
        bounds = self._window_bounds
        window_ends = ends[bounds[1:] - 1]
        low, high = np.searchsorted(window_ends, (start, stop - 1), side="right").tolist()
        for window in range(low, high + 1):
            units = order[bounds[window] : bounds[window + 1]]
            begin = int(window_ends[window - 1]) if window else 0
            size = int(window_ends[window]) - begin
            inside = max(start - begin, 0), min(stop - begin, size)
            if self._plan.shuffle == "window":
                use = (_Use.WINDOW, self._label, number_of_pass, window)
                rows = self._plan.permuted(*inside, size, use)
            else:
                rows = np.arange(*inside)
            unit_ends = ends[bounds[window] : bounds[window + 1]] - begin
            unit = np.searchsorted(unit_ends, rows, side="right")
            yield self._starts[units[unit] + 1] - unit_ends[unit] + rows

    def _order(self, number_of_pass: int) -> tuple[Int64Array, Int64Array]:
        """Returns the units of a pass in order, and where each of them ends."""
        last = self._last_order
        if last is None or last[0] != number_of_pass:
            rank = self._plan.shard_rank(number_of_pass, self._variant)
            order = np.argsort(rank[self._first_shards], kind="stable")
            ends = np.cumsum(np.diff(self._starts)[order])
            last = self._last_order = (number_of_pass, order, ends)
        return last[1], last[2]
