"""The rows of each class, in 4 bytes a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.shards.index.shard_index import Int64Array


@dataclass(frozen=True, slots=True)
class VariantRows:
    """The rows of one variant, class by class.

    Args:
        shards: int64 array, the shards of the variant.
        ends: int64 array, the number of rows up to the end of each of them, selected or not.
        positions: array of unsigned integers, the position of each selected row among all rows of
            the variant: sorted by class, and in the order of the files within a class.
    """

    shards: Int64Array
    ends: Int64Array
    positions: npt.NDArray[Any]

    def find(self, positions: npt.NDArray[Any]) -> tuple[Int64Array, Int64Array]:
        """Returns the shard of each position in the variant, and its row in that shard."""
        positions = positions.astype(np.int64)
        place = np.searchsorted(self.ends, positions, side="right")
        starts = np.concatenate(([0], self.ends[:-1]))
        return self.shards[place], positions - starts[place]


@dataclass(frozen=True, slots=True)
class ClassRows:
    """The selected rows of each class that has any.

    Args:
        field: name of the field that holds the labels.
        labels: int64 array, the class numbers.
        ends: int64 array, where the rows of each class end in `VariantRows.positions`.
        variants: the rows of each variant; every variant has as many of each class.
    """

    field: str
    labels: Int64Array
    ends: Int64Array
    variants: tuple[VariantRows, ...]
