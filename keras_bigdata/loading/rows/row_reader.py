"""Reads rows of shards into batches: from open files into recycled memory, or from columns."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import CorruptShardError
from keras_bigdata.loading.rows.buffer_pool import BufferPool
from keras_bigdata.loading.rows.column_cache import ColumnCache
from keras_bigdata.loading.rows.open_files import OpenFiles
from keras_bigdata.loading.rows.unreadable_shard import shard_errors
from keras_bigdata.loading.rows.varlen_reader import VarlenReader
from keras_bigdata.shards.index.shard_index import DECODED, Field, Int64Array, ShardIndex
from keras_bigdata.shards.pickles import read_fields

# A field with smaller rows is read as whole columns, which are cached: reading one row from a file
# costs about 2 us whatever its size, a row of a column in memory about 0.1 us.
COLUMN_ROW_BYTES = 4096

# Maximum number of unneeded bytes between two rows that are read with them, because a second call
# costs more.
MAX_GAP_BYTES = 64 * 1024

# Rows of at least this size that lie next to each other, as those of a whole run do, are read from
# the file nevertheless: through a column they are copied three times, directly once.
DIRECT_ROW_BYTES = 512
_MIN_ROWS_PER_READ = 16

# Columns are concatenated, so that one call of NumPy gathers from all of them, if they have at most
# this many times the rows that are needed.
_MAX_JOINED_RATIO = 4

# Minimum size of the column cache, however small the window is.
COLUMN_CACHE_BYTES = 256 * 2**20

# Maximum length of a pause, in seconds.
_PAUSE_SECONDS = 0.02

Batch: TypeAlias = "dict[str, npt.NDArray[Any]]"

# A batch in which fields of varying size are `VarlenRows`, not arrays yet.
RawBatch: TypeAlias = "dict[str, Any]"


class RowReader:
    """Reads rows of shards into arrays.

    Thread-safe. Rows that are stored as raw bytes are read from the file into the batch with
    `preadv`, which, unlike a memory map, cannot crash the interpreter when a file shrinks.

    Args:
        index: the shards.
        fields: names of the fields to read.
        batch_size: number of rows in a full batch, for which memory is recycled.
        local: whether consecutive batches read the same few shards, so that it is faster to read
            whole columns of small rows. Defaults to `True`.
        cached_shards: number of shards whose columns must fit into the cache. Defaults to `16`.
        max_free_buffers: free blocks of memory of one size to keep. Defaults to `16`.
        column_cache_bytes: size of the column cache, unless the shards need more. Defaults to
            256 MiB.
        trust: whether pickles may be executed. Defaults to `False`.
        spans: two int64 arrays, the first row of each shard that is used and the row after the
            last one. Only this part of columns is read. Defaults to `None`: all rows.
    """

    def __init__(
        self,
        index: ShardIndex,
        fields: Sequence[str],
        batch_size: int,
        *,
        local: bool = True,
        cached_shards: int = 16,
        max_free_buffers: int = 16,
        column_cache_bytes: int = COLUMN_CACHE_BYTES,
        trust: bool = False,
        spans: tuple[Int64Array, Int64Array] | None = None,
    ) -> None:
        self.index = index
        self._firsts = None if spans is None else spans[0]
        self._sizes = index.samples if spans is None else spans[1] - spans[0]
        self.fields = {name: index.fields[name] for name in fields}
        equal = {name: field for name, field in self.fields.items() if not field.is_varlen}
        self._equal_fields = equal
        self.batch_size = batch_size
        self.trust = trust
        self._running = threading.Event()
        self._running.set()
        self._files = OpenFiles(index, self.fields, trust)
        self._some_decoded = {f for f in equal if (index.offsets[f] == DECODED).any()}
        self._pool = BufferPool(max_free_buffers)
        small = [f for f in equal.values() if f.row_bytes < COLUMN_ROW_BYTES]
        small_bytes = sum(f.row_bytes for f in small)
        shard_bytes = int(self._sizes.max(initial=0)) * sum(
            f.row_bytes for f in equal.values() if f in small or f.name in self._some_decoded
        )
        budget = max(column_cache_bytes, cached_shards * shard_bytes)
        self._columns = ColumnCache(budget)
        # Without locality a column would be read for a row or two, unless all columns fit.
        by_column = local or small_bytes * int(self._sizes.sum()) <= column_cache_bytes
        self._by_column = {f.name for f in small} if by_column else set()
        self._varlen = {
            name: VarlenReader(
                index,
                field,
                files=self._files,
                columns=self._columns,
                pool=self._pool,
                trust=trust,
                wait=lambda: self._running.wait(_PAUSE_SECONDS),
            )
            for name, field in self.fields.items()
            if field.is_varlen
        }

    @property
    def files(self) -> OpenFiles:
        """The open shards."""
        return self._files

    def pause(self) -> None:
        """Delays the next reads from files until `resume`, each by at most `_PAUSE_SECONDS`."""
        self._running.clear()

    def resume(self) -> None:
        """Ends a pause."""
        self._running.set()

    def read(self, shards: Int64Array, rows: Int64Array, cut: int | None = None) -> list[RawBatch]:
        """Reads rows in the given order, cut into batches.

        Batches that share files should be read together: rows that lie next to each other in a file
        are read by one call, whichever batch they belong to. Each call releases the GIL and must
        get it back from the training thread, so the number of calls counts more than their size.
        The same is true for calls of NumPy, which therefore work on all rows at once.

        Args:
            shards: int64 array, the shard of each row.
            rows: int64 array of equal length, the row in that shard.
            cut: number of rows in a batch. Defaults to `batch_size`.

        Returns:
            A list of dicts of arrays, one for every `cut` rows and one for the rest. The memory of
            an array is reused once nothing refers to the array, and never before. Fields of
            varying size are `VarlenRows`.

        Raises:
            UnreadableShardError: if a shard is missing, cut short or changed.
            TooManyOpenFilesError: if no file can be opened.
        """
        count = len(rows)
        cut = cut or self.batch_size
        # Runs of uneven shards can have any length. Their memory is rounded up to one of a few
        # sizes; otherwise it would never be reused.
        rounded = 1 << (count - 1).bit_length()
        capacity = cut if cut == self.batch_size else rounded
        starts = range(0, count, cut)
        batches: list[RawBatch] = [{} for _ in starts]
        stretches: _Stretches | None = None
        gather: _Gather | None = None
        outs: list[Any]
        for name, field in self.fields.items():
            by_column = name in self._by_column
            if by_column and field.row_bytes >= DIRECT_ROW_BYTES:
                stretches = stretches or _Stretches(shards, rows)
                by_column = stretches.has_short_reads
            if name in self._varlen:
                read = self._varlen[name].read(shards, rows)
                outs = [read.part(start, min(start + cut, count)) for start in starts]
            elif by_column or self._decoded(name, shards):
                # One array for all batches, and a view of it for each.
                whole = self._pool.empty(count, field.row_shape, field.dtype, rounded)
                gather = gather or self._make_gather(shards, rows)
                self._fill_from_columns(name, gather, whole)
                outs = [whole[start : start + cut] for start in starts]
            else:
                outs = [
                    self._pool.empty(
                        min(cut, count - start), field.row_shape, field.dtype, capacity
                    )
                    for start in starts
                ]
                if field.row_bytes:
                    stretches = stretches or _Stretches(shards, rows)
                    self._fill_from_files(field, stretches, outs)
            for batch, out in zip(batches, outs, strict=True):
                batch[name] = out
        return batches

    def read_into(self, shards: Int64Array, rows: Int64Array, outs: Sequence[Batch]) -> None:
        """Reads rows in the given order into arrays, as `read` into its own.

        Args:
            shards: int64 array, the shard of each row.
            rows: int64 array of equal length, the row in that shard.
            outs: dicts of C-contiguous arrays that have as many rows together: the first rows go to
                the first dict, and so on.
        """
        stretches: _Stretches | None = None
        gather: _Gather | None = None
        for name, field in self._equal_fields.items():
            arrays = [out[name] for out in outs]
            by_column = name in self._by_column
            if by_column and field.row_bytes >= DIRECT_ROW_BYTES:
                stretches = stretches or _Stretches(shards, rows)
                by_column = stretches.has_short_reads
            if by_column or self._decoded(name, shards):
                gather = gather or self._make_gather(shards, rows)
                whole = np.empty((len(rows), *field.row_shape), field.dtype)
                self._fill_from_columns(name, gather, whole)
                start = 0
                for array in arrays:
                    array[...] = whole[start : start + len(array)]
                    start += len(array)
            elif field.row_bytes:
                stretches = stretches or _Stretches(shards, rows)
                self._fill_from_files(field, stretches, arrays)

    def offsets(self, shard: int, name: str) -> Int64Array:
        """Returns the offsets of all rows of a field of varying size in one shard."""
        return self._varlen[name].offsets(shard)

    def column(self, shard: int, name: str) -> npt.NDArray[Any]:
        """Returns one field of one shard, from the first to the last row that is used."""
        if name in self._some_decoded and self.index.offsets[name][shard] == DECODED:
            return self._columns.get((shard, None), lambda: self._load_decoded(shard))[name]
        columns = self._columns.get((shard, name), lambda: {name: self._load_column(shard, name)})
        return columns[name]

    def _make_gather(self, shards: Int64Array, rows: Int64Array) -> _Gather:
        """Returns the positions of rows in columns, which hold only rows that are used."""
        places = rows if self._firsts is None else rows - self._firsts[shards]
        return _Gather(shards, places, self._sizes)

    def _decoded(self, name: str, shards: Int64Array) -> bool:
        return name in self._some_decoded and bool(
            (self.index.offsets[name][shards] == DECODED).any()
        )

    def _fill_from_columns(self, name: str, gather: _Gather, out: npt.NDArray[Any]) -> None:
        columns = [self.column(shard, name) for shard in gather.shards.tolist()]
        if gather.joined is not None:
            field = self.fields[name]
            count = int(gather.sizes.sum())
            joined = self._pool.empty(count, field.row_shape, field.dtype, 1 << count.bit_length())
            np.concatenate(columns, out=joined)
            np.take(joined, gather.joined, axis=0, out=out, mode="clip")
            return
        for column, (here, rows) in zip(columns, gather.parts, strict=True):
            out[here] = column[rows]

    def _fill_from_files(
        self, field: Field, stretches: _Stretches, outs: list[npt.NDArray[Any]]
    ) -> None:
        row_bytes = field.row_bytes
        order, gaps = stretches.order, stretches.gaps
        bases = np.array([out.__array_interface__["data"][0] for out in outs], np.int64)
        lengths = np.array([len(out) for out in outs], np.int64)
        # The address that row 0 would have if all rows were in the same array.
        bases -= (np.cumsum(lengths) - lengths) * row_bytes
        places = np.empty((len(order), 2), np.int64)
        places[:, 0] = np.repeat(bases, lengths)[order] + order * row_bytes
        places[:, 1] = row_bytes
        # Reading a few unneeded rows costs less than another call.
        bridged = (gaps >= 0) & (gaps <= MAX_GAP_BYTES // row_bytes)
        crossed = np.flatnonzero(bridged & (gaps > 0))
        if len(crossed):
            unneeded = np.empty(MAX_GAP_BYTES, np.uint8)
            gap_places = np.empty((len(crossed), 2), np.int64)
            gap_places[:, 0] = unneeded.ctypes.data
            gap_places[:, 1] = gaps[crossed] * row_bytes
            places = np.insert(places, crossed + 1, gap_places, axis=0)
        starts = np.flatnonzero(np.concatenate(([True], ~bridged)))
        # Where each stretch begins among the places, now that gaps were inserted.
        firsts = starts + np.searchsorted(crossed, starts)
        stops = np.append(firsts[1:], len(places)).tolist()
        shards = stretches.shards[starts]
        offsets = self.index.offsets[field.name][shards] + stretches.rows[starts] * row_bytes
        addresses = places.view(np.uint64)
        for shard, offset, first, stop in zip(
            shards.tolist(), offsets.tolist(), firsts.tolist(), stops, strict=True
        ):
            self._running.wait(_PAUSE_SECONDS)
            with shard_errors(shard):
                self._files.read_into(shard, addresses[first:stop], offset)

    def _first(self, shard: int) -> int:
        """Returns the first row of a shard that columns hold."""
        return 0 if self._firsts is None else int(self._firsts[shard])

    def _load_column(self, shard: int, name: str) -> npt.NDArray[Any]:
        with shard_errors(shard):
            return self._read_column(shard, name)

    def _read_column(self, shard: int, name: str) -> npt.NDArray[Any]:
        field = self.index.fields[name]
        offset = int(self.index.offsets[name][shard])
        if offset == DECODED:
            return self._decode(shard, [name])[name]
        offset += self._first(shard) * field.row_bytes
        column = np.empty((int(self._sizes[shard]), *field.row_shape), field.dtype)
        if column.nbytes:
            places = np.array([[column.ctypes.data, column.nbytes]], np.uint64)
            self._files.read_into(shard, places, offset)
        else:
            self._files.open(shard)
        return column

    def _load_decoded(self, shard: int) -> Batch:
        """Returns all fields that need decoding: a compressed shard is expanded once."""
        names = [f for f in self._some_decoded if self.index.offsets[f][shard] == DECODED]
        with shard_errors(shard):
            return self._decode(shard, names)

    def _decode(self, shard: int, names: Sequence[str]) -> Batch:
        found = self._files.decode(shard, lambda file: read_fields(file, names, trust=self.trust))
        columns = {}
        for name, array in found.items():
            field, samples = self.index.fields[name], int(self.index.samples[shard])
            if array.shape != (samples, *field.shape):
                raise CorruptShardError(
                    f"{self.index.path(shard)}: {name!r} has shape {array.shape}, expected "
                    f"{(samples, *field.shape)}: the shard was changed. Create the ShardSequence "
                    "again."
                )
            first, size = self._first(shard), int(self._sizes[shard])
            part = np.ascontiguousarray(array[first : first + size], dtype=field.dtype)
            # A view of a part would keep the whole column in memory.
            columns[name] = part.copy() if size < samples and part.base is not None else part
        return columns


class _Gather:
    """Positions of rows in whole columns: shard by shard, or in all columns concatenated."""

    def __init__(self, shards: Int64Array, rows: Int64Array, samples: Int64Array) -> None:
        self.shards = np.flatnonzero(np.bincount(shards))
        self.sizes = samples[self.shards]
        self.parts: list[tuple[Int64Array, Int64Array]] = []
        self.joined: Int64Array | None = None
        if int(self.sizes.sum()) <= _MAX_JOINED_RATIO * len(rows):
            firsts = np.cumsum(self.sizes) - self.sizes
            self.joined = firsts[np.searchsorted(self.shards, shards)] + rows
        else:
            for shard in self.shards.tolist():
                here = np.flatnonzero(shards == shard)
                self.parts.append((here, rows[here]))


class _Stretches:
    """Rows in the order in which they lie in the files."""

    def __init__(self, shards: Int64Array, rows: Int64Array) -> None:
        self.order = np.lexsort((rows, shards))
        self.shards = shards[self.order]
        self.rows = rows[self.order]
        # Number of rows between a row and the next one in the same shard; negative where the shard
        # changes, or a row occurs twice.
        self.gaps = np.where(np.diff(self.shards) == 0, np.diff(self.rows) - 1, -1)

    @property
    def has_short_reads(self) -> bool:
        """Whether there are few rows per read."""
        return bool(np.count_nonzero(self.gaps) * _MIN_ROWS_PER_READ > len(self.rows))
