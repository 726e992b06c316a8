"""A remote file as a file object that requests only the blocks that are read."""

from __future__ import annotations

from keras_bigdata.storage.copies.positioned_file import PositionedFile
from keras_bigdata.storage.paths.remote_path import RemotePath

_BLOCK = 1 << 18
_MAX_BLOCKS = 16


class RangedFile(PositionedFile):
    """Reads a file by ranges of 256 KiB, and keeps the last 4 MiB.

    Args:
        path: the file, which must not change meanwhile.

    Raises:
        FileNotFoundError: if there is no such file.
        StorageError: if it cannot be read; also by each method that reads.
    """

    def __init__(self, path: RemotePath) -> None:
        super().__init__(path.size())
        self._path = path
        self._blocks: dict[int, bytes] = {}

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Reads the next bytes into a buffer, as many as there are. Returns their number."""
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self._size - self._position))
        done = 0
        while done < count:
            number, offset = divmod(self._position, _BLOCK)
            part = self._block(number)[offset : offset + count - done]
            view[done : done + len(part)] = part
            done += len(part)
            self._position += len(part)
        return count

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            if len(self._blocks) >= _MAX_BLOCKS:
                self._blocks.pop(next(iter(self._blocks)))
            start = number * _BLOCK
            self._blocks[number] = self._path.read_range(start, min(start + _BLOCK, self._size))
        return self._blocks[number]
