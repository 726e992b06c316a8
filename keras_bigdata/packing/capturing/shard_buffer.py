"""Collects rows of batches of any size in memory and writes a shard when it is full."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from keras_bigdata.packing.samples.samples import Array
from keras_bigdata.shards.fields.entries import Field
from keras_bigdata.shards.fields.ragged import Ragged, join_ragged
from keras_bigdata.shards.writing.writer import ShardWriter


class ShardBuffer:
    """Rows that wait until a shard is full.

    Rows are copied when they are added: generators may refill their arrays.

    Args:
        writer: writes the shards.
        fields: name -> `Field` of the rows.
        shard_samples: rows per shard.
        ragged_bytes: rows of any length also fill a shard when their values have this size; `None`
            for no limit. Defaults to `None`.
    """

    def __init__(
        self,
        writer: ShardWriter,
        fields: Mapping[str, Field],
        shard_samples: int,
        ragged_bytes: int | None = None,
    ) -> None:
        self._writer = writer
        self._capacity = shard_samples
        self._ragged_capacity = ragged_bytes
        self._filled = 0
        self._names = list(fields)
        self._arrays = {
            name: np.empty((shard_samples, *field.row_shape), field.dtype)
            for name, field in fields.items()
            if not field.is_ragged
        }
        self._ragged: dict[str, list[Ragged]] = {
            name: [] for name, field in fields.items() if field.is_ragged
        }

    def add(self, arrays: Mapping[str, Array | Ragged], variant: int) -> None:
        """Adds the rows of one batch; all of one variant come before the next."""
        rows = len(next(iter(arrays.values())))
        start = 0
        while start < rows:
            stop = start + min(rows - start, self._capacity - self._filled)
            filled = self._filled + stop - start
            for name, added in arrays.items():
                if isinstance(added, Ragged):
                    self._ragged[name].append(added.take(range(start, stop)))
                else:
                    self._arrays[name][self._filled : filled] = added[start:stop]
            self._filled, start = filled, stop
            if self._filled == self._capacity or self._is_large():
                self.flush(variant)

    def flush(self, variant: int) -> None:
        """Writes the collected rows: the last, smaller shard of a variant."""
        if self._filled:
            filled: dict[str, Array | Ragged] = {
                name: array[: self._filled] for name, array in self._arrays.items()
            }
            filled |= {name: join_ragged(parts) for name, parts in self._ragged.items()}
            self._writer.write({name: filled[name] for name in self._names}, variant=variant)
            self._filled = 0
            for parts in self._ragged.values():
                parts.clear()

    def _is_large(self) -> bool:
        if self._ragged_capacity is None:
            return False
        size = sum(part.values.nbytes for parts in self._ragged.values() for part in parts)
        return size >= self._ragged_capacity
