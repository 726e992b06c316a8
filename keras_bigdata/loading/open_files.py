"""The shards that are open. The one place where training touches the files.

Rows and columns come through two functions of this module, looked up at each call:
`open_to_read(path)` gives a descriptor, and `read_into(fd, places, offset)` reads from it. Whoever
wants to see what training does on a slow or failing disk replaces these two. (Shards that are
compressed or text-encoded are opened and checked here too, and then decoded by `shards.pickles`.)
"""

from __future__ import annotations

import errno
import os
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import numpy as np

from keras_bigdata.child_processes import hold_during_fork
from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.loading.preadv import Places, read_into
from keras_bigdata.shards.index import Field, ShardIndex
from keras_bigdata.shards.scan import read_layout

_T = TypeVar("_T")

# An open file is looked at again, after a read, if that was last done so long ago. It costs 1 us,
# a third of the smallest read.
RECHECK_SECONDS = 0.1


def open_to_read(path: str) -> int:
    """A descriptor of the file."""
    return os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))


class OpenFile:
    """An open shard. Closed when nothing refers to it, so never under a reading thread."""

    __slots__ = ("checked", "fd", "path")

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self.fd = fd
        self.checked = time.monotonic()

    def __del__(self) -> None:
        os.close(self.fd)


class OpenFiles:
    """Open shards, a bounded number of them, each checked against the index when opened.

    A shard that is replaced by a rename or deleted while it is open goes on being read as it was.
    One that is changed in place is noticed by its size or time after `RECHECK_SECONDS`.
    """

    def __init__(self, index: ShardIndex, fields: Mapping[str, Field], trust: bool) -> None:
        self._index = index
        self._fields = fields
        self._trust = trust
        self._open: OrderedDict[int, OpenFile] = OrderedDict()
        unknown = np.zeros(len(index), np.int64)
        self._mtimes_ns = unknown if index.mtimes_ns is None else index.mtimes_ns
        self._lock = threading.Lock()
        # A quarter of what the process may open: the user needs some too.
        self._most = max(8, min(512, open_files_allowed() // 4))
        spends(self)

    def open(self, shard: int) -> OpenFile:
        """The shard, open and as the index says.

        Raises:
            CorruptShardError: if it is not.
            TooManyOpenFilesError: if no file can be opened.
        """
        with self._lock:
            file = self._open.get(shard)
            if file is not None:
                self._open.move_to_end(shard)
                return file
        return self._newly_opened(shard)

    def read_into(self, shard: int, places: Places, offset: int) -> None:
        """Fills the places, one after the other, from a shard at `offset`.

        Raises:
            CorruptShardError: if it cannot be read, or is not as it was.
            TooManyOpenFilesError: if no file can be opened.
        """
        file = self.open(shard)
        try:
            count = read_into(file.fd, places, offset)
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise _unreadable(file.path, offset, error) from error
            # What a network file system wants: by its path the file is found again.
            file = self._newly_opened(shard)
            try:
                count = read_into(file.fd, places, offset)
            except OSError as again:
                raise _unreadable(file.path, offset, again) from again
        size = int(places[:, 1].sum())
        if count < size:
            raise CorruptShardError(
                f"{file.path}: ends at byte {offset + count}, expected {size} bytes at {offset}: "
                "it was cut short while it was being read. Restore the file."
            )
        now = time.monotonic()
        if now - file.checked > RECHECK_SECONDS:
            file.checked = now
            try:
                self._check(shard, file)
            except OSError:  # stale, with what was read still in memory
                self._newly_opened(shard)

    def read_anew(self, shard: int, read: Callable[[], _T]) -> _T:
        """What `read` gives, which opens the file of the shard itself; it is checked before."""
        self.open(shard)
        return with_room(lambda: again_if_stale(read))

    def close_files(self) -> None:
        """Closes them all, and keeps fewer from now on. Called where no file can be opened."""
        with self._lock:
            if self._open:
                self._most = max(1, len(self._open) // 2)
            self._open.clear()

    def _newly_opened(self, shard: int) -> OpenFile:
        path = str(self._index.path(shard))
        try:
            file = with_room(lambda: again_if_stale(lambda: self._checked(shard, path)))
        except OSError as error:
            raise CorruptShardError(
                f"{path}: the shard cannot be opened ({error.strerror}). Restore it, or pack the "
                "data again."
            ) from error
        with self._lock:
            self._open[shard] = file
            while len(self._open) > self._most:
                self._open.popitem(last=False)
        return file

    def _checked(self, shard: int, path: str) -> OpenFile:
        file = OpenFile(path, open_to_read(path))
        self._check(shard, file)
        return file

    def _check(self, shard: int, file: OpenFile) -> None:
        """Whether the file is still the one of the index."""
        stat = os.fstat(file.fd)
        expected = int(self._index.sizes[shard])
        if stat.st_size != expected:
            raise CorruptShardError(
                f"{file.path}: the shard has {stat.st_size} bytes, expected {expected}: it was cut "
                "short or replaced since it was indexed. Restore it, or pack the data again."
            )
        expected_ns = int(self._mtimes_ns[shard])
        if expected_ns and expected_ns != stat.st_mtime_ns:
            raise CorruptShardError(
                f"{file.path}: the shard was changed since it was opened (modified at "
                f"{stat.st_mtime_ns} ns, expected {expected_ns}). Make the ShardSequence again."
            )
        if not expected_ns:
            self._compare(shard, file.path)
            self._mtimes_ns[shard] = stat.st_mtime_ns

    def _compare(self, shard: int, path: str) -> None:
        """The index was written elsewhere and before: does the file still say the same?"""
        arrays = read_layout(path, self._trust).arrays
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


def _unreadable(path: str, offset: int, error: OSError) -> CorruptShardError:
    return CorruptShardError(
        f"{path}: cannot be read at byte {offset} ({error}). Look at the disk or the network mount "
        "that it is on; restore the file if it is gone."
    )


# Before each further attempt. Files that other threads are reading from close in the meantime.
_PAUSES = (0.0, 0.01, 0.1, 0.5)


class TooManyOpenFilesError(ShardError):
    """No file can be opened: no fault of the shard, so never a reason to leave it out."""


class Spender(Protocol):
    """What holds descriptors and can do without them."""

    def close_files(self) -> None: ...


_spenders: weakref.WeakSet[Spender] = weakref.WeakSet()
_lock = threading.Lock()
hold_during_fork(_lock)


def spends(spender: Spender) -> None:
    """Notes who can give descriptors back. Held weakly."""
    with _lock:
        _spenders.add(spender)


def with_room(call: Callable[[], _T]) -> _T:
    """Calls; if too many files are open, closes all shards and tries again, four times at most.

    Raises:
        TooManyOpenFilesError: if that does not help: others have them.
    """
    try:
        return call()
    except (OSError, ShardError) as error:
        if not _out_of_files(error):
            raise
        reason: BaseException = error
    for pause in _PAUSES:
        time.sleep(pause)
        with _lock:
            spenders = list(_spenders)
        for spender in spenders:
            spender.close_files()
        try:
            return call()
        except (OSError, ShardError) as error:
            if not _out_of_files(error):
                raise
            reason = error
    raise TooManyOpenFilesError(
        f"Too many files are open: {reason} No shard is kept open any more, so it is the rest of "
        f"the program that has all {open_files_allowed()} that are allowed. Close some, or allow "
        "more: `ulimit -n 4096` in the shell before the program starts."
    ) from reason


def again_if_stale(call: Callable[[], _T]) -> _T:
    """Calls, and once more if a file on a network has gone stale: a new open finds it again."""
    try:
        return call()
    except (OSError, ShardError) as error:
        if number_of(error) != errno.ESTALE:
            raise
    return call()


def number_of(error: BaseException) -> int | None:
    """The `errno` of an error, or of the one that an error of ours came from."""
    source = error if isinstance(error, OSError) else error.__cause__
    return source.errno if isinstance(source, OSError) else None


def open_files_allowed() -> int:
    """How many files this process may open."""
    try:
        import resource
    except ImportError:  # Windows
        return 512
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _out_of_files(error: BaseException) -> bool:
    return number_of(error) in (errno.EMFILE, errno.ENFILE)
