"""`HDF5Matrix`: a part of an HDF5 dataset as an array."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, ClassVar

import h5py
import numpy as np


class HDF5Matrix:
    """Rows of an HDF5 dataset, read when they are indexed.

    Keras 3 takes only arrays, so it reads all rows into memory when a model is trained on them.
    Pack data that does not fit into memory (`keras_bigdata.HDF5Table`), and read it in batches.

    Args:
        datapath: path of the HDF5 file.
        dataset: name of the dataset in the file.
        start: number of the first row. Defaults to 0.
        end: number of the row after the last. Defaults to all rows.
        normalizer: called with the rows that were read; returns those that are used. Defaults to
            none.
    """

    refs: ClassVar[dict[str, h5py.File]] = defaultdict(int)

    def __init__(
        self,
        datapath: str,
        dataset: str,
        start: int = 0,
        end: int | None = None,
        normalizer: Callable[[Any], Any] | None = None,
    ) -> None:
        if not self.refs.get(datapath):
            self.refs[datapath] = h5py.File(datapath, "r")
        self.data = self.refs[datapath][dataset]
        self.start = start
        self.end = self.data.shape[0] if end is None else end
        self.normalizer = normalizer
        first = self._normalized(self.data[0:1])
        self._row_shape, self.dtype = first.shape[1:], first.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of rows, and the shape of one."""
        return (len(self), *self._row_shape)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.end - self.start

    def __getitem__(self, key: Any) -> Any:
        """Returns rows.

        Args:
            key: a number, a slice, or increasing numbers of rows.

        Raises:
            IndexError: if a row is out of range.
        """
        if isinstance(key, slice):
            first = 0 if key.start is None else key.start
            stop = len(self) if key.stop is None else key.stop
            if stop + self.start > self.end:
                raise IndexError(
                    f"HDF5Matrix: row {stop - 1} is out of range: it has {len(self)} rows."
                )
            return self._normalized(self.data[first + self.start : stop + self.start])
        rows = np.asarray(key)
        if rows.size and rows.max() + self.start >= self.end:
            raise IndexError(
                f"HDF5Matrix: row {rows.max()} is out of range: it has {len(self)} rows."
            )
        chosen = (rows + self.start).tolist()
        return self._normalized(self.data[chosen])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Returns all rows."""
        return np.asarray(self[0 : len(self)], dtype=dtype)

    def _normalized(self, rows: Any) -> Any:
        return rows if self.normalizer is None else self.normalizer(rows)
