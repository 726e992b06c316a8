"""From the ways that pickles write bytes (raw, as text, as a quoted string) to the bytes."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

import numpy as np

from keras_bigdata.shards.pickles.nodes import Payload
from keras_bigdata.shards.pickles.stored import Bytes, Source

# Text is decoded in pieces, so that it is in memory once, as the bytes that it stands for.
_PIECE = 1 << 20

# Bytes in the file per byte that they stand for, at most: "\xff" in UTF-8, "\u005c" for a
# backslash, "\xff" spelled out.
_WIDEST = {"raw": 1, "inline": 1, "utf-8": 2, "raw-unicode-escape": 6, "string-escape": 4}

# Found here, so that no module is imported while a pickle is read.
_DECODERS = {name: codecs.getincrementaldecoder(name) for name in ("utf-8", "raw-unicode-escape")}

# What may follow a backslash in Python 2's repr of a byte string, once `\\` is out of the way.
_BAD_ESCAPE = re.compile(rb"\\(?!['\"nrt]|x[0-9a-fA-F]{2})")


def check_length(source: Source, payload: Payload, nbytes: int, what: str) -> None:
    """Refuses a payload that cannot stand for `nbytes` bytes, before anything is allocated."""
    length = payload.length
    if payload.encoding == "inline":
        length = len(payload.data or b"")
    elif payload.encoding == "string-escape":
        length -= 2  # the quotes
    widest = _WIDEST[payload.encoding]
    if not nbytes <= length <= nbytes * widest:
        raise source.corrupt(
            f"{what} needs {nbytes} bytes, but {length} bytes"
            f"{' of text' if widest > 1 else ''} are stored for it"
        )


def read_payload(source: Source, payload: Payload, nbytes: int) -> Bytes:
    """The `nbytes` bytes that a payload stands for.

    Raises:
        CorruptShardError: if it stands for more or fewer, or is no text of its encoding.
    """
    if payload.encoding == "raw" and payload.length == nbytes:
        return source.read(payload.offset, nbytes)
    out = np.empty(nbytes, np.uint8)
    done = 0
    try:
        for piece in _pieces(source, payload):
            if done + len(piece) > nbytes:
                raise source.corrupt(f"the text at byte {payload.offset} is too long")
            out[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
            done += len(piece)
    except UnicodeError:
        raise source.corrupt(f"the text at byte {payload.offset} stands for no bytes") from None
    if done != nbytes:
        raise source.corrupt(
            f"the text at byte {payload.offset} stands for {done} bytes where {nbytes} are needed"
        )
    return out


def read_text(source: Source, payload: Payload) -> str:
    """A text or byte string as `str`; byte strings are taken as latin-1."""
    if payload.kind == "text":
        data = source.read(payload.offset, payload.length).tobytes()
        errors = "surrogatepass" if payload.encoding == "utf-8" else "strict"
        try:
            return data.decode(payload.encoding, errors)
        except UnicodeDecodeError as error:
            raise source.corrupt(
                f"the text at byte {payload.offset} is not {payload.encoding} ({error.reason})"
            ) from None
    return read_bytes(source, payload).decode("latin-1")


def read_bytes(source: Source, payload: Payload) -> bytes:
    """A byte string of any encoding."""
    try:
        return b"".join(bytes(piece) for piece in _pieces(source, payload))
    except UnicodeError:
        raise source.corrupt(f"the text at byte {payload.offset} stands for no bytes") from None


def unescape(line: bytes) -> bytes | None:
    """What a byte string in quotes stands for; `None` if Python 2 would not have written it."""
    if len(line) < 2 or line[0] not in b"'\"" or line[-1] != line[0]:
        return None
    inner = line[1:-1]
    if b"\\" not in inner:
        return inner
    # Checked first: the decoder warns of an escape that it does not know.
    if _BAD_ESCAPE.search(inner.replace(rb"\\", b"__")):
        return None
    return codecs.escape_decode(inner)[0]


def _pieces(source: Source, payload: Payload) -> Iterator[bytes | Bytes]:
    """The bytes in pieces. Text that is not latin-1 is a UnicodeError."""
    if payload.data is not None:
        data = payload.data
        yield data.encode("latin-1") if isinstance(data, str) else data
    elif payload.encoding == "string-escape":
        line = unescape(source.read(payload.offset, payload.length).tobytes())
        if line is None:
            raise source.corrupt(
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
