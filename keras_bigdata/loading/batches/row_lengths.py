"""The lengths of rows of any length, from their offsets: the rows themselves are not read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_bigdata.loading.batches.corrupt_shards import CorruptShards
from keras_bigdata.loading.rows.row_reader import RowReader
from keras_bigdata.loading.rows.unreadable_shard import UnreadableShardError, shard_errors
from keras_bigdata.shards.index.shard_index import Int64Array
from keras_bigdata.shards.reading.read_ahead import map_ahead
from keras_bigdata.shards.reading.read_column import is_decoded, read_offsets


def lengths_of_rows(
    reader: RowReader, name: str, shards: Int64Array, rows: Int64Array
) -> Int64Array:
    """Returns the lengths of rows of a field of rows of any length.

    Args:
        reader: reads the offsets of a shard, which it keeps.
        name: name of the field.
        shards: int64 array, the shard of each row.
        rows: int64 array of equal length, the row in that shard.
    """
    lengths = np.empty(len(rows), np.int64)
    for shard in np.flatnonzero(np.bincount(shards)).tolist():
        here = shards == shard
        lengths[here] = np.diff(reader.offsets(shard, name))[rows[here]]
    return lengths


def longest_rows(
    reader: RowReader, names: Sequence[str], shards: Int64Array, corrupt: CorruptShards | None
) -> dict[str, int]:
    """Returns the length of the longest row of each field of rows of any length.

    Args:
        reader: reads the offsets of shards of this machine.
        names: names of the fields.
        shards: the shards that are used.
        corrupt: records shards that cannot be read; `None` to raise an error.

    Raises:
        UnreadableShardError: if a shard cannot be read.
    """

    def longest_of(shard: int) -> list[int]:
        try:
            offsets = [_all_offsets(reader, shard, name) for name in names]
        except UnreadableShardError as error:
            if corrupt is None:
                raise
            corrupt.add(error.shard, str(error))
            return [0] * len(names)
        return [int(np.diff(each).max(initial=0)) for each in offsets]

    found = list(map_ahead(longest_of, shards.tolist(), reader.index, ()))
    lengths = np.array(found, np.int64)
    return dict(zip(names, lengths.max(axis=0, initial=0).tolist(), strict=True))


def _all_offsets(reader: RowReader, shard: int, name: str) -> Int64Array:
    """Returns the offsets of the rows of a shard. From a remote shard only they are requested."""
    index = reader.index
    if isinstance(index.directory, Path) or is_decoded(index, shard, name):
        return reader.offsets(shard, name)
    with shard_errors(shard):
        return read_offsets(index, shard, name)
