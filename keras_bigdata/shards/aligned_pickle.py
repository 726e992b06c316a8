"""The stream a shard is pickled into: large arrays begin where copying them is fastest."""

from __future__ import annotations

import zlib
from typing import Any, BinaryIO

# The kernel copies from the page cache at 12 GB/s if source and destination lie alike to 64 bytes,
# and batches lie at multiples of 64; at 8.8 GB/s if not (AMD EPYC, rows of 48 KiB).
ALIGNMENT = 64

# From this size on the pickler writes bytes outside of its frames, where opcodes may be inserted.
_LARGE = 64 * 1024


class AlignedOutput:
    """Hands on what a pickler writes, with large arrays moved to multiples of 64 bytes.

    In front of an array go bytes that are pushed on the pickle's stack and popped at once, so
    `pickle.load` gives the same object. Large arrays pass without a copy.

    Attributes:
        checksum: CRC-32 of all that was written.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.checksum = 0
        self._file = file
        self._size = 0
        # What was written last: its end may be the head of an array that comes next.
        self._last: Any = b""

    def write(self, data: Any) -> int:
        size = len(memoryview(data).cast("B"))
        head = _head(self._last, size) if size >= _LARGE else 0
        if head:
            before, head_bytes = self._last[:-head], self._last[-head:]
            self._write(before)
            # BINBYTES with its length takes 5 bytes, POP one.
            fill = -(self._size + 6 + head) % ALIGNMENT
            self._write(b"B" + fill.to_bytes(4, "little") + bytes(fill) + b"0")
            self._write(head_bytes)
        else:
            self._write(self._last)
        self._last = b""
        if size >= _LARGE:
            self._write(data)
        else:
            self._last = bytes(data)
        return size

    def close(self) -> None:
        """Writes what was held back."""
        self._write(self._last)
        self._last = b""

    def _write(self, data: Any) -> None:
        self.checksum = zlib.crc32(data, self.checksum)
        self._file.write(data)
        self._size += len(memoryview(data).cast("B"))


def _head(written: bytes, size: int) -> int:
    """Bytes of the opcode and length of an array of `size` bytes at the end of `written`, or 0."""
    for opcodes, width in ((b"\x96\x8e", 8), (b"B", 4)):
        head = written[-width - 1 :]
        if (
            len(head) == width + 1
            and head[0] in opcodes
            and int.from_bytes(head[1:], "little") == size
        ):
            return width + 1
    return 0
