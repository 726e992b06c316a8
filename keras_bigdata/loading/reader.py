"""Rows -> arrays. The one place where training touches the files."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import CorruptShardError
from keras_bigdata.loading.buffers import BufferPool
from keras_bigdata.shards.index import DECODED, Field, Int64Array, ShardIndex
from keras_bigdata.shards.pickles import StoredArray, read_array, walk
from keras_bigdata.shards.scan import layout

# A field with smaller rows is read by whole columns, which are kept: one read of a row
# costs about 2 us whatever its size, a row of a column in memory some 0.1 us.
COLUMN_ROW_BYTES = 4096

# Columns kept at least, whatever the window needs.
COLUMN_CACHE_BYTES = 256 * 2**20


class Reader:
    """Reads rows of shards into arrays.

    Thread-safe. Rows that lie raw in a file are read straight into the batch with
    `os.preadv`, which, unlike a map, cannot crash the interpreter when a file shrinks.

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

    def read(self, shards: Int64Array, rows: Int64Array) -> dict[str, npt.NDArray[Any]]:
        """The rows named, in their order.

        Args:
            shards: the shard of each row.
            rows: the row in that shard.

        Returns:
            A dict of arrays with `len(rows)` rows. They are not touched again by the reader
            as long as anything refers to them.

        Raises:
            CorruptShardError: if a shard is missing, cut short or changed.
        """
        runs = _runs(shards, rows)
        batch = {}
        for name, field in self.fields.items():
            out = self._pool.rows(len(rows), field.shape, field.dtype, self.batch_size)
            decoded = self.index.offsets[name]
            if name in self._by_column:
                self._fill_from_columns(name, shards, rows, out)
            elif field.row_bytes:
                raw = decoded[shards] != DECODED
                if raw.all():
                    self._fill_from_files(field, runs, out)
                else:
                    self._fill_from_columns(name, shards, rows, out)
            batch[name] = out
        return batch

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
        self, field: Field, runs: tuple[list[int], ...], out: npt.NDArray[Any]
    ) -> None:
        row_bytes = field.row_bytes
        offsets = self.index.offsets[field.name]
        target = out.reshape(-1).view(np.uint8).data
        files = {shard: self._files.open(shard) for shard in set(runs[1])}
        starts = {shard: int(offsets[shard]) for shard in files}
        for position, shard, row, count in zip(*runs, strict=True):
            files[shard].read_into(
                target[position * row_bytes : (position + count) * row_bytes],
                starts[shard] + row * row_bytes,
            )

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
            file.read_into(column.reshape(-1).view(np.uint8).data, offset)
        return column


def _runs(shards: Int64Array, rows: Int64Array) -> tuple[list[int], ...]:
    """Rows that lie one after the other and are wanted so: (position, shard, row, count)."""
    breaks = np.flatnonzero((np.diff(rows) != 1) | (np.diff(shards) != 0)) + 1
    starts = np.concatenate(([0], breaks))
    counts = np.diff(np.concatenate((starts, [len(rows)])))
    return starts.tolist(), shards[starts].tolist(), rows[starts].tolist(), counts.tolist()


class _File:
    """An open shard. Closed when nothing refers to it, so never under a reading thread."""

    __slots__ = ("_fd", "_lock", "path")

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self._fd = fd
        self._lock = threading.Lock()

    def __del__(self) -> None:
        os.close(self._fd)

    def read_into(self, target: memoryview, offset: int) -> None:
        """Fills `target` from the file at `offset`."""
        done = 0
        while done < len(target):
            try:
                count = self._read(target[done:] if done else target, offset + done)
            except OSError as error:
                raise CorruptShardError(
                    f"{self.path}: cannot be read at byte {offset + done} ({error})."
                ) from error
            if not count:
                raise CorruptShardError(
                    f"{self.path}: ends at byte {offset + done}, expected {len(target)} bytes at "
                    f"{offset}: it was cut short while it was being read. Restore the file."
                )
            done += count

    def _read(self, target: memoryview, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._fd, [target], offset)
        with self._lock:  # no preadv: Windows
            os.lseek(self._fd, offset, os.SEEK_SET)
            data = os.read(self._fd, len(target))
        target[: len(data)] = data
        return len(data)


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
            stat = os.fstat(file._fd)
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
