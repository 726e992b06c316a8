"""The remote part of a loader: fetches shards by the plan, and reads the first batch."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from keras_bigdata.loading.batches.remote_room import RemoteRoom
from keras_bigdata.loading.fetching.coming_shards import ComingShards, Horizon, Plan
from keras_bigdata.loading.fetching.next_use import NextUseOfPlan
from keras_bigdata.loading.order.epoch_plan import in_order_of_use
from keras_bigdata.loading.order.selected_rows import SelectedRows
from keras_bigdata.loading.rows.ranged_reader import NotByRangesError, RangedReader
from keras_bigdata.loading.rows.row_reader import RowReader
from keras_bigdata.shards.index.shard_index import Int64Array

if TYPE_CHECKING:
    from keras_bigdata.loading.batches.batch_loader import LoaderConfig

_Read = TypeVar("_Read")

# Reads rows, given a reader, their shards and their numbers.
ReadRows = Callable[[RowReader | RangedReader, Int64Array, Int64Array], _Read]


class RemoteRows:
    """Fetches the shards of remote sets in time, and reads the first batch before they arrive.

    Thread-safe.

    Args:
        reader: reads rows of open shards.
        coming: which shards are needed next.
        used: int64 array, the shards that have selected rows.
        by_ranges: whether the first batch may be read before its shards have arrived.
    """

    def __init__(
        self, reader: RowReader, coming: ComingShards, used: Int64Array, *, by_ranges: bool
    ) -> None:
        assert reader.files.remote is not None
        self.coming = coming
        self._files = reader.files
        self._fetch = reader.files.remote
        self._room = RemoteRoom(reader.index, used, coming)
        self._ranged = RangedReader(reader.index, reader.fields, self._fetch)
        self._by_ranges = by_ranges
        self._next_use = self._fetch.next_use = NextUseOfPlan(reader.index, coming)
        self._files.compare = self._ranged.compare
        self._horizon: Horizon | None = None
        self._largest = 0
        # A batch that was requested out of order, and the windows in which it is.
        self._apart: Horizon | None = None
        self._is_first = True
        # Position of the batch that may be read by ranges.
        self._ranged_first: int | None = None
        self._lock = threading.Lock()

    def arranged(
        self, read: ReadRows[_Read], bounds: tuple[int, int], *, single: bool, apart: bool
    ) -> ReadRows[_Read]:
        """Returns a function that starts to fetch the shards of rows and then reads the rows.

        Args:
            read: reads the rows.
            bounds: positions of the first row in the stream, and after the last one.
            single: whether the rows are one batch.
            apart: whether a single batch may be requested out of order.
        """
        self._fetch.begin_read()
        by_range = self._move_to(*bounds, single=single, apart=apart) and self._by_ranges

        def arranged_read(
            reader: RowReader | RangedReader, shards: Int64Array, rows: Int64Array
        ) -> _Read:
            used = in_order_of_use(shards).tolist()
            with self._fetch.in_use(used):
                if by_range:
                    with contextlib.suppress(NotByRangesError):
                        return read(self._ranged, shards, rows)
                self._fetch.want(used)
                return read(reader, shards, rows)

        return arranged_read

    def holding(self, shards: Int64Array) -> contextlib.AbstractContextManager[None]:
        """Returns a context in which the copies of shards are kept, fetched or on their way."""
        return self._fetch.in_use(np.unique(shards).tolist())

    def _move_to(self, first: int, stop: int, *, single: bool, apart: bool) -> bool:
        """Fetches the shards that are needed from some rows on, and drops those before.

        A single batch out of order fetches nothing in advance: it may be an example, or a batch of
        an epoch that is over. The next batch in its order does.

        Returns:
            Whether the rows are those of the first batch, which may be read by ranges.
        """
        with self._lock:
            horizon, other = self._horizon, self._apart
            if horizon is None or not self.coming.covers(horizon, first):
                follows = (
                    other is not None and self.coming.covers(other, first) and other.first != first
                )
                if single and apart and not follows and not self.coming.needs_lengths:
                    self._apart = self.coming.horizon(first, stop)
                    self._ranged_first = first
                    return True
                self._apart = None
                self._is_first = not follows
                self._set(first, stop)
            elif self.coming.distance(horizon.first, first) >= horizon.stop - horizon.first:
                self._set(first, stop)
                self._ranged_first = None
                self._ranged.forget()
            if single and self._is_first:
                self._is_first, self._ranged_first = False, first
            # Keras requests the first batch twice.
            return single and first == self._ranged_first

    @property
    def is_begun(self) -> bool:
        """Whether shards are fetched by the plan."""
        return self._horizon is not None

    def close(self) -> None:
        """Stops fetching in advance, and drops the copies of shards."""
        with self._lock:
            self._horizon = self._apart = self._ranged_first = None
            self._is_first = True
        self._ranged.forget()
        self._fetch.close()
        self._files.drop_remote()

    def _set(self, first: int, stop: int) -> None:
        horizon = self.coming.horizon(first, stop, self._largest)
        self._largest = max(self._largest, horizon.current)
        shards = self._room.fitting(horizon)
        self._horizon = horizon
        self._next_use.move_to(horizon)
        self._fetch.plan(shards)
        self._files.drop_remote()


def remote_rows(
    config: LoaderConfig,
    reader: RowReader,
    plans: Sequence[Plan],
    variants: Sequence[Int64Array],
    *,
    pass_rows: int,
) -> RemoteRows | None:
    """Returns the remote part of a loader; `None` if all shards are files of this machine.

    Args:
        config: what is loaded.
        reader: reads rows of open shards.
        plans: the order of the rows of each variant.
        variants: int64 arrays, the shards of each variant.
        pass_rows: number of rows in a pass.
    """
    if reader.files.remote is None:
        return None
    coming = ComingShards(plans, variants, pass_rows, config.window_shards, repeats=config.repeats)
    used = np.flatnonzero(SelectedRows(config.index, config.selection).counts)
    # A shard that is found damaged later is skipped, so none of its rows may have been served.
    return RemoteRows(reader, coming, used, by_ranges=config.on_corrupt == "raise")
