"""Compressed pickles, expanded while they are walked, and whole only to read from them.

A walk goes forwards: what it passes over is expanded and forgotten, so that finding the arrays
takes no memory. How much a file may expand to is bounded, because a few kilobytes can stand for
terabytes.
"""

from __future__ import annotations

import bz2
import importlib
import io
import lzma
import os
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import CorruptShardError, ShardError, UnsafePickleError
from keras_bigdata.shards.pickles.source import (
    CHUNK,
    Bytes,
    Source,
    StoredArray,
    as_array,
    read_some,
)

# A compressed file may expand to this many times its size, and any file to this many bytes.
# Pictures and tokens expand to a few times their size, masks to 20 to 200 times.
EXPANDED_RATIO = 256
EXPANDED_AT_LEAST = 256 * 2**20
UNBOUNDED = 2**62

# So many of the expanded bytes, or so many times the file, may be walked one by one, which takes a
# second for some millions; the others are in arrays and texts, and passed over.
WALKED_RATIO = 16
WALKED_AT_LEAST = 8 * 2**20

# What an xz file may ask for to be expanded; the highest level takes 65 MiB.
_XZ_MEMORY = 256 * 2**20
_PIECE = 1 << 20


class Engine(Protocol):
    """An expanding object, as `bz2.BZ2Decompressor`."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Zlib:
    """`zlib.decompressobj` with the methods of the others."""

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
    """A way to compress: its name, the first bytes of its files, and what expands them."""

    name: str
    magic: tuple[bytes, ...]
    engine: Callable[[], Engine]


def _lz4() -> Engine:
    try:
        frames: Any = importlib.import_module("lz4.frame")
    except ImportError:
        raise ShardError("lz4 is not installed: pip install lz4") from None
    return frames.LZ4FrameDecompressor()  # type: ignore[no-any-return]


FORMATS = (
    Format("gzip", (b"\x1f\x8b",), lambda: _Zlib(31)),
    Format("zlib", (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"), lambda: _Zlib(15)),
    Format("bzip2", (b"BZh",), bz2.BZ2Decompressor),
    Format("xz", (b"\xfd7zXZ\x00",), lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY)),
    Format("lzma", (b"\x5d\x00\x00",), lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY)),
    Format("lz4", (b"\x04\x22\x4d\x18",), _lz4),
)

# Whatever these libraries raise for bytes that they cannot expand.
_ERRORS = (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError)


def format_of(start: bytes) -> Format | None:
    """The way in which a file that begins with these bytes is compressed, if it is."""
    return next((each for each in FORMATS if start.startswith(each.magic)), None)


class Compressed(Source):
    """A compressed file; positions are those in what it expands to.

    Args:
        path: name of the file, for messages.
        file: the open file, unbuffered.
        form: how it is compressed.
        bounded: whether to refuse a file that expands to far more than its size.
    """

    compressed = True

    def __init__(self, path: str, file: io.FileIO, form: Format, bounded: bool) -> None:
        super().__init__(path, file)
        self.form = form
        self.packed = self.size
        self.limit = max(EXPANDED_AT_LEAST, EXPANDED_RATIO * self.size) if bounded else UNBOUNDED
        # What is not yet known is taken for the most that it can be.
        self.size = self.limit
        self.known = False
        self.promised = 0  # what the pickle says that there is
        self.data: Bytes | None = None
        self.to_walk = max(WALKED_AT_LEAST, WALKED_RATIO * self.packed) if bounded else UNBOUNDED
        self._begin()

    def expand(self) -> None:
        """Expands the file into memory; from then on it is read like any other."""
        if self.data is not None:
            return
        if self.given:
            self._begin()
        content = bytearray()
        while piece := self._next(_PIECE):
            content += piece
        self.data = np.frombuffer(content, np.uint8)

    def finish(self) -> None:
        """Follows the file to its end: its checksum is compared, its size known."""
        while not self.known and self._next(_PIECE):
            pass
        self.check(0, self.promised)

    def fill(self, count: int) -> None:
        self._count_walked()
        if self.data is not None:
            return super().fill(count)
        at = self.position
        self.check(at, count)
        parts = [self.buffer[self.pos :]]
        have = len(parts[0])
        while have < count:
            piece = self._next(max(CHUNK, count - have))
            if not piece:
                self.check(at, count)
            parts.append(piece)
            have += len(piece)
        self.buffer, self.start, self.pos = b"".join(parts), at, 0
        return None

    def skip(self, count: int) -> None:
        left = count - (len(self.buffer) - self.pos)
        if left > 0:
            self._count_walked()
        if self.data is not None or left <= 0:
            return super().skip(count)
        at = self.position
        self.check(at, count)
        while left:
            piece = self._next(min(left, _PIECE))
            if not piece:
                self.check(at, count)
            left -= len(piece)
        self.buffer, self.start, self.pos = b"", at + count, 0
        return None

    def line_length(self) -> int:
        # A line may be an array written as text, which a walk must not lose.
        if self.buffer.find(b"\n", self.pos) < 0:
            self.expand()
        return super().line_length()

    def check(self, offset: int, count: int) -> None:
        if not self.known:
            if offset + count > self.limit:
                raise self._too_large()
            self.promised = max(self.promised, offset + count)
        super().check(offset, count)

    def read(self, offset: int, count: int) -> Bytes:
        self.expand()
        self.check(offset, count)
        assert self.data is not None
        return self.data[offset : offset + count].copy()

    def _count_walked(self) -> None:
        """Counts what was used of a buffer that is given up."""
        self.to_walk -= self.pos
        if self.to_walk < 0:
            raise self._too_many()

    def _begin(self) -> None:
        self.given = 0  # bytes expanded
        self._taken = 0  # bytes of the file used
        self._pending = b""
        try:
            self._engine = self.form.engine()
        except ShardError as error:
            raise ShardError(f"{self.path}: is {self.form.name}-compressed; {error}") from None

    def _next(self, most: int) -> bytes:
        """The next bytes of what the file expands to, at most so many; none at its end."""
        while True:
            if self._engine.eof and not self._next_member():
                self.known, self.size = True, self.given
                return b""
            data = self._input() if self._engine.needs_input else b""
            try:
                piece = self._engine.decompress(data, most)
            except _ERRORS as error:
                if "Memory usage limit" in str(error):
                    raise UnsafePickleError(
                        f"{self.path}: needs more than {_XZ_MEMORY:,} bytes of memory to be "
                        f"expanded. Expand it with the tool {self.form.name}."
                    ) from None
                raise self.corrupt(f"the {self.form.name} data are damaged ({error})") from None
            if piece:
                self.given += len(piece)
                if self.given > self.limit:
                    raise self._too_large()
                return piece
            if not data and self._engine.needs_input and not self._engine.eof:
                raise self.corrupt(
                    f"the {self.form.name} data are cut short: the file ends after {self.packed} "
                    f"bytes, which expand to {self.given}"
                )

    def _next_member(self) -> bool:
        """Goes on with what was compressed by itself and appended; other bytes are ignored."""
        rest = self._engine.unused_data or b""
        rest += self._input() if len(rest) < 8 else b""
        if not rest.startswith(self.form.magic):
            return False
        self._pending = rest
        self._engine = self.form.engine()
        return True

    def _input(self) -> bytes:
        if self._pending:
            data, self._pending = self._pending, b""
            return data
        piece = bytearray(min(CHUNK * 4, self.packed - self._taken))
        if not piece:
            return b""
        try:
            count = read_some(self.file, memoryview(piece), self._taken)
        except OSError as error:
            raise self.corrupt(f"cannot be read at byte {self._taken} ({error})") from error
        self._taken += count
        return bytes(piece[:count])

    def _too_large(self) -> UnsafePickleError:
        return UnsafePickleError(
            f"{self.path}: {self.packed:,} bytes, {self.form.name}-compressed, expand to more than "
            f"{self.limit:,}, the limit ({EXPANDED_RATIO} times the file, or "
            f"{EXPANDED_AT_LEAST:,} if that is more); nothing was kept. Expand the file with the "
            f"tool {self.form.name}; or, if you wrote it yourself, trust=True lifts the limit."
        )

    def _too_many(self) -> UnsafePickleError:
        return UnsafePickleError(
            f"{self.path}: {self.packed:,} bytes, {self.form.name}-compressed, expand to more "
            f"numbers and containers than can be walked one by one in good time "
            f"({WALKED_RATIO} times the bytes of the file, or {WALKED_AT_LEAST:,} if that is "
            "more); nothing was kept. Write the numbers as NumPy arrays; or, if you wrote it "
            "yourself, trust=True lifts the limit."
        )


def read_array(path_or_fd: str | os.PathLike[str] | int, stored: StoredArray) -> npt.NDArray[Any]:
    """Reads a `StoredArray` whole.

    A file descriptor is left open and, where the system has `os.pread`, its position is left
    alone, so that threads may share one.

    Args:
        path_or_fd: the pickle's path, or a descriptor open for reading.
        stored: what `walk` found in that file.

    Returns:
        A new, writable array of `stored.dtype` (byte order as stored) and `stored.shape`.

    Raises:
        CorruptShardError: if the file cannot be read or is shorter than the array needs.

    Example:

    ```python
    contents = walk("train_00000.pickle")
    images = read_array("train_00000.pickle", contents.fields["images"])
    ```
    """
    # Whoever found the array has seen how far the file expands.
    with open_source(path_or_fd, bounded=False) as source:
        data = source.read(stored.offset, stored.nbytes)
    return as_array(data, stored.dtype, stored.shape, stored.order)


def open_source(path: str | os.PathLike[str] | int, *, bounded: bool = True) -> Source:
    """Opens a file for reading; whatever fails is a `CorruptShardError`.

    Args:
        path: the file, or a descriptor.
        bounded: whether a compressed file may not expand to far more than its size. Defaults to
            `True`.
    """
    name = f"file descriptor {path}" if isinstance(path, int) else os.fspath(path)
    try:
        if isinstance(path, int):
            return _source(name, io.FileIO(path, closefd=False), bounded)
        # Opening a named pipe would wait for a writer.
        if os.path.exists(name) and not os.path.isfile(name):
            raise CorruptShardError(f"{name}: this is no file. A pickle file was expected.")
        return _source(name, io.FileIO(name), bounded)
    except OSError as error:
        raise CorruptShardError(
            f"{name}: the file cannot be opened ({error.strerror or error}). Restore it, or leave "
            "it out of the shards."
        ) from error


def _source(name: str, file: io.FileIO, bounded: bool) -> Source:
    try:
        source = Source(name, file)
        start = source.read(0, min(8, source.size)).tobytes()
        form = format_of(start)
        return source if form is None else Compressed(name, file, form, bounded)
    except BaseException:
        file.close()
        raise
