"""Recognizes compressed files, and decompresses them while they are parsed.

A parser moves forwards: what it skips is decompressed and dropped, so that finding the arrays
takes no memory. The file is decompressed as a whole only to read from it. The size to which it may
expand is limited, because a few kilobytes can stand for terabytes.
"""

from __future__ import annotations

import bz2
import importlib
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from keras_bigdata.errors import ShardError, UnsafePickleError
from keras_bigdata.shards.pickles.source import CHUNK, Bytes, ByteSource, read_at

# A compressed file may expand to this many times its size, and any file to this many bytes.
# Images and tokens expand to a few times their size, masks to 20 to 200 times.
EXPANDED_RATIO = 256
EXPANDED_AT_LEAST = 256 * 2**20
UNBOUNDED = 2**62

# The decompressed bytes that may be parsed one by one, as a multiple of the file's size and for
# any file: a few million take a second. The other bytes lie in arrays and texts and are skipped.
PARSED_RATIO = 16
PARSED_AT_LEAST = 8 * 2**20

# Memory that an xz file may require to be decompressed; the highest level takes 65 MiB.
_XZ_MEMORY = 256 * 2**20
_PIECE = 1 << 20


class Decompressor(Protocol):
    """The methods of `bz2.BZ2Decompressor` that are used here."""

    @property
    def eof(self) -> bool:
        """Whether the end of the compressed stream was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether `decompress` needs more data before it can return more."""

    @property
    def unused_data(self) -> bytes | None:
        """The data after the end of the compressed stream."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Returns at most `max_length` decompressed bytes."""


class _ZlibDecompressor:
    """`zlib.decompressobj` with the methods of the other decompressors."""

    def __init__(self, wbits: int) -> None:
        self._object = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def needs_input(self) -> bool:
        return not self._object.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._object.decompress(self._object.unconsumed_tail + data, max_length)


class Format(NamedTuple):
    """A compressed file format.

    Attributes:
        name: the name of the format and of its command-line tool.
        magic: the first bytes of its files.
        decompressor: creates a decompressor.
    """

    name: str
    magic: tuple[bytes, ...]
    decompressor: Callable[[], Decompressor]


def _lz4_decompressor() -> Decompressor:
    try:
        frames: Any = importlib.import_module("lz4.frame")
    except ImportError:
        raise ShardError("lz4 is not installed: pip install lz4") from None
    return frames.LZ4FrameDecompressor()  # type: ignore[no-any-return]


FORMATS = (
    Format("gzip", (b"\x1f\x8b",), lambda: _ZlibDecompressor(31)),
    Format(
        "zlib", (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"), lambda: _ZlibDecompressor(15)
    ),
    Format("bzip2", (b"BZh",), bz2.BZ2Decompressor),
    Format("xz", (b"\xfd7zXZ\x00",), lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY)),
    Format("lzma", (b"\x5d\x00\x00",), lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY)),
    Format("lz4", (b"\x04\x22\x4d\x18",), _lz4_decompressor),
)

# All exceptions that these libraries raise for bytes that they cannot decompress.
_ERRORS = (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError)


def detect_format(start: bytes) -> Format | None:
    """Returns the format of a file that begins with these bytes; `None` if not compressed."""
    return next((each for each in FORMATS if start.startswith(each.magic)), None)


