"""`VarlenRows`: rows of varying size as they were read from the files, not decoded yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.shards.index.shard_index import Field, Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class VarlenRows:
    """The stored values of some rows, in memory that several batches share.

    Args:
        field: what they are rows of.
        memory: uint8 array that holds the values of all rows, in any order.
        starts: the position of the first byte of each row.
        sizes: the number of bytes of each row.
        shards: the shard of each row.
        rows: the row in that shard.
    """

    field: Field
    memory: npt.NDArray[np.uint8]
    starts: Int64Array
    sizes: Int64Array
    shards: Int64Array
    rows: Int64Array

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, start: int, stop: int) -> VarlenRows:
        """Returns the rows from `start` to `stop - 1`."""
        here = slice(start, stop)
        return VarlenRows(
            self.field,
            self.memory,
            self.starts[here],
            self.sizes[here],
            self.shards[here],
            self.rows[here],
        )

    @property
    def values(self) -> npt.NDArray[Any]:
        """The memory as values of the field, for rows of numbers."""
        values = self.memory.view(self.field.value_dtype)
        return values.reshape(-1, *self.field.value_shape)
