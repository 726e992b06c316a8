"""Loads the rows that one set gives to the batches of a mixture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from keras_bigdata.loading.batches.batch_loader import BatchLoader, LoaderConfig
from keras_bigdata.loading.batches.corrupt_shards import CorruptShards
from keras_bigdata.loading.mixtures.mixture_parts import PartOfSets
from keras_bigdata.loading.order.balanced_plan import BalancedPlan
from keras_bigdata.loading.order.epoch_plan import EpochPlan, join_rows
from keras_bigdata.loading.order.proportions import Proportions
from keras_bigdata.loading.rows.row_decoder import Occurrences
from keras_bigdata.loading.rows.row_reader import Batch, RawBatch
from keras_bigdata.shards.index.shard_index import Int64Array


class SetLoader(BatchLoader):
    """Loads the rows that one set gives to the batches of a mixture.

    They are taken from the endless stream of passes over the set, one after the other. One of
    several processes reads those that lie in its slice of the batches of the mixture.

    Args:
        config: what to load; its `part` is that of the mixture.
        corrupt_shards: records corrupt shards.
        proportions: how many rows of each set a batch holds.
        number: number of the set.
        part_rows: number of rows of a batch of the mixture that this process serves.
    """

    def __init__(
        self,
        config: LoaderConfig,
        corrupt_shards: CorruptShards,
        proportions: Proportions,
        number: int,
        part_rows: int,
    ) -> None:
        super().__init__(config, corrupt_shards)
        self._proportions = proportions
        self._number = number
        self._part_rows = part_rows
        # Positions are those of the mixture.
        self.num_batches = proportions.length
        if self.remote is not None:
            self.remote.coming.pass_rows = self.num_samples

    def rows_before(self, positions: Int64Array) -> Int64Array:
        """Returns how many rows of its stream the set gives before some positions."""
        return self._proportions.before(positions)[:, self._number]

    def _rows(self, positions: range) -> tuple[Int64Array, Int64Array]:
        return self._rows_between(*self._row_bounds(positions))

    def _rows_between(self, start: int, stop: int) -> tuple[Int64Array, Int64Array]:
        return join_rows([self.rows_of_pass(*part) for part in self._passes(start, stop)])

    def _passes(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yields the parts of passes in the stream: number of the pass, begin and end."""
        while start < stop:
            number, begin = divmod(start, self.num_samples)
            end = min(self.num_samples, begin + stop - start)
            yield number, begin, end
            start += end - begin

    def _global_lengths(self, positions: range) -> list[int]:
        before = self.rows_before(np.arange(positions.start, positions.stop + 1))
        lengths: list[int] = np.diff(before).tolist()
        return lengths

    def _of_part(self, positions: range) -> PartOfSets:
        before = self._proportions.before(np.arange(positions.start, positions.stop + 1))
        return PartOfSets.of(self.config.part, np.diff(before, axis=0))

    def _lengths(self, positions: range) -> list[int]:
        if self.config.part.size > 1:
            return self._of_part(positions).lengths(self._number)
        return self._global_lengths(positions)

    def _served_rows(self, positions: range) -> tuple[Int64Array, Int64Array]:
        if self.config.part.size == 1:
            return self._rows(positions)
        begins = self.rows_before(np.arange(positions.start, positions.stop))
        of_part = self._of_part(positions)
        return join_rows(
            [
                self._rows_of_stream(int(begin), places)
                for begin, places in zip(begins, of_part.places_by_batch(self._number), strict=True)
                if len(places)
            ]
        )

    def _rows_of_stream(self, begin: int, places: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Returns the rows at some ascending places after a position of the stream."""
        first, stop = int(places[0]), int(places[-1]) + 1
        shards, rows = self._rows_between(begin + first, begin + stop)
        return shards[places - first], rows[places - first]

    @property
    def _offset(self) -> tuple[int, ...]:
        part = self.config.part
        return (part.rank * self._part_rows,) if part.size > 1 else ()

    def weights(self, position: int) -> None:
        """Returns `None`: the rows of all sets of a batch are weighted together."""

    def read_into(self, positions: range, outs: Sequence[Batch]) -> None:
        """Reads the rows of each batch into arrays."""
        self._read(positions, lambda reader, s, rows: reader.read_into(s, rows, outs), apart=True)

    def read_rows(self, positions: range) -> RawBatch:
        """Returns the rows of all batches, in order, before they are decoded."""
        return self._read(
            positions, lambda reader, s, rows: reader.read(s, rows, len(rows)), apart=True
        )[0]

    def _row_bounds(self, positions: range) -> tuple[int, int]:
        start, stop = self.rows_before(np.array([positions.start, positions.stop])).tolist()
        return start, stop

    def _occurrences(self, position: int) -> Occurrences | None:
        if not self._decoder.is_random:
            return None
        positions = range(position, position + 1)
        epochs, counts = [], []
        for number, begin, end in self._passes(*self._row_bounds(positions)):
            epochs.append(np.full(end - begin, number))
            plan = self._plans[number % len(self._plans)]
            if isinstance(plan, BalancedPlan):
                counts.append(plan.passes_of_range(number, begin, end))
            else:
                counts.append(np.zeros(end - begin, np.int64))
        served = np.concatenate(epochs), np.concatenate(counts)
        if self.config.part.size > 1:
            (places,) = self._of_part(positions).places_by_batch(self._number)
            served = served[0][places], served[1][places]
        return Occurrences(*served)

    def window_ends(self, number: int) -> Int64Array | None:
        """Returns where the windows of a pass end; `None` if there are none."""
        plan = self._plans[number % len(self._plans)]
        return plan.window_ends(number) if isinstance(plan, EpochPlan) else None
