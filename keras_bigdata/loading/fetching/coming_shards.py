"""The shards that the next batches need, in the order in which the plan needs them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from keras_bigdata.loading.order.balanced_plan import BalancedPlan
from keras_bigdata.loading.order.bucket_plan import BucketPlan
from keras_bigdata.loading.order.epoch_plan import EpochPlan, in_order_of_use
from keras_bigdata.shards.index.shard_index import Int64Array

Plan = EpochPlan | BalancedPlan

# Rows of a global shuffle whose shards are sorted by first use; the others follow by number.
_SORTED_ROWS = 65536


@dataclass(frozen=True, slots=True)
class Horizon:
    """The shards of the current window and of the next one.

    Positions are those of rows in the endless stream of passes.

    Attributes:
        first: position of the first row.
        stop: position after the current window, at which the horizon moves on.
        reach: position after the last row whose shards are all among `shards`.
        shards: numbers of the shards, in the order of their first use.
        current: number of them that belong to the current window.
    """

    first: int
    stop: int
    reach: int
    shards: tuple[int, ...]
    current: int


class ComingShards:
    """Finds the shards that are needed from a row of the stream on.

    A pure function of the plan: it works for any order of requests, and over the end of a pass.

    Args:
        plans: the plan of each variant.
        variants: for each plan, int64 array, the shards that it counts.
        pass_rows: number of rows in a pass, as the stream counts them.
        window_shards: number of shards of a window, where the plan has no windows.
        repeats: whether the first pass is served every time. Defaults to `False`.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        variants: Sequence[Int64Array],
        pass_rows: int,
        window_shards: int,
        *,
        repeats: bool = False,
    ) -> None:
        self._plans = plans
        self._variants = variants
        self.pass_rows = pass_rows
        self.repeats = repeats
        plan = plans[0]
        self.batch_size = plan.batch_size
        self.is_local = isinstance(plan, EpochPlan) and plan.shuffle != "global"
        self._window = window_shards
        if plan.shuffle == "window":
            windows = [each.largest_window for each in plans if isinstance(each, EpochPlan)]
            self._window = max(windows, default=window_shards)

    @property
    def needs_lengths(self) -> bool:
        """Whether the rows of a batch depend on lengths that are stored in the shards."""
        return isinstance(self._plans[0], BucketPlan)

    def horizon(self, first: int, stop: int, largest: int = 0) -> Horizon:
        """Returns the shards that are needed from some rows on.

        Args:
            first: position of the first row in the stream.
            stop: position after the rows that are read together.
            largest: number of shards of the largest rows that were read together so far. At the
                end of an epoch fewer are read together, and a shorter horizon would drop shards
                that it needs again. Defaults to 0.
        """
        first, stop = self._whole_segment(first, stop)
        # The last batch of a window may hold rows of the next window.
        last = max(stop - self.batch_size, first + 1)
        shards: dict[int, None] = {}
        current, end, limit = 0, first, math.inf
        for begin, window_end, found in self._windows(first):
            if begin >= last and not current:
                current, end = len(shards), begin
                limit = 2 * max(self._window, current, largest)
            # The batch that follows is always within reach.
            if current and begin > stop and len(shards.keys() | found) > limit:
                return Horizon(first, end, begin, tuple(shards), current)
            shards.update(dict.fromkeys(found))
            reach = window_end
        if not current:
            current, end = len(shards), reach
        return Horizon(first, end, reach, tuple(shards), current)

    def covers(self, horizon: Horizon, first: int) -> bool:
        """Returns whether a row lies in the windows of a horizon."""
        return 0 <= self.distance(horizon.first, first) < horizon.reach - horizon.first

    def distance(self, origin: int, first: int) -> int:
        """Returns the number of rows from one row of the stream to another one."""
        distance = first - origin
        return distance % self.pass_rows if self.repeats else distance

    def needed_in(self, first: int, count: int) -> Int64Array:
        """Returns in how many rows each shard is needed again; -1 for shards without rows.

        Args:
            first: position of the current row in the stream.
            count: number of shards of the index.
        """
        needed = np.full(count, -1, np.int64)
        number, row = divmod(first, self.pass_rows)
        for variant, shards in enumerate(self._variants):
            plan = self._plans[variant]
            passes = len(self._plans)
            # Number of passes until the next one of this variant.
            wait = 0 if self.repeats else (variant - number) % passes
            period = 1 if self.repeats else passes
            if not isinstance(plan, EpochPlan):
                needed[shards] = self.pass_rows  # each class goes through the shards on its own
                continue
            if plan.shuffle == "global":
                needed[shards] = max(0, wait * self.pass_rows - row)
                continue
            begins = plan.first_rows(0 if self.repeats else number + wait)
            distance = wait * self.pass_rows - row + begins
            after = plan.first_rows(0 if self.repeats else number + wait + period)
            later = (wait + period) * self.pass_rows - row + after
            needed[shards] = np.where(distance >= 0, distance, later)
        return needed

    def _whole_segment(self, first: int, stop: int) -> tuple[int, int]:
        """Returns a range of rows, extended to the rows whose lengths decide about its batches."""
        number, row = divmod(first, self.pass_rows)
        plan = self._plans[number % len(self._plans)]
        if not isinstance(plan, BucketPlan):
            return first, stop
        begin, end = plan.segment(number, row)
        start = number * self.pass_rows
        return start + begin, max(stop, start + end)

    def _windows(self, first: int) -> Iterator[tuple[int, int, list[int]]]:
        """Yields begin, end and shards of the windows from a row on, up to the end of a pass."""
        number, row = divmod(first, self.pass_rows)
        # The passes of all variants: what is needed after them is among it.
        for following in range(1 + max(2, len(self._plans))):
            served = 0 if self.repeats else number + following
            variant = served % len(self._plans)
            start = (number + following) * self.pass_rows
            while row < self.pass_rows:
                end, shards = self._window_at(self._plans[variant], served, row)
                yield start + row, start + end, self._variants[variant][shards].tolist()
                row = end
            row = 0

    def _window_at(self, plan: Plan, number: int, row: int) -> tuple[int, Int64Array]:
        if isinstance(plan, BalancedPlan):
            end = min((row // plan.run_rows + 1) * plan.run_rows, self.pass_rows)
            return end, in_order_of_use(plan.row_range(number, row, end)[0])
        if isinstance(plan, BucketPlan):
            plan = plan.plan
        if plan.shuffle != "global":
            return plan.next_window(number, row, self.pass_rows)
        soon = plan.row_range(number, row, min(row + _SORTED_ROWS, self.pass_rows))[0]
        used = np.flatnonzero(plan.samples)
        return self.pass_rows, in_order_of_use(np.concatenate((soon, used)))
