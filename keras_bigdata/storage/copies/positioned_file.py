"""Base class of read-only file objects: keeps the position."""

from __future__ import annotations

import io
import os


class PositionedFile(io.RawIOBase):
    """A read-only file object that keeps its position. A subclass reads from there, in `readinto`.

    Args:
        size: bytes of the file.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        """Returns `True`."""
        return True

    def seekable(self) -> bool:
        """Returns `True`."""
        return True

    def tell(self) -> int:
        """Returns the position of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Sets the position, and returns it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position
