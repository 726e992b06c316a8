"""`Part`: the rows of every global batch that one of several processes serves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keras_bigdata.permutation import Int64Array


@dataclass(frozen=True, slots=True)
class Part:
    """One of several equal slices of every global batch.

    All parts have the same number of batches, and in each batch the same number of rows. If the
    rows of a last, smaller batch cannot be divided, it is padded: its first rows are served again
    at its end, with weight 0, and the weight of the others is `padded / rows`, so that a mean over
    the padded batch is the mean over its rows.

    Args:
        rank: number of the part, from 0.
        size: number of parts.
        is_given: whether the user passed the part. Defaults to `False`.
        is_auto: whether it was read from the backend, with part="auto". Defaults to `False`.
        devices: number of devices of this process that the rows of the part are divided among.
            Defaults to `1`.
    """

    rank: int = 0
    size: int = 1
    is_given: bool = False
    is_auto: bool = False
    devices: int = 1

    @property
    def multiple(self) -> int:
        """Number of rows of which each batch of all parts together must be a multiple."""
        return self.size * self.devices

    def rows_of(self, rows: int) -> int:
        """Returns the number of rows of this part of a global batch of `rows` rows."""
        return -(-rows // self.multiple) * self.devices

    def places(self, lengths: Sequence[int]) -> Int64Array:
        """Returns the places of the rows of this part in joined global batches.

        Args:
            lengths: number of rows of each global batch.
        """
        parts, start = [], 0
        for length in lengths:
            rows = self.rows_of(length)
            parts.append(start + self._inside(rows) % length)
            start += length
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def stretches(self, length: int) -> Iterator[tuple[int, int]]:
        """Yields which rows of a global batch of `length` rows are served: begin and end, in order.

        They are one stretch, unless the padding wraps around to the first rows.
        """
        rows = self.rows_of(length)
        start, stop = self.rank * rows, (self.rank + 1) * rows
        while start < stop:
            begin = start % length
            end = min(length, begin + stop - start)
            yield begin, end
            start += end - begin

    def weights(self, length: int) -> npt.NDArray[np.float32]:
        """Returns the weights of the rows of this part of a global batch of `length` rows."""
        rows = self.rows_of(length)
        is_real = self._inside(rows) < length
        return (is_real * (rows * self.size / length)).astype(np.float32)

    def _inside(self, rows: int) -> Int64Array:
        return np.arange(self.rank * rows, (self.rank + 1) * rows)
