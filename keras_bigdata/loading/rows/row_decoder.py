"""Decodes and pads the rows of a batch that were read: images become arrays, numbers are padded."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import BigDataError
from keras_bigdata.images.crops import Crop
from keras_bigdata.images.decode import DecodeError, decode_into, decode_part_into, decode_rows
from keras_bigdata.loading.rows.buffer_pool import BufferPool
from keras_bigdata.loading.rows.decode_options import DecodeOptions
from keras_bigdata.loading.rows.ragged_batch import pad_batch
from keras_bigdata.loading.rows.row_draws import row_draws
from keras_bigdata.loading.rows.row_reader import Batch, RawBatch
from keras_bigdata.loading.rows.unreadable_shard import UnreadableShardError
from keras_bigdata.loading.rows.varlen_rows import VarlenRows
from keras_bigdata.shards.fields.entries import FILE_CODEC, Field
from keras_bigdata.shards.fields.metadata_columns import FILE
from keras_bigdata.shards.index.shard_index import Int64Array, ShardIndex
from keras_bigdata.shards.reading.read_column import read_column


@dataclass(frozen=True, slots=True, eq=False)
class Occurrences:
    """How often the rows of a batch were served before, for random crops.

    Args:
        epochs: int64 array, the pass over the data of each row of a batch.
        counts: int64 array, how often each row was served before in the same pass.
    """

    epochs: Int64Array
    counts: Int64Array


class RowDecoder:
    """Decodes and pads the rows of batches. Thread-safe.

    Args:
        index: the shards.
        fields: name -> `Field` of the fields that are read.
        options: how rows become arrays.
        seed: seed of random crops.
        batch_size: number of rows in a full batch, for which memory is recycled.
        max_free_buffers: free blocks of memory of one size to keep.
    """

    def __init__(
        self,
        index: ShardIndex,
        fields: Mapping[str, Field],
        options: DecodeOptions,
        *,
        seed: int,
        batch_size: int,
        max_free_buffers: int,
    ) -> None:
        self._index = index
        self._options = options
        self._seed = seed
        self._batch_size = batch_size
        self._pool = BufferPool(max_free_buffers)
        self._first_rows = np.cumsum(index.samples) - index.samples
        # Whether there is anything to do.
        self.is_needed = any(field.is_varlen for field in fields.values())
        self.is_random = options.is_random

    def decode(
        self, batch: RawBatch, occurrences: Occurrences | None, lengths: Mapping[str, int]
    ) -> Batch:
        """Returns the arrays of a batch.

        Args:
            batch: the rows as they were read.
            occurrences: how often each row was served before; only used if `is_random`.
            lengths: field -> length that its rows are padded to at least.

        Raises:
            UnreadableShardError: if an image cannot be decoded.
        """
        return {
            name: self._decode(rows, occurrences, lengths.get(name, 0))
            if isinstance(rows, VarlenRows)
            else rows
            for name, rows in batch.items()
        }

    def _decode(
        self, rows: VarlenRows, occurrences: Occurrences | None, min_length: int
    ) -> npt.NDArray[Any]:
        field = rows.field
        if not field.is_encoded:
            return pad_batch(rows, self._options.pad_to, min_length)
        crop = self._options.crops.get(field.name)
        size = field.row_shape[:2] if crop is None else crop.size
        channels = field.shape[2]
        assert channels is not None
        capacity = max(self._batch_size, len(rows))
        shape = (*size, channels)
        out = self._pool.empty(len(rows), shape, field.dtype, capacity)
        draws = self._draws(rows, crop, occurrences)
        content = rows.memory.data
        is_plain = field.codec != FILE_CODEC
        starts, sizes = rows.starts.tolist(), rows.sizes.tolist()
        done = 0
        if field.codec == "jpeg" and crop is None:
            done = decode_rows(content, starts, sizes, out)
        for number in range(done, len(rows)):
            part = content[starts[number] : starts[number] + sizes[number]]
            try:
                if crop is None:
                    decode_into(part, out[number], is_plain=is_plain)
                else:
                    decode_part_into(part, out[number], crop, draws[number])
            except DecodeError as error:
                raise self._error(rows, number, error) from error
        return out

    def _draws(self, rows: VarlenRows, crop: Crop | None, occurrences: Occurrences | None) -> Any:
        if crop is None or not crop.draws:
            return [()] * len(rows)
        assert occurrences is not None
        numbers = self._first_rows[rows.shards] + rows.rows
        return row_draws(
            self._seed, occurrences.epochs, numbers, occurrences.counts, crop.draws
        ).tolist()

    def _error(self, rows: VarlenRows, number: int, error: DecodeError) -> UnreadableShardError:
        shard, row = int(rows.shards[number]), int(rows.rows[number])
        file = ""
        if FILE in self._index.columns:
            with contextlib.suppress(BigDataError, OSError):
                file = f", packed from {read_column(self._index, shard, FILE)[row]}"
        return UnreadableShardError(
            f"{self._index.path(shard)}: {rows.field.name!r} of row {row}{file}: {error}. Restore "
            "the shard, or pack the data again.",
            shard,
        )
