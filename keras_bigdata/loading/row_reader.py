"""Rows -> batches: from open files, straight into recycled memory, or from cached columns."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.loading.buffer_pool import BufferPool
from keras_bigdata.loading.open_files import OpenFiles, TooManyOpenFilesError
from keras_bigdata.shards.index import DECODED, Field, Int64Array, ShardIndex
from keras_bigdata.shards.pickles import read_fields

# A field with smaller rows is read by whole columns, which are kept: one read of a row
# costs about 2 us whatever its size, a row of a column in memory some 0.1 us.
COLUMN_ROW_BYTES = 4096

# Unwanted bytes between two wanted rows that are read rather than left out by another call.
BRIDGED_BYTES = 64 * 1024

# Unless they are at least so big and lie one after the other, as those of a whole run do: a column
# is copied three times on its way, they only once.
DIRECT_ROW_BYTES = 512
_ROWS_OF_A_READ = 16

# Columns are joined, so that one call of NumPy gathers from them all, if they have no more rows
# than so many times what is wanted.
_JOINED_ROWS = 4

# Columns kept at least, whatever the window needs.
COLUMN_CACHE_BYTES = 256 * 2**20

# For so long at most, and then on.
_QUIET_SECONDS = 0.02

Arrays: TypeAlias = "dict[str, npt.NDArray[Any]]"


class UnreadableShardError(CorruptShardError):
    """A `CorruptShardError` that tells the number of the shard."""

    def __init__(self, message: str, shard: int) -> None:
        super().__init__(message, shard)
        self.shard = shard

    def __str__(self) -> str:
        return str(self.args[0])


@contextlib.contextmanager
def _naming(shard: int) -> Iterator[None]:
    """Whatever is wrong with a file that was fine when it was indexed, it is corrupt."""
    try:
        yield
    except (UnreadableShardError, TooManyOpenFilesError):
        raise
    except ShardError as error:
        raise UnreadableShardError(str(error), shard) from error


class Reader:
    """Reads rows of shards into arrays.

    Thread-safe. Rows that lie raw in a file are read straight into the batch with `preadv`,
    which, unlike a map, cannot crash the interpreter when a file shrinks.

    Args:
        index: the shards.
        fields: names of the fields to read.
        batch_size: rows of a full batch, for which recycled memory is laid out.
        local: whether nearby batches read the same few shards, so that whole columns of
            small rows pay. Defaults to `True`.
        cached_shards: shards whose columns have to fit into the cache. Defaults to `16`.
        trust: decode pickles that have to be run. Defaults to `False`.
    """

    def __init__(
        self,
        index: ShardIndex,
        fields: Sequence[str],
        batch_size: int,
        *,
        local: bool = True,
        cached_shards: int = 16,
        keep_buffers: int = 16,
        trust: bool = False,
    ) -> None:
        self.index = index
        self.fields = {name: index.fields[name] for name in fields}
        self.batch_size = batch_size
        self.trust = trust
        # Closed for a moment by who wants quiet; a read that has begun goes on.
        self.gate = threading.Event()
        self.gate.set()
        self._files = OpenFiles(index, self.fields, trust)
        self._some_decoded = {f for f in self.fields if (index.offsets[f] == DECODED).any()}
        self._pool = BufferPool(keep_buffers)
        small = [f for f in self.fields.values() if f.row_bytes < COLUMN_ROW_BYTES]
        small_bytes = sum(f.row_bytes for f in small)
        shard_bytes = int(index.samples.max(initial=0)) * sum(
            f.row_bytes for f in self.fields.values() if f in small or f.name in self._some_decoded
        )
        budget = max(COLUMN_CACHE_BYTES, cached_shards * shard_bytes)
        self._columns = Columns(budget)
        # Without locality a column is read for a row or two, unless all of them fit.
        by_column = local or small_bytes * int(index.samples.sum()) <= COLUMN_CACHE_BYTES
        self._by_column = {f.name for f in small} if by_column else set()

    def read(self, shards: Int64Array, rows: Int64Array, cut: int | None = None) -> list[Arrays]:
        """Some rows in their order, cut into batches.

        Batches that share files are best read together: rows that lie one after the other in a
        file are read by one call, wherever they go. A call gives up the GIL and has to get it
        back from the training thread, so their number counts more than their size; the same is
        true of calls of NumPy, which work on all rows at once for this reason.

        Args:
            shards: int64 array, the shard of each row.
            rows: int64 array of equal length, the row in that shard.
            cut: rows of a batch. Defaults to `batch_size`.

        Returns:
            For every `cut` rows, and for what is left, a dict of arrays with a row for
            each. They are not touched again by the reader as long as anything refers to them.

        Raises:
            UnreadableShardError: if a shard is missing, cut short or changed.
            TooManyOpenFilesError: if no file can be opened.
        """
        count = len(rows)
        cut = cut or self.batch_size
        # Runs of uneven shards are of any length: rounded up, their memory is of few sizes, or it
        # would never be used again.
        rounded = 1 << (count - 1).bit_length()
        most = cut if cut == self.batch_size else rounded
        starts = range(0, count, cut)
        batches: list[Arrays] = [{} for _ in starts]
        stretches: _Stretches | None = None
        gather: _Gather | None = None
        for name, field in self.fields.items():
            by_column = name in self._by_column
            if by_column and field.row_bytes >= DIRECT_ROW_BYTES:
                stretches = stretches or _Stretches(shards, rows)
                by_column = stretches.short
            if by_column or self._decoded(name, shards):
                # One array for all: a view of it for each batch.
                whole = self._pool.rows(count, field.shape, field.dtype, rounded)
                gather = gather or _Gather(shards, rows, self.index.samples)
                self._fill_from_columns(name, gather, whole)
                outs = [whole[start : start + cut] for start in starts]
            else:
                outs = [
                    self._pool.rows(min(cut, count - start), field.shape, field.dtype, most)
                    for start in starts
                ]
                if field.row_bytes:
                    stretches = stretches or _Stretches(shards, rows)
                    self._fill_from_files(field, stretches, outs, cut)
            for batch, out in zip(batches, outs, strict=True):
                batch[name] = out
        return batches

    def column(self, shard: int, name: str) -> npt.NDArray[Any]:
        """One field of one shard, whole."""
        if name in self._some_decoded and self.index.offsets[name][shard] == DECODED:
            return self._columns.get((shard, None), lambda: self._load_decoded(shard))[name]
        columns = self._columns.get((shard, name), lambda: {name: self._load_column(shard, name)})
        return columns[name]

    def _decoded(self, name: str, shards: Int64Array) -> bool:
        return name in self._some_decoded and bool(
            (self.index.offsets[name][shards] == DECODED).any()
        )

    def _fill_from_columns(self, name: str, gather: _Gather, out: npt.NDArray[Any]) -> None:
        columns = [self.column(shard, name) for shard in gather.shards.tolist()]
        if gather.joined is not None:
            field = self.fields[name]
            count = int(gather.sizes.sum())
            joined = self._pool.rows(count, field.shape, field.dtype, 1 << count.bit_length())
            np.concatenate(columns, out=joined)
            np.take(joined, gather.joined, axis=0, out=out, mode="clip")
            return
        for column, (here, rows) in zip(columns, gather.parts, strict=True):
            out[here] = column[rows]

    def _fill_from_files(
        self, field: Field, stretches: _Stretches, outs: list[npt.NDArray[Any]], cut: int
    ) -> None:
        row_bytes = field.row_bytes
        order, gaps = stretches.order, stretches.gaps
        bases = np.array([out.__array_interface__["data"][0] for out in outs], np.int64)
        places = np.empty((len(order), 2), np.int64)
        places[:, 0] = bases[order // cut] + order % cut * row_bytes
        places[:, 1] = row_bytes
        # A few rows that nobody wants cost less than another call.
        bridged = (gaps >= 0) & (gaps <= BRIDGED_BYTES // row_bytes)
        crossed = np.flatnonzero(bridged & (gaps > 0))
        if len(crossed):
            unwanted = np.empty(BRIDGED_BYTES, np.uint8)
            nowhere = np.empty((len(crossed), 2), np.int64)
            nowhere[:, 0] = unwanted.ctypes.data
            nowhere[:, 1] = gaps[crossed] * row_bytes
            places = np.insert(places, crossed + 1, nowhere, axis=0)
        starts = np.flatnonzero(np.concatenate(([True], ~bridged)))
        # Where each stretch begins among the places, which the gaps have moved.
        firsts = starts + np.searchsorted(crossed, starts)
        stops = np.append(firsts[1:], len(places)).tolist()
        shards = stretches.shards[starts]
        offsets = self.index.offsets[field.name][shards] + stretches.rows[starts] * row_bytes
        addresses = places.view(np.uint64)
        for shard, offset, first, stop in zip(
            shards.tolist(), offsets.tolist(), firsts.tolist(), stops, strict=True
        ):
            self.gate.wait(_QUIET_SECONDS)
            with _naming(shard):
                self._files.read_into(shard, addresses[first:stop], offset)

    def _load_column(self, shard: int, name: str) -> npt.NDArray[Any]:
        with _naming(shard):
            return self._column_of(shard, name)

    def _column_of(self, shard: int, name: str) -> npt.NDArray[Any]:
        field = self.index.fields[name]
        samples = int(self.index.samples[shard])
        offset = int(self.index.offsets[name][shard])
        if offset == DECODED:
            return self._decode(shard, [name])[name]
        column = np.empty((samples, *field.shape), field.dtype)
        if column.nbytes:
            places = np.array([[column.ctypes.data, column.nbytes]], np.uint64)
            self._files.read_into(shard, places, offset)
        else:
            self._files.open(shard)
        return column

    def _load_decoded(self, shard: int) -> Arrays:
        """All fields that a shard must be decoded for: a compressed one is expanded once."""
        names = [f for f in self._some_decoded if self.index.offsets[f][shard] == DECODED]
        with _naming(shard):
            return self._decode(shard, names)

    def _decode(self, shard: int, names: Sequence[str]) -> Arrays:
        found = self._files.read_anew(
            shard, lambda: read_fields(self.index.path(shard), names, trust=self.trust)
        )
        columns = {}
        for name, array in found.items():
            field, samples = self.index.fields[name], int(self.index.samples[shard])
            if array.shape != (samples, *field.shape):
                raise CorruptShardError(
                    f"{self.index.path(shard)}: {name!r} has shape {array.shape}, expected "
                    f"{(samples, *field.shape)}: it was changed. Make the ShardSequence again."
                )
            columns[name] = np.ascontiguousarray(array, dtype=field.dtype)
        return columns


class _Gather:
    """Rows as they are found in whole columns: shard by shard, or in all of them joined."""

    def __init__(self, shards: Int64Array, rows: Int64Array, samples: Int64Array) -> None:
        self.shards = np.flatnonzero(np.bincount(shards))
        self.sizes = samples[self.shards]
        self.parts: list[tuple[Int64Array, Int64Array]] = []
        self.joined: Int64Array | None = None
        if int(self.sizes.sum()) <= _JOINED_ROWS * len(rows):
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
        # Rows between one and the next in the same shard; negative where the shard changes, or a
        # row comes twice.
        self.gaps = np.where(np.diff(self.shards) == 0, np.diff(self.rows) - 1, -1)

    @property
    def short(self) -> bool:
        """Whether there are few rows to a read."""
        return bool(np.count_nonzero(self.gaps) * _ROWS_OF_A_READ > len(self.rows))


Key: TypeAlias = "tuple[int, str | None]"
Entry: TypeAlias = "dict[str, npt.NDArray[Any]]"


class Columns:
    """Least recently used columns, bounded in bytes; each is loaded by one thread only.

    An entry is a column of a shard, or all that a shard is decoded to.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[Key, Future[Entry]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key, load: Callable[[], Entry]) -> Entry:
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
                mine = False
            else:
                entry = self._entries[key] = Future()
                mine = True
        if not mine:
            return entry.result()
        try:
            columns = load()
        except BaseException as error:
            with self._lock:
                self._entries.pop(key, None)
            entry.set_exception(error)
            raise
        entry.set_result(columns)
        with self._lock:
            self._bytes += _size(columns)
            while self._bytes > self._max_bytes and len(self._entries) > 1:
                oldest = next(iter(self._entries))
                if not self._entries[oldest].done():
                    break
                self._bytes -= _size(self._entries.pop(oldest).result())
        return columns


def _size(entry: Entry) -> int:
    return sum(column.nbytes for column in entry.values())
