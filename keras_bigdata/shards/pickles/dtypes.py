"""Dtypes from the code and state in a pickle, which may contradict one another."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Literal, cast

import numpy as np

from keras_bigdata.shards.pickles.nodes import DType, Pairs, as_text, describe, show
from keras_bigdata.shards.pickles.source import ByteSource

# Nesting of fields, and number of fields in all: structures that share parts could otherwise
# describe more fields than there are atoms, and every inspection would visit each of them.
MAX_DEPTH = 16
MAX_FIELDS = 1_000
MAX_ITEMSIZE = 2**31 - 1

_CODE = re.compile(
    r"(?:b1|[iu][1248]|f(?:2|4|8|12|16)|c(?:8|16|24|32)|[mM]8|([SUV])([0-9]{1,9}))\Z"
)
_OBJECT = re.compile(r"[|<>=]?O[0-9]*\Z")
_UNITS = frozenset(["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"])


def set_dtype_state(
    source: ByteSource, count: Callable[[int], None], node: DType, state: object, at: int
) -> None:
    """Completes `node` with a state as `dtype.__reduce__` returns it.

    Args:
        source: the file, for errors.
        count: called with the number of objects that are visited.
        node: the dtype.
        state: its pickled state.
        at: byte position of the opcode.

    Raises:
        UnsafePickleError: if it is an unknown kind of dtype.
        CorruptShardError: if its parts contradict one another.
    """
    if type(state) is not tuple or len(state) not in (8, 9) or state[0] != len(state) - 5:
        raise source.unsafe_error("gives a dtype a state of unknown form", at)
    if _OBJECT.match(node.code):
        node.objects = True
        return
    code = _CODE.match(node.code)
    if not code:
        raise source.unsafe_error(f"a dtype of the unknown code {node.code[:20]!a}", at)
    try:
        dtype = _complete_dtype(count, node, state)
    except (TypeError, ValueError, OverflowError) as error:
        raise source.corrupt_error(f"the dtype at byte {at} is impossible ({error})") from None
    if dtype is None:
        node.objects = True
        return
    itemsize = state[5]
    flexible = code[1] is not None
    if itemsize != dtype.itemsize and (flexible or itemsize != -1):
        raise source.corrupt_error(
            f"the dtype at byte {at} has items of {dtype.itemsize} bytes, "
            f"and its state says {show(itemsize)}"
        )
    node.dtype = dtype


def _complete_dtype(
    count: Callable[[int], None], node: DType, state: tuple[Any, ...]
) -> np.dtype[Any] | None:
    """Returns the dtype, or `None` if it holds objects.

    Raises:
        ValueError: if the parts of the state contradict one another.
    """
    text, subarray, names, fields = as_text(state[1]), state[2], state[3], state[4]
    if text not in ("<", ">", "|"):
        raise ValueError("unknown byte order")
    order = cast('Literal["<", ">", "|"]', text)
    if subarray is not None:
        return _subarray_dtype(node, subarray)
    if names is not None:
        count(sum(len(part) for part in (names, fields) if isinstance(part, (tuple, Pairs))))
        return _structured_dtype(node, names, fields, state)
    if node.code in ("m8", "M8"):
        return np.dtype(f"{node.code}{_datetime_unit(state)}").newbyteorder(order)
    if int(node.code[1:] or 0) * (4 if node.code[0] == "U" else 1) > MAX_ITEMSIZE:
        raise ValueError("too large")
    dtype = np.dtype(node.code)
    if order == "|" and dtype.byteorder != "|":
        raise ValueError("no byte order")
    return dtype.newbyteorder(order)


def _datetime_unit(state: tuple[Any, ...]) -> str:
    """Returns the unit of a datetime, such as `"[25s]"`."""
    metadata = state[8] if len(state) == 9 else None
    if type(metadata) is not tuple or len(metadata) != 2:
        raise ValueError("no unit")
    parts = metadata[1]
    if type(parts) is not tuple or len(parts) != 4:
        raise ValueError("no unit")
    unit, number = as_text(parts[0]), parts[1]
    # A divisor and an event count; NumPy has written both as 1 for a long time.
    if parts[2:] != (1, 1):
        raise ValueError("unknown unit")
    if unit == "generic":
        return ""
    if unit not in _UNITS or type(number) is not int or not 0 < number <= MAX_ITEMSIZE:
        raise ValueError("unknown unit")
    return f"[{number}{unit}]"


def _subarray_dtype(node: DType, subarray: object) -> np.dtype[Any] | None:
    if type(subarray) is not tuple or len(subarray) != 2:
        raise ValueError("a subarray without its shape")
    base, shape = subarray
    if not isinstance(base, DType) or type(shape) is not tuple or len(shape) > 16:
        raise ValueError("a subarray without its shape")
    if not all(type(size) is int and 0 <= size <= MAX_ITEMSIZE for size in shape):
        raise ValueError("a subarray of impossible shape")
    _add_parts(node, [base])
    if base.dtype is None:
        return None
    if base.dtype.itemsize * math.prod(shape) > MAX_ITEMSIZE:
        raise ValueError("too large")
    return np.dtype((base.dtype, shape))


def _structured_dtype(
    node: DType, names: object, fields: object, state: tuple[Any, ...]
) -> np.dtype[Any] | None:
    if type(names) is not tuple or type(fields) is not Pairs or len(names) > MAX_FIELDS:
        raise ValueError("fields without names")
    itemsize, flags = state[5], state[7]
    if type(itemsize) is not int or not 0 <= itemsize <= MAX_ITEMSIZE or type(flags) is not int:
        raise ValueError("fields without a size")
    entry_of = {as_text(key): entry for key, entry in zip(fields[::2], fields[1::2], strict=True)}
    entries = [_parse_field(entry_of.get(as_text(name)), itemsize) for name in names]
    _add_parts(node, [base for base, _, _ in entries])
    if node.objects or any(base.objects for base, _, _ in entries):
        return None
    texts = [str(as_text(name)) for name in names]
    layout: dict[str, Any] = {
        "names": texts,
        "formats": [base.dtype for base, _, _ in entries],
        "offsets": [offset for _, offset, _ in entries],
        "itemsize": itemsize,
    }
    titles = [title for _, _, title in entries]
    if any(title is not None for title in titles):
        layout["titles"] = titles
    dtype: np.dtype[Any] = np.dtype(layout, align=bool(flags & 0x80))  # type: ignore[call-overload]
    if dtype.names != tuple(texts):
        raise ValueError("names that fields cannot have")
    return dtype


def _parse_field(entry: object, itemsize: int) -> tuple[DType, int, str | None]:
    """Returns dtype, offset and title of one field, which must lie inside its structure."""
    if type(entry) is not tuple or len(entry) not in (2, 3):
        raise ValueError("a field without its dtype")
    base, offset = entry[:2]
    if not isinstance(base, DType) or not base.ready or type(offset) is not int or offset < 0:
        raise ValueError("a field without its dtype")
    if base.dtype is not None and offset + base.dtype.itemsize > itemsize:
        raise ValueError("a field that lies outside its structure")
    title = as_text(entry[2]) if len(entry) == 3 else None
    if len(entry) == 3 and title is None and entry[2] is not None:
        raise ValueError(f"a field whose title is {describe(entry[2])}")
    return base, offset, title


def _add_parts(node: DType, parts: list[DType]) -> None:
    """Adds the sizes of its parts to a dtype, within the limits."""
    if not all(part.ready for part in parts):
        raise ValueError("a part is not complete")
    node.leaves = sum(part.leaves for part in parts)
    node.depth = 1 + max((part.depth for part in parts), default=0)
    if node.leaves > MAX_FIELDS or node.depth > MAX_DEPTH:
        raise ValueError("too many fields")
