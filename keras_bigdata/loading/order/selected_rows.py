"""`SelectedRows`: the rows that the plan counts, as shards and rows of the files."""

from __future__ import annotations

import numpy as np

from keras_bigdata.shards.index.shard_index import Int64Array, ShardIndex
from keras_bigdata.shards.selecting.selection import Selection


class SelectedRows:
    """Maps the k-th selected row of a shard to its row in the file, for all variants.

    Without a selection, row k is row k.

    Args:
        index: all shards.
        selection: the selected rows of the first variant; the rows of the other variants follow
            them, shard by shard. `None` for all rows.

    Attributes:
        counts: int64 array, the number of selected rows of each shard of the index.
        variants: for each variant, an int64 array of its shards that have selected rows. Shards
            without any are left out, so that each window holds as many shards as it should.
        spans: two int64 arrays, the first selected row of each shard and the row after the last
            one; `None` without a selection.
    """

    def __init__(self, index: ShardIndex, selection: Selection | None) -> None:
        self._selection = selection
        shards = [np.flatnonzero(index.variant == variant) for variant in range(index.variants)]
        self.spans: tuple[Int64Array, Int64Array] | None = None
        if selection is None:
            self.counts = index.samples
            self.variants = shards
            return
        used = np.flatnonzero(selection.counts)
        self.counts = np.zeros(len(index), np.int64)
        self.spans = np.zeros(len(index), np.int64), np.zeros(len(index), np.int64)
        # The position of each shard in its variant, by which the selection counts.
        self._places = np.zeros(len(index), np.int64)
        spans = selection.spans()
        for variant in shards:
            self._places[variant] = np.arange(len(variant))
            self.counts[variant] = selection.counts
            self.spans[0][variant], self.spans[1][variant] = spans
        self.variants = [variant[used] for variant in shards]

    def of_shard(self, shard: int) -> Int64Array:
        """Returns the rows in the file of all selected rows of a shard."""
        count = int(self.counts[shard])
        return self.rows(np.full(count, shard), np.arange(count))

    def rows(self, shards: Int64Array, ranks: Int64Array) -> Int64Array:
        """Returns the rows in the files of some selected rows.

        Args:
            shards: int64 array, the number of the shard of each row.
            ranks: int64 array of equal length, its position among the selected rows of the shard.
        """
        selection = self._selection
        if selection is None or not len(shards):
            return ranks
        # Sorted, so that each shard is looked up once, and its rows by one call.
        order = np.argsort(shards, kind="stable")
        ascending = shards[order]
        starts = np.flatnonzero(np.append(True, ascending[1:] != ascending[:-1]))
        stops = np.append(starts[1:], len(order)).tolist()
        rows = np.empty_like(ranks)
        for start, stop in zip(starts.tolist(), stops, strict=True):
            here = order[start:stop]
            rows[here] = selection.rows(int(self._places[ascending[start]]))[ranks[here]]
        return rows
