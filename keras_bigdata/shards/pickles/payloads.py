"""Reads the bytes or the text that a `Payload` stands for, however it is written in the file."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

import numpy as np

from keras_bigdata.shards.pickles.nodes import Payload
from keras_bigdata.shards.pickles.source import Bytes, ByteSource

# Text is decoded in pieces, so that memory holds only the bytes that it stands for.
_PIECE = 1 << 20

# Maximum number of bytes in the file for one byte that they stand for: "\xff" in UTF-8, "\u005c"
# for a backslash, "\xff" spelled out.
_MAX_WIDTH = {"raw": 1, "inline": 1, "utf-8": 2, "raw-unicode-escape": 6, "string-escape": 4}

# Looked up here, so that no codec is imported while a pickle is read.
_DECODERS = {name: codecs.getincrementaldecoder(name) for name in ("utf-8", "raw-unicode-escape")}

# A backslash that does not begin an escape of Python 2's repr, once `\\` has been replaced.
_BAD_ESCAPE = re.compile(rb"\\(?!['\"nrt]|x[0-9a-fA-F]{2})")


def check_length(source: ByteSource, payload: Payload, nbytes: int, description: str) -> None:
    """Checks that a payload can stand for `nbytes` bytes, before any memory is allocated.

    Args:
        source: the file.
        payload: the bytes that are stored.
        nbytes: the bytes that are needed.
        description: the object that needs them, for the message.

    Raises:
        CorruptShardError: if the payload is shorter or longer than any encoding of `nbytes` bytes.
    """
    length = payload.length
    if payload.encoding == "inline":
        length = len(payload.data or b"")
    elif payload.encoding == "string-escape":
        length -= 2  # the quotes
    width = _MAX_WIDTH[payload.encoding]
    if not nbytes <= length <= nbytes * width:
        raise source.corrupt_error(
            f"{description} needs {nbytes} bytes, but {length} bytes"
            f"{' of text' if width > 1 else ''} are stored for it"
        )


def read_payload(source: ByteSource, payload: Payload, nbytes: int) -> Bytes:
    """Reads the `nbytes` bytes that a payload stands for.

    Raises:
        CorruptShardError: if it stands for more or fewer bytes, or cannot be decoded.
    """
    if payload.encoding == "raw" and payload.length == nbytes:
        return source.read(payload.offset, nbytes)
    out = np.empty(nbytes, np.uint8)
    done = 0
    try:
        for piece in _decode_pieces(source, payload):
            if done + len(piece) > nbytes:
                raise source.corrupt_error(f"the text at byte {payload.offset} is too long")
            out[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
            done += len(piece)
    except UnicodeError:
        raise _not_bytes_error(source, payload) from None
    if done != nbytes:
        raise source.corrupt_error(
            f"the text at byte {payload.offset} stands for {done} bytes where {nbytes} are needed"
        )
    return out


def read_text(source: ByteSource, payload: Payload) -> str:
    """Reads a text or byte string as `str`; a byte string is decoded as latin-1."""
    if payload.kind == "text":
        data = source.read(payload.offset, payload.length).tobytes()
        errors = "surrogatepass" if payload.encoding == "utf-8" else "strict"
        try:
            return data.decode(payload.encoding, errors)
        except UnicodeDecodeError as error:
            raise source.corrupt_error(
                f"the text at byte {payload.offset} is not {payload.encoding} ({error.reason})"
            ) from None
    return read_bytes(source, payload).decode("latin-1")


def read_bytes(source: ByteSource, payload: Payload) -> bytes:
    """Reads a byte string of any encoding."""
    try:
        return b"".join(bytes(piece) for piece in _decode_pieces(source, payload))
    except UnicodeError:
        raise _not_bytes_error(source, payload) from None


def unescape(line: bytes) -> bytes | None:
    """Decodes a quoted byte string with escapes.

    Returns:
        The bytes; `None` if the line is not in the form that Python 2 wrote.
    """
    if len(line) < 2 or line[0] not in b"'\"" or line[-1] != line[0]:
        return None
    inner = line[1:-1]
    if b"\\" not in inner:
        return inner
    # Checked first, because the decoder warns about unknown escapes.
    if _BAD_ESCAPE.search(inner.replace(rb"\\", b"__")):
        return None
    return codecs.escape_decode(inner)[0]


def _decode_pieces(source: ByteSource, payload: Payload) -> Iterator[bytes | Bytes]:
    """Yields the bytes in pieces.

    Raises:
        UnicodeError: if the text is not in its encoding, or not latin-1.
    """
    if payload.data is not None:
        data = payload.data
        yield data.encode("latin-1") if isinstance(data, str) else data
    elif payload.encoding == "string-escape":
        line = unescape(source.read(payload.offset, payload.length).tobytes())
        if line is None:
            raise source.corrupt_error(
                f"the string at byte {payload.offset} lacks its quotes or has an unknown escape"
            )
        yield line
    else:
        decoder = None
        if payload.encoding != "raw":
            decoder = _DECODERS[payload.encoding]()
        end = payload.offset + payload.length
        for start in range(payload.offset, end, _PIECE):
            piece = source.read(start, min(_PIECE, end - start))
            if decoder is None:
                yield piece
            else:
                yield decoder.decode(piece.tobytes(), start + _PIECE >= end).encode("latin-1")


def _not_bytes_error(source: ByteSource, payload: Payload) -> Exception:
    return source.corrupt_error(f"the text at byte {payload.offset} does not stand for bytes")
