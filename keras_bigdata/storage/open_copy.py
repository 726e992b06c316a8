"""Opens a local copy of a remote file."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType

from keras_bigdata.storage.cache_eviction import NextUse
from keras_bigdata.storage.cached_copy import open_cached
from keras_bigdata.storage.fetch import fetch
from keras_bigdata.storage.memory_file import open_memory_file
from keras_bigdata.storage.remote_path import RemotePath


class _Descriptor:
    """A descriptor that is closed when nothing refers to this object."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def close(self, close: Callable[[int], None] = os.close) -> None:
        if self.number >= 0:
            number, self.number = self.number, -1
            close(number)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # An argument: when the interpreter ends, the name `os` may be None already.
        self.close(close)


class OpenCopy:
    """An open local copy of a remote file. It is closed when nothing refers to it.

    It has no `__del__` itself: while that of an object runs, a weak reference to it still returns
    it, here closed, to other threads. Without one, weak references are dead before the descriptor
    is closed.

    Args:
        path: the remote file, for messages.
        descriptor: the copy, open for reading, which this object closes.
    """

    __slots__ = ("__weakref__", "_descriptor", "path")

    def __init__(self, path: RemotePath, descriptor: int) -> None:
        self.path = path
        self._descriptor = _Descriptor(descriptor)

    @property
    def descriptor(self) -> int:
        """The descriptor; -1 when it is closed."""
        return self._descriptor.number

    def close(self) -> None:
        """Closes the copy."""
        self._descriptor.close()

    def __enter__(self) -> OpenCopy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __str__(self) -> str:
        return str(self.path)


def open_copy(
    path: RemotePath, size: int, checksum: int | None, next_use: NextUse | None = None
) -> OpenCopy:
    """Returns a complete and checked local copy of a file, which is fetched if needed.

    With `path.cache` it lies in the cache, and cannot be removed from it while it is open. It lies
    in memory without a cache, without a checksum, which tells the versions of a file apart, and if
    all other files in the cache are in use.

    Args:
        path: the remote file.
        size: expected size in bytes.
        checksum: expected CRC-32; `None` if it is unknown.
        next_use: returns how soon this process needs an entry of the cache, given its name (see
            `cache_entry.entry_name`): 0.0 = in use now or next, larger = later, `math.inf` = not
            foreseen. It must not wait for a lock that is held while `open_copy` is called.
            Defaults to `None`: what was not used for the longest time is removed first.

    Raises:
        CorruptShardError: if the remote file does not exist, or is not the expected one.
        StorageError: if it cannot be read, or if the cache cannot be used.
    """
    if path.cache is not None and checksum is not None:
        descriptor = open_cached(path, path.cache, size, checksum, next_use)
        if descriptor is not None:
            return OpenCopy(path, descriptor)
    copy = OpenCopy(path, open_memory_file(path.name))
    try:
        fetch(path, copy.descriptor, size, checksum)
    except BaseException:
        copy.close()
        raise
    return copy
