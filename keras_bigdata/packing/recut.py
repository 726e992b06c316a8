"""Batches of any size -> shards of one size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.shards.index import Field
from keras_bigdata.shards.writer import ShardWriter


class Recut:
    """Collects rows in the memory of one shard and writes it whenever it is full.

    Rows are copied when they are added: generators may refill the arrays they gave.

    Args:
        writer: gets the shards.
        fields: name -> `Field` of what is added.
        shard_samples: rows of a shard.
    """

    def __init__(self, writer: ShardWriter, fields: Mapping[str, Field], shard_samples: int):
        self._writer = writer
        self._rows = shard_samples
        self._filled = 0
        self._buffers = {
            name: np.empty((shard_samples, *field.shape), field.dtype)
            for name, field in fields.items()
        }

    def add(self, arrays: Mapping[str, npt.NDArray[Any]], variant: int) -> None:
        """Adds the rows of one batch; all of one variant before the next."""
        rows = len(next(iter(arrays.values())))
        start = 0
        while start < rows:
            count = min(rows - start, self._rows - self._filled)
            for name, buffer in self._buffers.items():
                buffer[self._filled : self._filled + count] = arrays[name][start : start + count]
            self._filled += count
            start += count
            if self._filled == self._rows:
                self.flush(variant)

    def flush(self, variant: int) -> None:
        """Writes the rows that no shard has yet: the last, smaller shard of a variant."""
        if self._filled:
            filled = {name: buffer[: self._filled] for name, buffer in self._buffers.items()}
            self._writer.write(filled, variant=variant)
            self._filled = 0
