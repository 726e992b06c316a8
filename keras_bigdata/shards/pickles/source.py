"""The bytes of a file: read in small chunks, with every length checked against the file."""

from __future__ import annotations

import io
import math
import os
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import CorruptShardError, UnsafePickleError

# One read covers the header of a typical shard; three arrays cost three reads more.
CHUNK = 16 * 1024

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class StoredArray:
    """An array that lies in the file as one contiguous run of raw bytes.

    Args:
        dtype: NumPy dtype as stored; it may be big-endian, structured or a datetime.
        shape: size of each dimension.
        offset: byte position of the first element, in the file or, if the file is compressed,
            in its decompressed content.
        order: `"C"` if the last index varies fastest, `"F"` if the first does.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    order: Literal["C", "F"]

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array."""
        return self.dtype.itemsize * math.prod(self.shape)


def view_as_array(
    data: Bytes, dtype: np.dtype[Any], shape: tuple[int, ...], order: Literal["C", "F"]
) -> npt.NDArray[Any]:
    """Views bytes as an array, without a copy."""
    if data.size == 0:
        return np.empty(shape, dtype, order)
    return data.view(dtype).reshape(shape, order=order)


class ByteSource:
    """A file that is read forwards in small chunks; what is not needed is skipped.

    Args:
        path: name of the file, for messages.
        file: the open file, unbuffered.

    Attributes:
        size: bytes in the file.
        buffer: the chunk that was read last.
        start: byte position of `buffer` in the file.
        pos: index in `buffer` of the next byte to use.
        compressed: whether positions refer to the decompressed content.
    """

    compressed = False

    def __init__(self, path: str, file: io.RawIOBase) -> None:
        self.path = path
        self.file = file
        if isinstance(file, io.FileIO):
            self.size = os.fstat(file.fileno()).st_size
        else:
            self.size = file.seek(0, os.SEEK_END)
        self.buffer = b""
        self.start = 0
        self.pos = 0

    def __enter__(self) -> ByteSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    @property
    def position(self) -> int:
        """Byte position in the file of the next byte to use."""
        return self.start + self.pos

    def take(self, count: int) -> bytes:
        """Returns the next `count` bytes and moves past them. Meant for small counts."""
        end = self.pos + count
        if end > len(self.buffer):
            self.fill(count)
            end = count
        taken = self.buffer[self.pos : end]
        self.pos = end
        return taken

    def fill(self, count: int) -> None:
        """Makes at least `count` bytes available in `buffer[pos:]`."""
        at = self.position
        self.check_range(at, count)
        self.buffer = self.read(at, max(count, min(CHUNK, self.size - at))).tobytes()
        self.start, self.pos = at, 0

    def skip(self, count: int) -> None:
        """Moves past `count` bytes, which the file must hold."""
        if self.pos + count <= len(self.buffer):
            self.pos += count
            return
        at = self.position
        self.check_range(at, count)
        self.buffer, self.start, self.pos = b"", at + count, 0

    def peek(self, count: int) -> bytes:
        """Returns the next `count` bytes, or fewer at the end of the file, and does not move."""
        self.fill(min(count, self.size - self.position))
        return self.buffer[:count]

    def line_length(self) -> int:
        """Returns the number of bytes up to the next newline, which the file must hold."""
        end = self.buffer.find(b"\n", self.pos)
        if end >= 0:
            return end - self.pos
        at = self.position
        scanned = self.start + len(self.buffer)
        while scanned < self.size:
            chunk = self.read(scanned, min(CHUNK, self.size - scanned)).tobytes()
            end = chunk.find(b"\n")
            if end >= 0:
                return scanned + end - at
            scanned += len(chunk)
        raise self.corrupt_error(f"a line begins at byte {at} and never ends")

    def check_range(self, offset: int, count: int) -> None:
        """Checks that the file holds `count` bytes from `offset` on.

        Raises:
            CorruptShardError: if the file is shorter.
        """
        if offset + count > self.size:
            raise self.corrupt_error(
                f"{count} bytes should follow byte {offset}, "
                f"but the file ends after {self.size} bytes"
            )

    def read(self, offset: int, count: int) -> Bytes:
        """Reads bytes anywhere in the file; `buffer` and `pos` are not changed."""
        self.check_range(offset, count)
        data = np.empty(count, np.uint8)
        view = data.data
        done = 0
        while done < count:
            try:
                read = read_at(self.file, view[done:], offset + done)
            except OSError as error:
                raise self.corrupt_error(
                    f"cannot be read at byte {offset + done} ({error})"
                ) from error
            if read == 0:
                raise self.corrupt_error(
                    f"{count} bytes should follow byte {offset}, but the file was cut short "
                    f"to {offset + done} bytes while it was read"
                )
            done += read
        return data

    def expand(self) -> None:
        """Makes bytes anywhere in the file fast to read. Only compressed files need it."""

    def finish(self) -> None:
        """Checks that the file is complete. Only compressed files can be checked."""

    def corrupt_error(self, reason: str) -> CorruptShardError:
        """Returns the error for a file that is cut short, damaged or not a pickle."""
        return CorruptShardError(
            f"{self.path}: {_printable(reason)}. The file is damaged or is not a pickle: "
            "restore it or write it again."
        )

    def unsafe_error(
        self, reason: str, at: int | None = None, *, trust_helps: bool = True
    ) -> UnsafePickleError:
        """Returns the error for a pickle that holds more than plain arrays.

        Args:
            reason: what the pickle holds or does.
            at: byte position of the opcode. Defaults to `None`, which names no position.
            trust_helps: whether `trust=True` would return an array. Defaults to `True`.
        """
        where = self.path if at is None else f"{self.path}, byte {at}"
        advice = (
            "; or, if you wrote it yourself, trust=True loads it all the same with pickle.load."
            if trust_helps
            else ". trust=True would not help: it does not return an array."
        )
        return UnsafePickleError(
            f"{where}: {_printable(reason)}. Only plain NumPy arrays, numbers, strings and "
            "containers of them are read, and nothing was run. Write the file again with plain "
            f"arrays{advice}"
        )


def _printable(text: str) -> str:
    """Escapes lone surrogates: text from a file may hold them, and no terminal prints them."""
    return text.encode("utf-8", "backslashreplace").decode()


def read_at(file: io.RawIOBase, view: memoryview, offset: int) -> int:
    """Reads into `view` what one system call returns. Returns the number of bytes."""
    # pread does not change the position, so threads can share a descriptor; Windows lacks pread.
    if isinstance(file, io.FileIO) and hasattr(os, "preadv"):
        return os.preadv(file.fileno(), [view], offset)
    if isinstance(file, io.FileIO) and hasattr(os, "pread"):
        data = os.pread(file.fileno(), len(view), offset)
        view[: len(data)] = data
        return len(data)
    file.seek(offset)
    return file.readinto(view) or 0
