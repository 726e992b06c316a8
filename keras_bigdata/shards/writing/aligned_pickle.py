"""The stream into which a shard is pickled: it moves large arrays to aligned positions."""

from __future__ import annotations

from typing import Any, BinaryIO

from keras_bigdata.checksum import crc32

# The kernel copies from the page cache at 12 GB/s if source and destination agree modulo 64 bytes,
# and the buffers of batches begin at multiples of 64; at 8.8 GB/s if they do not (AMD EPYC, rows
# of 48 KiB).
ALIGNMENT = 64

# From this size on the pickler writes bytes outside of its frames, where opcodes may be inserted.
_LARGE = 64 * 1024

# Maximum length in bytes of the opcode of an array with its size.
_MAX_HEAD = 9


class AlignedOutput:
    """A writable stream for a pickler that moves large arrays to multiples of 64 bytes.

    Before an array it inserts bytes that are pushed on the pickle's stack and popped at once, so
    that `pickle.load` returns the same object. Large arrays pass without a copy.

    Args:
        file: the stream to write to.

    Attributes:
        checksum: CRC-32 of all bytes written.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.checksum = 0
        self._file = file
        self._size = 0
        # The end of the last write: it may be the opcode of an array that comes next.
        self._held_back: Any = b""

    def write(self, data: Any) -> int:
        """Writes bytes, and padding before a large array; returns the number of bytes of `data`."""
        size = len(memoryview(data).cast("B"))
        head = _array_head_length(self._held_back, size) if size >= _LARGE else 0
        if head:
            before, head_bytes = self._held_back[:-head], self._held_back[-head:]
            self._write(before)
            # BINBYTES with its length takes 5 bytes, POP one.
            padding = -(self._size + 6 + head) % ALIGNMENT
            self._write(b"B" + padding.to_bytes(4, "little") + bytes(padding) + b"0")
            self._write(head_bytes)
        else:
            self._write(self._held_back)
        self._held_back = b""
        if head:
            self._write(data)
        else:  # small objects, which may be 64 KiB and end with the opcode of an array
            view = memoryview(data).cast("B")
            self._write(view[:-_MAX_HEAD])
            self._held_back = bytes(view[-_MAX_HEAD:])
        return size

    def close(self) -> None:
        """Writes the bytes that were held back; the file stays open."""
        self._write(self._held_back)
        self._held_back = b""

    def _write(self, data: Any) -> None:
        self.checksum = crc32(data, self.checksum)
        self._file.write(data)
        self._size += len(memoryview(data).cast("B"))


def _array_head_length(written: bytes, size: int) -> int:
    """Returns the length of the opcode of an array of `size` bytes at the end of `written`, or 0.

    The opcode is BYTEARRAY8, BINBYTES8 or BINBYTES, followed by the size.
    """
    for opcodes, width in ((b"\x96\x8e", 8), (b"B", 4)):
        head = written[-width - 1 :]
        if (
            len(head) == width + 1
            and head[0] in opcodes
            and int.from_bytes(head[1:], "little") == size
        ):
            return width + 1
    return 0
