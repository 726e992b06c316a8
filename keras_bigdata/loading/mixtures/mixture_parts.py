"""The rows of each set that one of several processes serves in the batches of a mixture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_bigdata.loading.parts.batch_parts import Part
from keras_bigdata.permutation import Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class PartOfSets:
    """The slice of some batches of a mixture, in which the rows of the sets lie one after another.

    A smaller batch that cannot be divided is padded: its last row is served again at its end, so
    that the sets keep their order. `Part.weights` returns the weights.

    Args:
        rows: int64 array of shape `(batches, sets)`, the rows that each set gives to each batch.
        starts: int64 array of the same shape, the first of these rows that are served.
        counts: int64 array of the same shape, how many are served, with the padding.
    """

    rows: Int64Array
    starts: Int64Array
    counts: Int64Array

    @classmethod
    def of(cls, part: Part, rows: Int64Array) -> PartOfSets:
        """Returns the slice of a part.

        Args:
            part: the part.
            rows: int64 array of shape `(batches, sets)`, the rows of the global batches.
        """
        lengths = rows.sum(axis=1)
        per_part = -(-lengths // part.multiple) * part.devices
        before = np.cumsum(rows, axis=1) - rows
        starts = (part.rank * per_part)[:, np.newaxis] - before
        stops = starts + per_part[:, np.newaxis]
        # The padding belongs to the last set that gives rows: its slice may end after them.
        is_last = before + rows == lengths[:, np.newaxis]
        is_last &= rows > 0
        limit = np.where(is_last, stops.max(initial=0), rows)
        starts, stops = np.clip(starts, 0, limit), np.clip(stops, 0, limit)
        return cls(rows, starts, stops - starts)

    def lengths(self, number: int) -> list[int]:
        """Returns how many rows of a set are served of each batch."""
        lengths: list[int] = self.counts[:, number].tolist()
        return lengths

    def places_by_batch(self, number: int) -> list[Int64Array]:
        """Returns for each batch the places of these rows among the rows of the set, ascending."""
        starts, counts = self.starts[:, number], self.counts[:, number]
        return [
            np.minimum(np.arange(start, start + count), rows - 1)
            for start, count, rows in zip(starts, counts, self.rows[:, number], strict=True)
        ]
