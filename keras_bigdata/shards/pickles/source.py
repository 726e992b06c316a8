"""Reading bytes of a shard at known positions, with every length checked against the file."""

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
        dtype: as stored; it may be big-endian, structured or a datetime.
        shape: size of each dimension.
        offset: byte position of the first element in the file, or in what it expands to if it is
            compressed.
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


def as_array(
    data: Bytes, dtype: np.dtype[Any], shape: tuple[int, ...], order: Literal["C", "F"]
) -> npt.NDArray[Any]:
    """The bytes seen as an array, without a copy."""
    if data.size == 0:
        return np.empty(shape, dtype, order)
    return data.view(dtype).reshape(shape, order=order)


class Source:
    """A file read forwards in small chunks, with jumps over what need not be read.

    Args:
        path: name of the file, for messages.
        file: the open file, unbuffered.
    """

    compressed = False

    def __init__(self, path: str, file: io.FileIO) -> None:
        self.path = path
        self.file = file
        self.size = os.fstat(file.fileno()).st_size
        self.buffer = b""
        self.start = 0  # byte position of `buffer` in the file
        self.pos = 0  # next byte to use, in `buffer`

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    @property
    def position(self) -> int:
        """Byte position of the next byte."""
        return self.start + self.pos

    def take(self, count: int) -> bytes:
        """The next `count` bytes; meant for small counts."""
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
        self.check(at, count)
        self.buffer = self.read(at, max(count, min(CHUNK, self.size - at))).tobytes()
        self.start, self.pos = at, 0

    def skip(self, count: int) -> None:
        """Jumps over `count` bytes, which must be there."""
        if self.pos + count <= len(self.buffer):
            self.pos += count
            return
        at = self.position
        self.check(at, count)
        self.buffer, self.start, self.pos = b"", at + count, 0

    def line_length(self) -> int:
        """Length of the text up to the next newline, which must be there."""
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
        raise self.corrupt(f"a line begins at byte {at} and never ends")

    def check(self, offset: int, count: int) -> None:
        """Refuses a run of bytes that the file does not hold."""
        if offset + count > self.size:
            raise self.corrupt(
                f"{count} bytes should follow byte {offset}, "
                f"but the file ends after {self.size} bytes"
            )

    def read(self, offset: int, count: int) -> Bytes:
        """Reads bytes anywhere in the file; `buffer` and `pos` stay as they are."""
        self.check(offset, count)
        data = np.empty(count, np.uint8)
        view = data.data
        done = 0
        while done < count:
            try:
                got = read_some(self.file, view[done:], offset + done)
            except OSError as error:
                raise self.corrupt(f"cannot be read at byte {offset + done} ({error})") from error
            if got == 0:
                raise self.corrupt(
                    f"{count} bytes should follow byte {offset}, but the file was cut short "
                    f"to {offset + done} bytes while it was read"
                )
            done += got
        return data

    def expand(self) -> None:
        """Makes bytes anywhere in the file quick to read."""

    def finish(self) -> None:
        """Makes sure that the file is whole, as far as it tells."""

    def corrupt(self, what: str) -> CorruptShardError:
        """The error for a file that is cut short, damaged or no pickle."""
        return CorruptShardError(
            f"{self.path}: {_printable(what)}. The file is damaged or is no pickle: restore it "
            "or write it again."
        )

    def unsafe(self, what: str, at: int | None = None) -> UnsafePickleError:
        """The error for a pickle that holds more than plain arrays."""
        where = self.path if at is None else f"{self.path}, byte {at}"
        return UnsafePickleError(
            f"{where}: {_printable(what)}. Only plain NumPy arrays, numbers, strings and "
            "containers of them are read, and nothing was run. Write the file again with plain "
            "arrays; or, if you wrote it yourself, trust=True loads it all the same with "
            "pickle.load."
        )


def _printable(text: str) -> str:
    """Text from a file may hold halves of characters, which no terminal can print."""
    return text.encode("utf-8", "backslashreplace").decode()


def read_some(file: io.FileIO, view: memoryview, offset: int) -> int:
    """Reads into the view what there is at once; gives the number of bytes."""
    # pread leaves the position alone, so threads can share a descriptor; Windows has none.
    if hasattr(os, "preadv"):
        return os.preadv(file.fileno(), [view], offset)
    if hasattr(os, "pread"):
        data = os.pread(file.fileno(), len(view), offset)
        view[: len(data)] = data
        return len(data)
    file.seek(offset)
    return file.readinto(view) or 0
