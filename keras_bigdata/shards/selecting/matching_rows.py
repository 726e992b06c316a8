"""The rows for which the function of `Shards.where` is true, shard by shard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import BigDataError
from keras_bigdata.shards.index.shard_index import Int64Array, ShardIndex
from keras_bigdata.shards.reading.read_ahead import map_ahead
from keras_bigdata.shards.selecting.selected_columns import read_rows
from keras_bigdata.shards.selecting.shard_columns import ShardColumns, checked_mask

Array = npt.NDArray[Any]


class MatchingRows:
    """Calls the function of `Shards.where` once for each shard that has selected rows.

    Args:
        index: the shards.
        shards: the numbers of the shards.
        rows_of: returns the selected rows of the shard at a position in `shards`.
        function: the function of the user.
        trust: whether pickles may be executed.
    """

    def __init__(
        self,
        index: ShardIndex,
        shards: Int64Array,
        rows_of: Callable[[int], Int64Array],
        function: Callable[[Mapping[str, Array]], Any],
        *,
        trust: bool,
    ) -> None:
        self._index = index
        self._shards = shards
        self._rows_of = rows_of
        self._function = function
        self._trust = trust
        # The columns that the function read of the last shard, in order.
        self._likely: Mapping[str, None] = {}

    def __iter__(self) -> Iterator[Int64Array]:
        """Yields the rows of each shard for which the function is true."""
        positions = iter(range(len(self._shards)))
        for position in positions:
            yield self._matching(position, *self._load(position))
            if self._likely:  # known from here on, and can be read ahead
                break
        for position, rows, columns in map_ahead(
            lambda position: (position, *self._load(position)),
            positions,
            self._index,
            tuple(self._likely),
        ):
            yield self._matching(position, rows, columns)

    def _load(self, position: int) -> tuple[Int64Array, dict[str, Array]]:
        """Returns the selected rows of a shard and, of a remote one, columns likely to be used."""
        rows = self._rows_of(position)
        names = tuple(self._likely)
        if isinstance(self._index.directory, Path) or not names or not len(rows):
            return rows, {}
        shard = int(self._shards[position])
        try:
            read = read_rows(self._index, shard, rows, names, trust=self._trust)
        except BigDataError:  # raised again if the function does look the column up
            return rows, {}
        return rows, {
            name: column for name, column in read.items() if isinstance(column, np.ndarray)
        }

    def _matching(self, position: int, rows: Int64Array, columns: dict[str, Array]) -> Int64Array:
        if not len(rows):
            return rows
        shard = int(self._shards[position])
        path = self._index.path(shard)
        found = ShardColumns(
            self._index,
            shard,
            None if len(rows) == self._index.samples[shard] else rows,
            trust=self._trust,
            likely=self._likely,
            columns=columns,
        )
        try:
            mask = self._function(found)
        except Exception as error:
            error.add_note(f"It was raised by `where` at {path}.")
            raise
        self._likely = found.used
        return rows[checked_mask(mask, len(rows), str(path))]
