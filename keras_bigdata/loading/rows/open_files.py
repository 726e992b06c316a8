"""The open shards: the only module through which training reads files.

All reading goes through two functions of this module, looked up at each call: `open_to_read(path)`
returns a descriptor, and `read_into(fd, places, offset)` reads from it. Replace them to test how
training behaves on a slow or failing disk. (Compressed and text-encoded shards are opened and
checked here too, and then decoded by `shards.pickles`.)
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from keras_bigdata.errors import CorruptShardError
from keras_bigdata.file_descriptors import (
    max_open_files,
    register,
    retry_if_stale,
    retry_when_out_of_files,
)
from keras_bigdata.loading.fetching.planned_fetch import PlannedFetch
from keras_bigdata.loading.rows.copy_into import copy_into
from keras_bigdata.loading.rows.preadv import Places, read_into
from keras_bigdata.shards.index.shard_index import Field, ShardIndex
from keras_bigdata.shards.opening.layout import find_difference, read_layout
from keras_bigdata.storage.cache.open_copy import OpenCopy
from keras_bigdata.storage.copies.memory import Memory
from keras_bigdata.storage.paths.remote_path import RemotePath

_T = TypeVar("_T")

# After a read, an open file is compared with the index again if the last comparison was at least
# this many seconds ago. The comparison costs 1 us, a third of the smallest read.
RECHECK_SECONDS = 0.1


def open_to_read(path: str) -> int:
    """Opens a file for reading and returns its descriptor."""
    return os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))


class OpenFile:
    """An open shard. It is closed when nothing refers to it, so never while a thread reads it."""

    __slots__ = ("checked", "content", "fd", "path")

    def __init__(self, path: str, content: int | OpenCopy) -> None:
        self.path = path
        self.content = content
        self.fd = content.descriptor if isinstance(content, OpenCopy) else content
        self.checked = time.monotonic()

    @property
    def source(self) -> str | OpenCopy:
        """The path or the copy from which the arrays of the shard are read."""
        return self.content if isinstance(self.content, OpenCopy) else self.path

    @property
    def memory(self) -> Memory | None:
        """The content, if it lies in memory."""
        return self.content.memory if isinstance(self.content, OpenCopy) else None

    @property
    def size_and_time(self) -> tuple[int, int]:
        """Size in bytes, and modification time in ns, 0 for the copy of a remote shard."""
        if isinstance(self.content, OpenCopy):
            return self.content.size, 0
        stat = os.fstat(self.fd)
        return stat.st_size, stat.st_mtime_ns

    def read_into(self, places: Places, offset: int) -> int:
        """Fills places in memory, as `preadv.read_into`."""
        memory = self.memory
        if memory is not None:
            return copy_into(memory, places, offset)
        return read_into(self.fd, places, offset)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # An argument: when the interpreter ends, the name `os` may be None already.
        if not isinstance(self.content, OpenCopy):
            close(self.fd)


class OpenFiles:
    """A bounded number of open shards, each compared with the index when it is opened.

    A shard that is deleted, or replaced by a rename, while it is open is still read as it was. A
    shard that is changed in place is detected by its size or time after `RECHECK_SECONDS`.

    Args:
        index: the shards.
        fields: name -> `Field` of the fields that are read.
        trust: whether pickles may be executed.

    Attributes:
        remote: fetches the shards that are behind URLs; `None` if the set is a directory.
        compare: compares the copy of a remote shard with the bytes that were read of it before.
    """

    def __init__(self, index: ShardIndex, fields: Mapping[str, Field], trust: bool) -> None:
        self._index = index
        self._fields = fields
        self._trust = trust
        self.remote = None if isinstance(index.directory, Path) else PlannedFetch(index)
        self.compare: Callable[[int, OpenCopy], None] | None = None
        self._open: OrderedDict[int, OpenFile] = OrderedDict()
        # 0 where the time is unknown; such a file is compared with the index in full.
        unknown = np.zeros(len(index), np.int64)
        self._mtimes_ns = unknown if index.mtimes_ns is None else index.mtimes_ns
        self._lock = threading.Lock()
        # A quarter of the files that the process may open: the rest of the program needs some too.
        self._max_open = max(8, min(512, max_open_files() // 4))
        register(self)

    def open(self, shard: int) -> OpenFile:
        """Returns a shard, open and equal to its entry in the index.

        Raises:
            CorruptShardError: if it differs from its entry.
            TooManyOpenFilesError: if no file can be opened.
        """
        with self._lock:
            file = self._open.get(shard)
            if file is not None:
                self._open.move_to_end(shard)
                return file
        return self._reopen(shard)

    def read_into(self, shard: int, places: Places, offset: int) -> None:
        """Fills places in memory, one after the other, from a shard.

        Args:
            shard: number of the shard.
            places: uint64 array of shape `(places, 2)`, the address and size of each.
            offset: byte position in the file.

        Raises:
            CorruptShardError: if the shard cannot be read, or was changed.
            TooManyOpenFilesError: if no file can be opened.
        """
        file = self.open(shard)
        try:
            count = file.read_into(places, offset)
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise _unreadable(file.path, offset, error) from error
            # A stale file of a network file system is found again by its path.
            file = self._reopen(shard)
            try:
                count = file.read_into(places, offset)
            except OSError as again:
                raise _unreadable(file.path, offset, again) from again
        size = int(places[:, 1].sum())
        if count < size:
            raise CorruptShardError(
                f"{file.path}: ends at byte {offset + count}, expected {size} bytes at {offset}: "
                "it was cut short while it was being read. Restore the file."
            )
        now = time.monotonic()
        # Nothing but this process changes the copy of a remote shard.
        if now - file.checked > RECHECK_SECONDS and not isinstance(file.content, OpenCopy):
            file.checked = now
            try:
                self._check(shard, file)
            except OSError:  # stale, although the data was still in memory
                self._reopen(shard)

    def decode(self, shard: int, read: Callable[[str | OpenCopy], _T]) -> _T:
        """Checks a shard and returns the result of `read`, which receives its file."""
        source = self.open(shard).source
        return retry_when_out_of_files(lambda: retry_if_stale(lambda: read(source)))

    def close_files(self) -> None:
        """Closes all files, and keeps fewer open from now on. Called when descriptors run out."""
        with self._lock:
            if self._open:
                self._max_open = max(1, len(self._open) // 2)
            self._open.clear()

    def drop_remote(self) -> None:
        """Closes the copies of remote shards that are not needed soon."""
        remote = self.remote
        if remote is None:
            return
        with self._lock:
            passed = [
                shard
                for shard, file in self._open.items()
                if isinstance(file.content, OpenCopy) and not remote.keeps(shard)
            ]
            for shard in passed:
                del self._open[shard]

    def _reopen(self, shard: int) -> OpenFile:
        path = self._index.path(shard)
        try:
            file = retry_when_out_of_files(
                lambda: retry_if_stale(lambda: self._open_checked(shard, path))
            )
        except OSError as error:
            raise CorruptShardError(
                f"{path}: the shard cannot be opened ({error.strerror}). Restore it, or pack the "
                "data again."
            ) from error
        with self._lock:
            self._open[shard] = file
            while len(self._open) > self._max_open:
                self._open.popitem(last=False)
        if self.remote is not None:
            self.drop_remote()  # the plan may have passed it while it was being opened
        return file

    def _open_checked(self, shard: int, path: Path | RemotePath) -> OpenFile:
        content: int | OpenCopy
        if self.remote is not None and isinstance(path, RemotePath):
            content = self.remote.open(shard, path)
            if self.compare is not None:
                self.compare(shard, content)
        else:
            content = open_to_read(str(path))
        file = OpenFile(str(path), content)
        self._check(shard, file)
        return file

    def _check(self, shard: int, file: OpenFile) -> None:
        """Raises `CorruptShardError` if a file is not the one that was indexed."""
        size, mtime_ns = file.size_and_time
        expected = int(self._index.sizes[shard])
        if size != expected:
            raise CorruptShardError(
                f"{file.path}: the shard has {size} bytes, expected {expected}: it was cut "
                "short or replaced after it was indexed. Restore it, or pack the data again."
            )
        expected_ns = int(self._mtimes_ns[shard])
        if expected_ns and expected_ns != mtime_ns:
            raise CorruptShardError(
                f"{file.path}: the shard was changed after it was opened (modified at "
                f"{mtime_ns} ns, expected {expected_ns}). Create the ShardSequence again."
            )
        if not expected_ns:
            self._compare(shard, file.source)
            self._mtimes_ns[shard] = mtime_ns

    def _compare(self, shard: int, file: str | OpenCopy) -> None:
        """Compares the arrays of a file with an index that another process has written."""
        layout = read_layout(file, self._trust)
        for name in self._fields:
            difference = find_difference(self._index, shard, name, layout)
            if difference is not None:
                expected, found = difference
                raise CorruptShardError(
                    f"{file}: holds {found}, expected {expected} from the index. Restore the "
                    "file, or pack the data again."
                )


def _unreadable(path: str, offset: int, error: OSError) -> CorruptShardError:
    return CorruptShardError(
        f"{path}: cannot be read at byte {offset} ({error}). Check the disk or the network mount; "
        "restore the file if it is lost."
    )
