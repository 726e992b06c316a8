"""Rows -> arrays. The one place where training touches the files."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import CorruptShardError
from keras_bigdata.loading.buffers import BufferPool
from keras_bigdata.loading.scatter import Places, read_into
from keras_bigdata.shards.index import DECODED, Field, Int64Array, ShardIndex
from keras_bigdata.shards.pickles import StoredArray, read_array, walk
from keras_bigdata.shards.scan import layout

# A field with smaller rows is read by whole columns, which are kept: one read of a row
# costs about 2 us whatever its size, a row of a column in memory some 0.1 us.
COLUMN_ROW_BYTES = 4096

# Unwanted bytes between two wanted rows that are read rather than left out by another call.
BRIDGED_BYTES = 64 * 1024

# Columns kept at least, whatever the window needs.
COLUMN_CACHE_BYTES = 256 * 2**20


Arrays: TypeAlias = "dict[str, npt.NDArray[Any]]"


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
        self._files = _Files(index, self.fields, trust)
        self._pool = BufferPool(keep_buffers)
        small = [f for f in self.fields.values() if f.row_bytes < COLUMN_ROW_BYTES]
        small_bytes = sum(f.row_bytes for f in small)
        shard_bytes = int(index.samples.max(initial=0)) * sum(
            f.row_bytes
            for f in self.fields.values()
            if f in small or (index.offsets[f.name] == DECODED).any()
        )
        budget = max(COLUMN_CACHE_BYTES, cached_shards * shard_bytes)
        self._columns = _Columns(budget)
        # Without locality a column is read for a row or two, unless all of them fit.
        by_column = local or small_bytes * int(index.samples.sum()) <= COLUMN_CACHE_BYTES
        self._by_column = {f.name for f in small} if by_column else set()

    def read(self, wanted: Sequence[tuple[Int64Array, Int64Array]]) -> list[Arrays]:
        """The rows of some batches, in their order.

        Batches that share files are best read together: rows that lie one after the other in a
        file are read by one call, wherever they go. A call gives up the GIL and has to get it
        back from the training thread, so their number counts more than their size.

        Args:
            wanted: for each batch, the shard of each row, and the row in that shard.

        Returns:
            For each batch a dict of arrays with a row for each. They are not touched again by the
            reader as long as anything refers to them.

        Raises:
            CorruptShardError: if a shard is missing, cut short or changed.
        """
        sizes = [len(rows) for _, rows in wanted]
        ends = np.cumsum(sizes).tolist()
        shards = np.concatenate([shards for shards, _ in wanted])
        rows = np.concatenate([rows for _, rows in wanted])
        batches: list[Arrays] = [{} for _ in wanted]
        for name, field in self.fields.items():
            if name in self._by_column or (self.index.offsets[name][shards] == DECODED).any():
                # One array for all: a view of it for each batch. Runs of uneven shards are of any
                # length; rounded up, their memory is of few sizes, or it would never be used again.
                most = 1 << (len(rows) - 1).bit_length()
                whole = self._pool.rows(len(rows), field.shape, field.dtype, most)
                self._fill_from_columns(name, shards, rows, whole)
                outs = [whole[end - size : end] for size, end in zip(sizes, ends, strict=True)]
            else:
                outs = [
                    self._pool.rows(size, field.shape, field.dtype, self.batch_size)
                    for size in sizes
                ]
                if field.row_bytes:
                    self._fill_from_files(field, shards, rows, outs)
            for batch, out in zip(batches, outs, strict=True):
                batch[name] = out
        return batches

    def column(self, shard: int, name: str) -> npt.NDArray[Any]:
        """One field of one shard, whole."""
        return self._columns.get((shard, name), lambda: self._load_column(shard, name))

    def _fill_from_columns(
        self, name: str, shards: Int64Array, rows: Int64Array, out: npt.NDArray[Any]
    ) -> None:
        for shard in np.unique(shards).tolist():
            here = np.flatnonzero(shards == shard)
            out[here] = self.column(shard, name)[rows[here]]

    def _fill_from_files(
        self, field: Field, shards: Int64Array, rows: Int64Array, outs: list[npt.NDArray[Any]]
    ) -> None:
        row_bytes = field.row_bytes
        addresses = np.concatenate(
            [out.ctypes.data + np.arange(len(out), dtype=np.int64) * row_bytes for out in outs]
        )
        # The order in the files.
        order = np.lexsort((rows, shards))
        shards, rows, addresses = shards[order], rows[order], addresses[order]
        gaps = np.diff(rows) - 1
        # A few rows that nobody wants cost less than another call.
        bridged = (gaps >= 0) & (gaps * row_bytes <= BRIDGED_BYTES) & (np.diff(shards) == 0)
        places = np.stack((addresses, np.full(len(rows), row_bytes)), axis=1)
        crossed = np.flatnonzero(bridged & (gaps > 0))
        unwanted = np.empty(BRIDGED_BYTES if len(crossed) else 0, np.uint8)
        nowhere = [(unwanted.ctypes.data, gap * row_bytes) for gap in gaps[crossed].tolist()]
        if nowhere:
            places = np.insert(places, crossed + 1, nowhere, axis=0)
        starts = np.flatnonzero(np.concatenate(([True], ~bridged)))
        # Where each stretch begins among the places, which the gaps have moved.
        firsts = starts + np.searchsorted(crossed, starts)
        stops = np.append(firsts[1:], len(places)).tolist()
        offsets = self.index.offsets[field.name][shards[starts]] + rows[starts] * row_bytes
        places = places.astype(np.uint64)
        for shard, offset, first, stop in zip(
            shards[starts].tolist(), offsets.tolist(), firsts.tolist(), stops, strict=True
        ):
            self._files.open(shard).read_into(places[first:stop], offset)

    def _load_column(self, shard: int, name: str) -> npt.NDArray[Any]:
        field = self.index.fields[name]
        samples = int(self.index.samples[shard])
        file = self._files.open(shard)
        offset = int(self.index.offsets[name][shard])
        if offset == DECODED:
            found = walk(self.index.path(shard), trust=self.trust).fields[name]
            if isinstance(found, StoredArray):
                found = read_array(self.index.path(shard), found)
            return np.ascontiguousarray(found, dtype=field.dtype)
        column = np.empty((samples, *field.shape), field.dtype)
        if column.nbytes:
            places = np.array([[column.ctypes.data, column.nbytes]], np.uint64)
            file.read_into(places, offset)
        return column


class _File:
    """An open shard. Closed when nothing refers to it, so never under a reading thread."""

    __slots__ = ("fd", "path")

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self.fd = fd

    def __del__(self) -> None:
        os.close(self.fd)

    def read_into(self, places: Places, offset: int) -> None:
        """Fills the places, one after the other, from the file at `offset`."""
        size = int(places[:, 1].sum())
        try:
            count = read_into(self.fd, places, offset)
        except OSError as error:
            raise CorruptShardError(
                f"{self.path}: cannot be read at byte {offset} ({error})."
            ) from error
        if count < size:
            raise CorruptShardError(
                f"{self.path}: ends at byte {offset + count}, expected {size} bytes at {offset}: "
                "it was cut short while it was being read. Restore the file."
            )


class _Files:
    """Open shards, a bounded number of them, each checked against the index when opened."""

    def __init__(self, index: ShardIndex, fields: Mapping[str, Field], trust: bool) -> None:
        self._index = index
        self._fields = fields
        self._trust = trust
        self._open: OrderedDict[int, _File] = OrderedDict()
        self._stamps = np.zeros(len(index), np.int64) if index.stamps is None else index.stamps
        self._lock = threading.Lock()
        # A quarter of what the process may open: the user needs some too.
        self._most = max(8, min(512, _open_files_allowed() // 4))

    def open(self, shard: int) -> _File:
        with self._lock:
            file = self._open.get(shard)
            if file is not None:
                self._open.move_to_end(shard)
                return file
        file = self._checked(shard)
        with self._lock:
            self._open[shard] = file
            if len(self._open) > self._most:
                self._open.popitem(last=False)
        return file

    def _checked(self, shard: int) -> _File:
        path = str(self._index.path(shard))
        try:
            file = _File(path, os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)))
            stat = os.fstat(file.fd)
        except OSError as error:
            raise CorruptShardError(
                f"{path}: the shard cannot be opened ({error.strerror}). Restore it, or pack the "
                "data again."
            ) from error
        expected = int(self._index.sizes[shard])
        if stat.st_size != expected:
            raise CorruptShardError(
                f"{path}: the shard has {stat.st_size} bytes, expected {expected}: it was cut "
                "short or replaced since it was indexed. Restore it, or pack the data again."
            )
        stamp = int(self._stamps[shard])
        if stamp and stamp != stat.st_mtime_ns:
            raise CorruptShardError(
                f"{path}: the shard was changed since it was opened (modified at "
                f"{stat.st_mtime_ns} ns, expected {stamp}). Make the ShardSequence again."
            )
        if not stamp:
            self._compare(shard, path)
            self._stamps[shard] = stat.st_mtime_ns
        return file

    def _compare(self, shard: int, path: str) -> None:
        """The index was written elsewhere and before: does the file still say the same?"""
        arrays = layout(path, self._trust).arrays
        for name, field in self._fields.items():
            expected = (
                field.dtype,
                (int(self._index.samples[shard]), *field.shape),
                int(self._index.offsets[name][shard]),
            )
            if arrays.get(name) != expected:
                raise CorruptShardError(
                    f"{path}: holds {name!r} as (dtype, shape, byte offset) {arrays.get(name)}, "
                    f"expected {expected} from the index. Restore the file, or pack the data again."
                )


def _open_files_allowed() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 512
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class _Columns:
    """Least recently used columns, bounded in bytes; each is loaded by one thread only."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[tuple[int, str], Future[npt.NDArray[Any]]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[int, str], load: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
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
            column = load()
        except BaseException as error:
            with self._lock:
                self._entries.pop(key, None)
            entry.set_exception(error)
            raise
        entry.set_result(column)
        with self._lock:
            self._bytes += column.nbytes
            while self._bytes > self._max_bytes and len(self._entries) > 1:
                oldest = next(iter(self._entries))
                if not self._entries[oldest].done():
                    break
                self._bytes -= self._entries.pop(oldest).result().nbytes
        return column
