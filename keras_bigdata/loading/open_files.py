"""The shards that are open. The one place where training touches the files."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping

import numpy as np

from keras_bigdata.errors import CorruptShardError
from keras_bigdata.loading.scatter import Places, read_into
from keras_bigdata.shards.index import Field, ShardIndex
from keras_bigdata.shards.scan import layout


class OpenFile:
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


class OpenFiles:
    """Open shards, a bounded number of them, each checked against the index when opened."""

    def __init__(self, index: ShardIndex, fields: Mapping[str, Field], trust: bool) -> None:
        self._index = index
        self._fields = fields
        self._trust = trust
        self._open: OrderedDict[int, OpenFile] = OrderedDict()
        self._stamps = np.zeros(len(index), np.int64) if index.stamps is None else index.stamps
        self._lock = threading.Lock()
        # A quarter of what the process may open: the user needs some too.
        self._most = max(8, min(512, _open_files_allowed() // 4))

    def open(self, shard: int) -> OpenFile:
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

    def _checked(self, shard: int) -> OpenFile:
        path = str(self._index.path(shard))
        try:
            file = OpenFile(path, os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)))
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
