"""Decodes the nodes of a pickle into arrays: text-encoded arrays, and lists of any values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from keras_bigdata.shards.pickles.advice import advice_for_object
from keras_bigdata.shards.pickles.nodes import (
    MAX_ARRAY_BYTES,
    MAX_DIMENSIONS,
    ArrayNode,
    Numbers,
    Pairs,
    Payload,
    ScalarNode,
    describe,
    show,
)
from keras_bigdata.shards.pickles.payloads import read_bytes, read_payload, read_text
from keras_bigdata.shards.pickles.source import ByteSource, StoredArray, view_as_array

Array = npt.NDArray[Any]

# Number of items of many short lists that are joined in one list before they are written.
_CHUNK_NUMBERS = 1 << 18

_PLAIN_TYPES = frozenset((bool, int, float, complex))
NUMBER_TYPES = _PLAIN_TYPES | {Numbers}
_TYPECODE_DTYPES = {"B": np.dtype(bool), "q": np.dtype(np.int64), "d": np.dtype(np.float64)}
_TYPE_DTYPES: dict[type, np.dtype[Any]] = {
    bool: np.dtype(bool),
    int: np.dtype(np.int64),
    float: np.dtype(np.float64),
    complex: np.dtype(np.complex128),
}


class NotAnArray(Exception):
    """A value cannot become a field; the message is the reason."""


class Extent(NamedTuple):
    """Shape and dtype of the array that a value becomes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Decoder:
    """Turns values into arrays, each value once, within a limit on the total number of bytes.

    Args:
        source: the file.
        limit: maximum number of bytes that may be decoded in total.
    """

    def __init__(self, source: ByteSource, limit: float) -> None:
        self._source = source
        self._budget = limit
        self._text_budget = limit
        self._field_name = ""  # of the current field, for messages
        self._arrays: dict[int, Array] = {}
        self._extents: dict[int, Extent | str] = {}

    def decode(self, name: str, value: object) -> StoredArray | Array:
        """Returns the array that a field becomes, or where it lies in the file.

        Args:
            name: name of the field, for messages.
            value: the node of its value.

        Raises:
            NotAnArray: if the value cannot become an array.
            UnsafePickleError: if it is an array of objects, or far larger than the file.
            CorruptShardError: if the bytes in the file are not those of such an array.
        """
        self._field_name = name
        if isinstance(value, (ArrayNode, np.ndarray)):
            return self._decode_array(value)
        if not isinstance(value, (list, tuple)) or isinstance(value, Pairs):
            advice = advice_for_object(value)
            raise NotAnArray(f"{describe(value)}, not an array{f': {advice}' if advice else ''}")
        if id(value) not in self._arrays:
            extent = self._extent(value, 0)
            self._spend(extent)
            out = np.empty(extent.shape, extent.dtype)
            try:
                if out.size:
                    self._fill(out, value)
            except OverflowError:
                raise NotAnArray("integers that need more than 64 bits") from None
            self._arrays[id(value)] = out
        return self._arrays[id(value)]

    def _decode_array(self, value: ArrayNode | Array) -> StoredArray | Array:
        extent = self._extent(value, 0)
        if isinstance(value, np.ndarray):
            if isinstance(value, np.ma.MaskedArray):
                raise NotAnArray("a masked array: save its .data and its .mask")
            return np.asarray(value)
        payload = value.payload
        if payload and payload.encoding == "raw" and value.axes is None:
            return StoredArray(extent.dtype, extent.shape, payload.offset, value.order)
        if id(value) not in self._arrays:
            self._spend(extent)
            self._arrays[id(value)] = self._read_array(value)
        return self._arrays[id(value)]

    def _spend(self, extent: Extent) -> None:
        """Subtracts an array from the bytes that may be decoded, before it is allocated."""
        nbytes = math.prod(extent.shape) * extent.dtype.itemsize
        largest = math.prod(size for size in extent.shape if size) * extent.dtype.itemsize
        if len(extent.shape) > MAX_DIMENSIONS or largest > MAX_ARRAY_BYTES:
            raise NotAnArray(f"an array of shape {show(extent.shape)} is larger than arrays can be")
        if nbytes > self._budget:
            if extent.dtype.kind in "SU":
                raise NotAnArray(f"as an array the strings would take {nbytes:,} bytes")
            raise self._source.unsafe_error(
                f"its lists repeat their parts until they take {nbytes:,} bytes, "
                f"from a file of {self._source.size:,}"
            )
        self._budget -= nbytes

    # Shape and dtype ----------------------------------------------------------------------------

    def _extent(self, value: object, depth: int) -> Extent:
        """Returns shape and dtype of the array of a value; inspects each list once."""
        if isinstance(value, ScalarNode):
            return Extent((), value.dtype)
        if isinstance(value, (np.ndarray, np.generic)):
            if value.dtype.hasobject:
                raise NotAnArray("an array of objects")
            return Extent(value.shape, value.dtype)
        if isinstance(value, ArrayNode):
            return Extent(value.final_shape, self._array_dtype(value))
        if type(value) in _TYPE_DTYPES:
            return Extent((), _TYPE_DTYPES[type(value)])
        if not isinstance(value, (list, tuple)) or isinstance(value, Pairs):
            raise NotAnArray(f"a list that holds {describe(value)}")
        if depth == MAX_DIMENSIONS:
            raise NotAnArray(f"lists nested more than {MAX_DIMENSIONS} deep")
        extent = self._extents.get(id(value))
        if extent is None:
            self._extents[id(value)] = "a list that holds itself"
            try:
                extent = self._list_extent(value, depth)
            except NotAnArray as reason:
                extent = str(reason)
            self._extents[id(value)] = extent
        if isinstance(extent, str):
            raise NotAnArray(extent)
        if len(extent.shape) + depth > MAX_DIMENSIONS:
            raise NotAnArray(f"lists nested more than {MAX_DIMENSIONS} deep")
        return extent

    def _list_extent(self, items: Sequence[object], depth: int) -> Extent:
        types = set(map(type, items))
        if not types:
            raise NotAnArray("an empty list, which has no dtype")
        if types <= NUMBER_TYPES:
            return self._numbers_extent(items, types - {Numbers})
        if types <= {str, bytes, Payload}:
            return self._strings_extent(items)
        shapes: set[tuple[int, ...]] = set()
        dtypes: dict[int, np.dtype[Any]] = {}  # by identity: comparing them all could take long
        for item in items:
            extent = self._extent(item, depth + 1)
            shapes.add(extent.shape)
            dtypes[id(extent.dtype)] = extent.dtype
        if len(shapes) > 1:
            raise NotAnArray(f"a ragged list: its items have {len(shapes)} different shapes")
        return Extent((len(items), *shapes.pop()), _common_dtype(set(dtypes.values())))

    def _numbers_extent(self, items: Sequence[object], types: set[type]) -> Extent:
        runs = [item.values for item in items if isinstance(item, Numbers)]
        dtypes = {_TYPE_DTYPES[each] for each in types}
        dtypes |= {_TYPECODE_DTYPES[each.typecode] for each in runs}
        length = len(items) - len(runs) + sum(map(len, runs))
        return Extent((length,), _common_dtype(dtypes))

    def _array_dtype(self, node: ArrayNode) -> np.dtype[Any]:
        if not node.ready:
            raise self._source.corrupt_error("an array was begun, but its bytes are missing")
        if node.dtype is None:
            raise self._source.unsafe_error(
                f"the field {self._field_name[:100]!a} is or holds an array of objects, which can "
                "be anything; give it a plain dtype, as .astype(str), .astype(float) or np.stack "
                "do",
                trust_helps=False,
            )
        return node.dtype

    def _strings_extent(self, items: Sequence[Any]) -> Extent:
        texts = self._read_strings(items)
        if any(text[-1:] in ("\0", b"\0") for text in texts):
            raise NotAnArray("strings that end in a null character, which NumPy drops")
        longest = max(1, *map(len, texts))
        return Extent(
            (len(texts),), np.dtype(f"{'U' if isinstance(texts[0], str) else 'S'}{longest}")
        )

    def _read_strings(self, items: Sequence[Any]) -> list[str] | list[bytes]:
        """Reads all items as `str`, or all as `bytes`."""
        # A long text that is used many times would be read many times.
        self._text_budget -= sum(_stored_bytes(item) for item in items if isinstance(item, Payload))
        if self._text_budget < 0:
            raise NotAnArray("strings that are repeated until they are far larger than the file")
        if all(_is_bytes(item) for item in items):
            return [
                item if isinstance(item, bytes) else read_bytes(self._source, item)
                for item in items
            ]
        if any(_is_bytes(item) for item in items):
            raise NotAnArray("a list that mixes bytes and text")
        return [item if isinstance(item, str) else read_text(self._source, item) for item in items]

    # Values -------------------------------------------------------------------------------------

    def _read_array(self, node: ArrayNode) -> Array:
        dtype = self._array_dtype(node)
        payload = node.payload or Payload("bytes", "inline", data=b"")
        data = read_payload(self._source, payload, math.prod(node.shape) * dtype.itemsize)
        array = view_as_array(data, dtype, node.shape, node.order)
        return array if node.axes is None else array.transpose(node.axes)

    def _fill(self, out: Array, items: Sequence[Any]) -> None:
        """Writes a list into an array of its extent, which is not empty."""
        types = set(map(type, items))
        if types <= _PLAIN_TYPES:
            out[:] = items
        elif types <= {str, bytes, Payload}:
            out[:] = self._read_strings(items)
        elif types == {ScalarNode} and len({id(item.dtype) for item in items}) == 1:
            data = b"".join(read_bytes(self._source, item.payload) for item in items)
            out[:] = np.frombuffer(data, items[0].dtype)
        elif types <= {list, tuple}:
            # A few long lists are faster than many short ones.
            step = max(1, _CHUNK_NUMBERS * len(items) // out.size)
            for start in range(0, len(items), step):
                part = out[start : start + step]
                flat = list(chain.from_iterable(items[start : start + step]))
                self._fill(part.reshape(-1, *out.shape[2:]), flat)
        else:
            done = 0
            for item in items:
                done += self._fill_item(out, done, item)

    def _fill_item(self, out: Array, at: int, item: object) -> int:
        """Writes one item at `out[at]`; returns the number of rows written."""
        if isinstance(item, Numbers):
            run = np.frombuffer(item.values, _TYPECODE_DTYPES[item.values.typecode])
            out[at : at + len(run)] = run
            return len(run)
        if isinstance(item, (list, tuple)):
            self._fill(out[at], item)
        elif isinstance(item, ArrayNode):
            out[at, ...] = self._read_array(item)
        elif isinstance(item, ScalarNode):
            out[at : at + 1] = np.frombuffer(read_bytes(self._source, item.payload), item.dtype)
        else:
            out[at, ...] = item
        return 1


def _stored_bytes(payload: Payload) -> int:
    return payload.length if payload.data is None else len(payload.data)


def _is_bytes(item: object) -> bool:
    return isinstance(item, bytes) or (
        isinstance(item, Payload) and item.kind in ("bytes", "bytearray")
    )


def _common_dtype(dtypes: set[np.dtype[Any]]) -> np.dtype[Any]:
    """Returns a dtype for all values; strings may differ in length.

    Raises:
        NotAnArray: if the dtypes are of different kinds, or integers would become floats.
    """
    kinds = {dtype.kind for dtype in dtypes}
    if len(dtypes) == 1:
        return next(iter(dtypes))
    if not kinds <= set("biufc") and kinds not in ({"U"}, {"S"}):
        names = " and ".join(sorted({dtype.name for dtype in dtypes})[:4])
        raise NotAnArray(f"a list that mixes {names}")
    result = np.result_type(*dtypes)
    if kinds <= set("iu") and result.kind == "f":
        raise NotAnArray("a list of integers that do not fit any one integer dtype")
    return result
