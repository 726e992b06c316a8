"""Arrays from what a pickle holds: decoded text, and lists of numbers, strings or arrays."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from keras_bigdata.shards.pickles.nodes import (
    LARGEST,
    MAX_DIMENSIONS,
    ArrayNode,
    Numbers,
    Pairs,
    Payload,
    ScalarNode,
    describe,
    show,
)
from keras_bigdata.shards.pickles.source import Bytes, Source, StoredArray, as_array

Array = npt.NDArray[Any]

# Numbers from many short lists that are put in one list before they are written.
_AT_ONCE = 1 << 18

_PLAIN = frozenset((bool, int, float, complex))
NUMBERS = _PLAIN | {Numbers}
_PACKED = {"B": np.dtype(bool), "q": np.dtype(np.int64), "d": np.dtype(np.float64)}
_OF_TYPE: dict[type, np.dtype[Any]] = {
    bool: np.dtype(bool),
    int: np.dtype(np.int64),
    float: np.dtype(np.float64),
    complex: np.dtype(np.complex128),
}


class LeftOut(Exception):
    """Why no field can be made of a value."""


class Extent(NamedTuple):
    """Shape and dtype of the array that a value becomes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Decoder:
    """Makes arrays, each value once, and keeps the total in bounds."""

    def __init__(self, source: Source, limit: float) -> None:
        self.source = source
        self.left = limit
        self.to_read = limit
        self.name = ""  # of the field at work
        self.made: dict[int, Array] = {}
        self.extents: dict[int, Extent | str] = {}

    def field(self, name: str, value: object) -> StoredArray | Array:
        """What a field becomes; a `LeftOut` says why it becomes nothing."""
        self.name = name
        if isinstance(value, (ArrayNode, np.ndarray)):
            return self.array_field(value)
        if not isinstance(value, (list, tuple)) or isinstance(value, Pairs):
            raise LeftOut(f"{describe(value)}, not an array")
        if id(value) not in self.made:
            extent = self.extent(value, 0)
            self.spend(extent)
            out = np.empty(extent.shape, extent.dtype)
            try:
                if out.size:
                    self.fill(out, value)
            except OverflowError:
                raise LeftOut("integers that need more than 64 bits") from None
            self.made[id(value)] = out
        return self.made[id(value)]

    def array_field(self, value: ArrayNode | Array) -> StoredArray | Array:
        extent = self.extent(value, 0)
        if isinstance(value, np.ndarray):
            if isinstance(value, np.ma.MaskedArray):
                raise LeftOut("a masked array: save its .data and its .mask")
            return np.asarray(value)
        payload = value.payload
        if payload and payload.encoding == "raw" and value.axes is None:
            return StoredArray(extent.dtype, extent.shape, payload.offset, value.order)
        if id(value) not in self.made:
            self.spend(extent)
            self.made[id(value)] = self.array(value)
        return self.made[id(value)]

    def spend(self, extent: Extent) -> None:
        """Counts an array against what may be decoded, before it is allocated."""
        nbytes = math.prod(extent.shape) * extent.dtype.itemsize
        largest = math.prod(size for size in extent.shape if size) * extent.dtype.itemsize
        if len(extent.shape) > MAX_DIMENSIONS or largest > LARGEST:
            raise LeftOut(f"an array of shape {show(extent.shape)} is larger than any can be")
        if nbytes > self.left:
            if extent.dtype.kind in "SU":
                raise LeftOut(f"as an array the strings would take {nbytes:,} bytes")
            raise self.source.unsafe(
                f"its lists repeat their parts until they take {nbytes:,} bytes, "
                f"from a file of {self.source.size:,}"
            )
        self.left -= nbytes

    # How large ----------------------------------------------------------------------------------

    def extent(self, value: object, depth: int) -> Extent:
        """Shape and dtype of what a value becomes; each list is looked at once."""
        if isinstance(value, ScalarNode):
            return Extent((), value.dtype)
        if isinstance(value, (np.ndarray, np.generic)):
            if value.dtype.hasobject:
                raise LeftOut("an array of objects")
            return Extent(value.shape, value.dtype)
        if isinstance(value, ArrayNode):
            return Extent(value.final_shape, self.dtype_of(value))
        if type(value) in _OF_TYPE:
            return Extent((), _OF_TYPE[type(value)])
        if not isinstance(value, (list, tuple)) or isinstance(value, Pairs):
            raise LeftOut(f"a list that holds {describe(value)}")
        if depth == MAX_DIMENSIONS:
            raise LeftOut(f"lists nested more than {MAX_DIMENSIONS} deep")
        known = self.extents.get(id(value))
        if known is None:
            self.extents[id(value)] = "a list that holds itself"
            try:
                known = self.extent_of_list(value, depth)
            except LeftOut as reason:
                known = str(reason)
            self.extents[id(value)] = known
        if isinstance(known, str):
            raise LeftOut(known)
        if len(known.shape) + depth > MAX_DIMENSIONS:
            raise LeftOut(f"lists nested more than {MAX_DIMENSIONS} deep")
        return known

    def extent_of_list(self, items: Sequence[object], depth: int) -> Extent:
        types = set(map(type, items))
        if not types:
            raise LeftOut("an empty list, which tells no dtype")
        if types <= NUMBERS:
            return self.extent_of_numbers(items, types - {Numbers})
        if types <= {str, bytes, Payload}:
            return self.extent_of_strings(items)
        shapes: set[tuple[int, ...]] = set()
        dtypes: dict[int, np.dtype[Any]] = {}  # by identity: comparing them all could take long
        for item in items:
            extent = self.extent(item, depth + 1)
            shapes.add(extent.shape)
            dtypes[id(extent.dtype)] = extent.dtype
        if len(shapes) > 1:
            raise LeftOut(f"a ragged list: its items have {len(shapes)} different shapes")
        return Extent((len(items), *shapes.pop()), _common(set(dtypes.values())))

    def extent_of_numbers(self, items: Sequence[object], types: set[type]) -> Extent:
        chunks = [item.values for item in items if isinstance(item, Numbers)]
        dtypes = {_OF_TYPE[each] for each in types} | {_PACKED[each.typecode] for each in chunks}
        length = len(items) - len(chunks) + sum(map(len, chunks))
        return Extent((length,), _common(dtypes))

    def dtype_of(self, node: ArrayNode) -> np.dtype[Any]:
        if not node.ready:
            raise self.source.corrupt("an array was begun and never given its bytes")
        if node.dtype is None:
            raise self.source.unsafe(
                f"the field {self.name[:100]!a} is or holds an array of objects, which can be "
                "anything; give it a plain dtype, as .astype(str), .astype(float) or np.stack do"
            )
        return node.dtype

    def extent_of_strings(self, items: Sequence[Any]) -> Extent:
        texts = self.strings(items)
        if any(text[-1:] in ("\0", b"\0") for text in texts):
            raise LeftOut("strings that end in a null character, which NumPy drops")
        longest = max(1, *map(len, texts))
        return Extent(
            (len(texts),), np.dtype(f"{'U' if isinstance(texts[0], str) else 'S'}{longest}")
        )

    def strings(self, items: Sequence[Any]) -> list[str] | list[bytes]:
        """All as `str`, or all as `bytes`."""
        # A long text used often would be read as often.
        self.to_read -= sum(_cost(item) for item in items if isinstance(item, Payload))
        if self.to_read < 0:
            raise LeftOut("strings that are repeated until they are far larger than the file")
        if all(_is_bytes(item) for item in items):
            return [
                item if isinstance(item, bytes) else read_bytes(self.source, item) for item in items
            ]
        if any(_is_bytes(item) for item in items):
            raise LeftOut("a list that mixes bytes and text")
        return [item if isinstance(item, str) else read_text(self.source, item) for item in items]

    # Filling ------------------------------------------------------------------------------------

    def array(self, node: ArrayNode) -> Array:
        """An array read or decoded."""
        dtype = self.dtype_of(node)
        payload = node.payload or Payload("bytes", "inline", data=b"")
        data = read_payload(self.source, payload, math.prod(node.shape) * dtype.itemsize)
        whole = as_array(data, dtype, node.shape, node.order)
        return whole if node.axes is None else whole.transpose(node.axes)

    def fill(self, out: Array, items: Sequence[Any]) -> None:
        """Writes a list of the extent of `out`, which is not empty."""
        types = set(map(type, items))
        if types <= _PLAIN:
            out[:] = items
        elif types <= {str, bytes, Payload}:
            out[:] = self.strings(items)
        elif types == {ScalarNode} and len({id(item.dtype) for item in items}) == 1:
            data = b"".join(read_bytes(self.source, item.payload) for item in items)
            out[:] = np.frombuffer(data, items[0].dtype)
        elif types <= {list, tuple}:
            # Many short lists are quicker as a few long ones.
            step = max(1, _AT_ONCE * len(items) // out.size)
            for start in range(0, len(items), step):
                part = out[start : start + step]
                flat = list(chain.from_iterable(items[start : start + step]))
                self.fill(part.reshape(-1, *out.shape[2:]), flat)
        else:
            done = 0
            for item in items:
                done += self.fill_one(out, done, item)

    def fill_one(self, out: Array, at: int, item: object) -> int:
        """Writes one item at `out[at]`; gives how many rows it took."""
        if isinstance(item, Numbers):
            chunk = np.frombuffer(item.values, _PACKED[item.values.typecode])
            out[at : at + len(chunk)] = chunk
            return len(chunk)
        if isinstance(item, (list, tuple)):
            self.fill(out[at], item)
        elif isinstance(item, ArrayNode):
            out[at, ...] = self.array(item)
        elif isinstance(item, ScalarNode):
            out[at : at + 1] = np.frombuffer(read_bytes(self.source, item.payload), item.dtype)
        else:
            out[at, ...] = item
        return 1


def _cost(payload: Payload) -> int:
    return payload.length if payload.data is None else len(payload.data)


def _is_bytes(item: object) -> bool:
    return isinstance(item, bytes) or (
        isinstance(item, Payload) and item.kind in ("bytes", "bytearray")
    )


def _common(dtypes: set[np.dtype[Any]]) -> np.dtype[Any]:
    """The dtype that holds them all exactly enough; strings of different length are fine."""
    kinds = {dtype.kind for dtype in dtypes}
    if len(dtypes) == 1:
        return next(iter(dtypes))
    if not kinds <= set("biufc") and kinds not in ({"U"}, {"S"}):
        names = " and ".join(sorted({dtype.name for dtype in dtypes})[:4])
        raise LeftOut(f"a list that mixes {names}")
    result = np.result_type(*dtypes)
    if kinds <= set("iu") and result.kind == "f":
        raise LeftOut("a list of integers that no one integer dtype holds")
    return result


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
