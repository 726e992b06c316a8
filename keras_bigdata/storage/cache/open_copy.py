"""Opens a local copy of a remote file."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from types import TracebackType

from keras_bigdata.checksum import crc32, descriptor_checksum
from keras_bigdata.storage.cache.cache_eviction import NextUse
from keras_bigdata.storage.cache.cached_copy import open_cached
from keras_bigdata.storage.copies.fetch import fetch
from keras_bigdata.storage.copies.memory import Memory, MemoryReader, allocate
from keras_bigdata.storage.paths.remote_path import RemotePath


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
        # `close` is an argument because the name `os` may already be None when the interpreter
        # ends.
        self.close(close)


class OpenCopy:
    """An open local copy of a remote file. It is closed when nothing refers to it.

    The descriptor is closed by an object of its own, not by a `__del__` of this class: while
    `__del__` runs, weak references still return the object to other threads, here with a closed
    descriptor. Without `__del__`, weak references are dead before the descriptor is closed.

    Args:
        path: the remote file, for messages.
        content: the copy: a descriptor, open for reading, which this object closes, or its content
            in memory.

    Attributes:
        memory: the content; `None` if it lies in a file.
    """

    __slots__ = ("__weakref__", "_descriptor", "memory", "path")

    def __init__(self, path: RemotePath, content: int | Memory) -> None:
        self.path = path
        self._descriptor = _Descriptor(content if isinstance(content, int) else -1)
        self.memory = None if isinstance(content, int) else content

    @property
    def descriptor(self) -> int:
        """The descriptor; -1 when it is closed, and if the content lies in memory."""
        return self._descriptor.number

    @property
    def size(self) -> int:
        """Bytes of the copy."""
        return os.fstat(self.descriptor).st_size if self.memory is None else len(self.memory)

    def open(self) -> io.RawIOBase:
        """Returns a new file object that reads the copy, which must stay open."""
        if self.memory is None:
            return io.FileIO(self.descriptor, closefd=False)
        return MemoryReader(self.memory)

    def checksum(self, begin: int, end: int) -> int:
        """Returns the CRC-32 of bytes `begin` to `end - 1`."""
        if self.memory is None:
            return descriptor_checksum(self.descriptor, end, begin=begin)
        return crc32(self.memory[begin:end])

    def close(self) -> None:
        """Closes the copy."""
        self._descriptor.close()
        self.memory = None

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

    With `path.cache` the copy lies in the cache, and cannot be removed from it while it is open. It
    lies in memory if there is no cache, if the checksum is unknown, which identifies the version of
    the file, or if all other files in the cache are in use.

    Args:
        path: the remote file.
        size: expected size in bytes.
        checksum: expected CRC-32; `None` if it is unknown.
        next_use: returns how soon this process needs an entry of the cache, given its name (see
            `cache_entry.entry_name`): 0.0 = in use now or next, larger = later, `math.inf` = not
            foreseen. It must not wait for a lock that is held while `open_copy` is called.
            Defaults to `None`: the least recently used entry is removed first.

    Raises:
        CorruptShardError: if the remote file does not exist, or is not the expected one.
        StorageError: if it cannot be read, or if the cache cannot be used.
    """
    if path.cache is not None and checksum is not None:
        descriptor = open_cached(path, path.cache, size, checksum, next_use)
        if descriptor is not None:
            return OpenCopy(path, descriptor)
    memory = allocate(size)
    fetch(path, memory, size, checksum)
    return OpenCopy(path, memory)