class CompressedSource(ByteSource):
    """A compressed file; all positions are those in its decompressed content.

    Args:
        path: name of the file, for messages.
        file: the open file, unbuffered.
        format: the compression format.
        bounded: whether to refuse a file that expands to far more than its size.

    Attributes:
        compressed_size: bytes of the file.
        limit: the number of bytes that it may expand to.
        data: the whole decompressed content, after `expand`.
    """

    compressed = True

    def __init__(self, path: str, file: io.RawIOBase, format: Format, bounded: bool) -> None:
        super().__init__(path, file)
        self.format = format
        self.compressed_size = self.size
        self.limit = max(EXPANDED_AT_LEAST, EXPANDED_RATIO * self.size) if bounded else UNBOUNDED
        # Until the end is reached, the size is assumed to be the largest that it can be.
        self.size = self.limit
        self._size_known = False
        self._required_size = 0  # the end of the bytes that the pickle refers to
        self.data: Bytes | None = None
        parsed = max(PARSED_AT_LEAST, PARSED_RATIO * self.compressed_size)
        self._parse_budget = parsed if bounded else UNBOUNDED
        self._begin()

    def expand(self) -> None:
        """Decompresses the file into memory; from then on it is read like any other."""
        if self.data is not None:
            return
        if self._expanded:
            self._begin()
        content = bytearray()
        while piece := self._decompress(_PIECE):
            content += piece
        self.data = np.frombuffer(content, np.uint8)

    def finish(self) -> None:
        """Decompresses the file to its end, where its checksum is compared.

        Raises:
            CorruptShardError: if the file is damaged, or shorter than the pickle in it requires.
        """
        while not self._size_known and self._decompress(_PIECE):
            pass
        self.check_range(0, self._required_size)

    def fill(self, count: int) -> None:
        """Makes at least `count` decompressed bytes available in `buffer[pos:]`."""
        self._count_parsed()
        if self.data is not None:
            return super().fill(count)
        at = self.position
        self.check_range(at, count)
        parts = [self.buffer[self.pos :]]
        have = len(parts[0])
        while have < count:
            piece = self._decompress(max(CHUNK, count - have))
            if not piece:
                self.check_range(at, count)
            parts.append(piece)
            have += len(piece)
        self.buffer, self.start, self.pos = b"".join(parts), at, 0
        return None

    def skip(self, count: int) -> None:
        """Moves past `count` bytes, which are decompressed and dropped."""
        left = count - (len(self.buffer) - self.pos)
        if left > 0:
            self._count_parsed()
        if self.data is not None or left <= 0:
            return super().skip(count)
        at = self.position
        self.check_range(at, count)
        while left:
            piece = self._decompress(min(left, _PIECE))
            if not piece:
                self.check_range(at, count)
            left -= len(piece)
        self.buffer, self.start, self.pos = b"", at + count, 0
        return None

    def peek(self, count: int) -> bytes:
        """Returns the next `count` bytes, or fewer at the end of the content."""
        if self.data is None:
            at, content = self.position, bytearray(self.buffer[self.pos :])
            while len(content) < count and (piece := self._decompress(count)):
                content += piece
            self.buffer, self.start, self.pos = bytes(content), at, 0
            count = min(count, len(content))
        return super().peek(count)

    def line_length(self) -> int:
        """Returns the number of bytes up to the next newline."""
        # A line may be an array written as text, which must not be dropped.
        if self.buffer.find(b"\n", self.pos) < 0:
            self.expand()
        return super().line_length()

    def check_range(self, offset: int, count: int) -> None:
        """Checks that the decompressed content holds `count` bytes from `offset` on.

        Until its size is known, the range is compared with the limit, and by `finish` with the
        size.

        Raises:
            UnsafePickleError: if the range lies beyond the limit.
            CorruptShardError: if the content is shorter.
        """
        if not self._size_known:
            if offset + count > self.limit:
                raise self._expansion_error()
            self._required_size = max(self._required_size, offset + count)
        super().check_range(offset, count)

    def read(self, offset: int, count: int) -> Bytes:
        """Reads bytes anywhere in the content, which is decompressed as a whole first."""
        self.expand()
        self.check_range(offset, count)
        assert self.data is not None
        return self.data[offset : offset + count].copy()

    def _count_parsed(self) -> None:
        """Counts the bytes used of a buffer that is about to be replaced."""
        self._parse_budget -= self.pos
        if self._parse_budget < 0:
            raise self._parse_error()

    def _begin(self) -> None:
        """Starts to decompress at the beginning of the file."""
        self._expanded = 0  # bytes decompressed so far
        self._consumed = 0  # bytes of the file used so far
        self._pending = b""
        try:
            self._decompressor = self.format.decompressor()
        except ShardError as error:
            raise ShardError(f"{self.path}: is {self.format.name}-compressed; {error}") from None

    def _decompress(self, max_length: int) -> bytes:
        """Returns the next decompressed bytes, at most `max_length`; none at the end."""
        while True:
            if self._decompressor.eof and not self._begin_next_member():
                self._size_known, self.size = True, self._expanded
                return b""
            data = self._read_input() if self._decompressor.needs_input else b""
            try:
                piece = self._decompressor.decompress(data, max_length)
            except _ERRORS as error:
                if "Memory usage limit" in str(error):
                    raise UnsafePickleError(
                        f"{self.path}: needs more than {_XZ_MEMORY:,} bytes of memory to be "
                        f"expanded. Expand it with the tool {self.format.name}."
                    ) from None
                raise self.corrupt_error(
                    f"the {self.format.name} data are damaged ({error})"
                ) from None
            if piece:
                self._expanded += len(piece)
                if self._expanded > self.limit:
                    raise self._expansion_error()
                return piece
            if not data and self._decompressor.needs_input and not self._decompressor.eof:
                raise self.corrupt_error(
                    f"the {self.format.name} data are cut short: the file ends after "
                    f"{self.compressed_size} bytes, which expand to {self._expanded}"
                )

    def _begin_next_member(self) -> bool:
        """Starts to decompress a stream after the first one; returns whether there is one.

        Only zeros, which some programs write up to the end of a block, may follow the last stream.
        """
        rest = self._decompressor.unused_data or b""
        rest += self._read_input() if len(rest) < 8 else b""
        if not rest.startswith(self.format.magic):
            if rest.strip(b"\0"):
                raise self.corrupt_error(
                    f"bytes that are not {self.format.name}-compressed follow the compressed data"
                )
            return False
        self._pending = rest
        self._decompressor = self.format.decompressor()
        return True

    def _read_input(self) -> bytes:
        if self._pending:
            data, self._pending = self._pending, b""
            return data
        piece = bytearray(min(CHUNK * 4, self.compressed_size - self._consumed))
        if not piece:
            return b""
        try:
            count = read_at(self.file, memoryview(piece), self._consumed)
        except OSError as error:
            raise self.corrupt_error(
                f"cannot be read at byte {self._consumed} ({error})"
            ) from error
        self._consumed += count
        return bytes(piece[:count])

    def _expansion_error(self) -> UnsafePickleError:
        return UnsafePickleError(
            f"{self.path}: {self.compressed_size:,} bytes, {self.format.name}-compressed, expand "
            f"to more than {self.limit:,}, the limit ({EXPANDED_RATIO} times the file, or "
            f"{EXPANDED_AT_LEAST:,} if that is more); nothing was kept. Expand the file with the "
            f"tool {self.format.name}; or, if you wrote it yourself, trust=True lifts the limit."
        )

    def _parse_error(self) -> UnsafePickleError:
        return UnsafePickleError(
            f"{self.path}: {self.compressed_size:,} bytes, {self.format.name}-compressed, expand "
            f"to more numbers and containers than can be parsed one by one in reasonable time "
            f"({PARSED_RATIO} times the bytes of the file, or {PARSED_AT_LEAST:,} if that is "
            "more); nothing was kept. Write the numbers as NumPy arrays; or, if you wrote it "
            "yourself, trust=True lifts the limit."
        )
