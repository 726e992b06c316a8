"""Reads rows of varying size: exactly the bytes of the requested rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import CorruptShardError
from keras_bigdata.loading.rows.buffer_pool import BufferPool
from keras_bigdata.loading.rows.column_cache import ColumnCache
from keras_bigdata.loading.rows.open_files import OpenFiles
from keras_bigdata.loading.rows.unreadable_shard import shard_errors
from keras_bigdata.loading.rows.varlen_rows import VarlenRows
from keras_bigdata.shards.fields.varlen import check_offsets
from keras_bigdata.shards.index.shard_index import DECODED, Field, Int64Array, ShardIndex
from keras_bigdata.shards.reading.read_column import decode_parts

Array = npt.NDArray[Any]

# Maximum number of bytes between two rows that are read with them: about as many as are read in the
# time of another call.
_MAX_GAP_BYTES = 4096

# Memory is taken in one of eight sizes between two powers of two, so that it can be used again for
# the next rows, which need about as much.
_SIZE_STEPS = 8


class VarlenReader:
    """Reads rows of one field of varying size.

    Args:
        index: the shards.
        field: the field.
        files: the open shards.
        columns: caches the offsets of the rows of a shard: 8 bytes per row.
        pool: memory for the values.
        trust: whether pickles may be executed.
        wait: called before each read, which it may delay.
    """

    def __init__(
        self,
        index: ShardIndex,
        field: Field,
        *,
        files: OpenFiles,
        columns: ColumnCache,
        pool: BufferPool,
        trust: bool,
        wait: Callable[[], Any],
    ) -> None:
        self._index = index
        self._field = field
        self._files = files
        self._columns = columns
        self._pool = pool
        self._trust = trust
        self._wait = wait
        self._value_bytes = field.value_dtype.itemsize * int(np.prod(field.value_shape, dtype=int))

    def read(self, shards: Int64Array, rows: Int64Array) -> VarlenRows:
        """Reads rows in the given order.

        Args:
            shards: int64 array, the shard of each row.
            rows: int64 array of equal length, the row in that shard.
        """
        order = np.lexsort((rows, shards))
        of_shard, of_row = shards[order], rows[order]
        begins, ends = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
        firsts = np.flatnonzero(np.diff(of_shard, prepend=-1))
        stops = np.append(firsts[1:], len(order))
        for first, stop in zip(firsts.tolist(), stops.tolist(), strict=True):
            offsets = self.offsets(int(of_shard[first]))
            begins[first:stop] = offsets[of_row[first:stop]]
            ends[first:stop] = offsets[of_row[first:stop] + 1]
        begins *= self._value_bytes
        ends *= self._value_bytes
        # A row that is requested twice is read once.
        is_repeated = np.zeros(len(order), bool)
        is_repeated[1:] = (np.diff(of_shard) == 0) & (np.diff(of_row) == 0)
        gaps = begins[1:] - ends[:-1]
        is_start = np.ones(len(order), bool)
        is_start[1:] = (np.diff(of_shard) != 0) | (gaps > _MAX_GAP_BYTES)
        is_start &= ~is_repeated
        starts = np.flatnonzero(is_start)
        stretch = np.cumsum(is_start) - 1
        lasts = np.append(starts[1:], len(order)) - 1
        sizes = ends[lasts] - begins[starts]
        # Each stretch begins at a multiple of the size of a value.
        bases = np.cumsum(sizes) - sizes
        total = int(sizes.sum())
        memory = self._take(total)
        for shard, begin, base, size in zip(
            of_shard[starts].tolist(),
            begins[starts].tolist(),
            bases.tolist(),
            sizes.tolist(),
            strict=True,
        ):
            if size:
                with shard_errors(shard):
                    self._fill(shard, begin, memory[base : base + size])
        placed, lengths = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
        placed[order] = bases[stretch] + begins - begins[starts][stretch]
        lengths[order] = ends - begins
        return VarlenRows(self._field, memory, placed, lengths, shards, rows)

    def offsets(self, shard: int) -> Int64Array:
        """Returns the offsets of all rows of a shard, which divide its values."""
        with shard_errors(shard):
            if self._is_decoded(shard):
                return self._decoded(shard)["offsets"]
            key = (shard, f"{self._field.name}\0offsets")
            return self._columns.get(key, lambda: {"offsets": self._load_offsets(shard)})["offsets"]

    def _take(self, nbytes: int) -> npt.NDArray[np.uint8]:
        step = max(1, (1 << max(nbytes - 1, 1).bit_length()) // (2 * _SIZE_STEPS))
        rounded = max(-(-nbytes // step) * step, 1)
        # A multiple of the size of any value.
        multiple = max(1, self._value_bytes)
        memory, _ = self._pool.take(-(-rounded // multiple) * multiple)
        return memory

    def _fill(self, shard: int, begin: int, out: npt.NDArray[np.uint8]) -> None:
        self._wait()
        if self._is_decoded(shard):
            values = self._decoded(shard)["values"]
            out[...] = values.reshape(-1).view(np.uint8)[begin : begin + len(out)]
            return
        places = np.array([[out.ctypes.data, out.nbytes]], np.uint64)
        offset = int(self._index.offsets[self._field.name][shard])
        self._files.read_into(shard, places, offset + begin)

    def _is_decoded(self, shard: int) -> bool:
        name = self._field.name
        return DECODED in (self._index.offsets[name][shard], self._index.row_offsets[name][shard])

    def _decoded(self, shard: int) -> dict[str, Array]:
        """Returns values and offsets of a shard in which they do not lie as raw arrays."""

        def load() -> dict[str, Array]:
            values, offsets = self._files.decode(
                shard,
                lambda file: decode_parts(self._index, shard, self._field.name, file, self._trust),
            )
            return {"values": values, "offsets": offsets}

        return self._columns.get((shard, f"{self._field.name}\0varlen"), load)

    def _load_offsets(self, shard: int) -> Int64Array:
        name, rows = self._field.name, int(self._index.samples[shard])
        offsets = np.empty(rows + 1, np.int64)
        places = np.array([[offsets.ctypes.data, offsets.nbytes]], np.uint64)
        self._files.read_into(shard, places, int(self._index.row_offsets[name][shard]))
        where = f"{self._index.path(shard)}: the field {name!r}"
        # The size of the file bounds what is read.
        start, size = int(self._index.offsets[name][shard]), int(offsets[-1])
        if not 0 <= size <= (int(self._index.sizes[shard]) - start) // max(self._value_bytes, 1):
            raise CorruptShardError(
                f"{where}: the offsets end at {size:,} values, which the file does not hold. "
                "Restore the file, or write it again."
            )
        check_offsets(offsets, rows, size, where)
        return offsets
