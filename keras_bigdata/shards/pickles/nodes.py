"""The values that the opcodes of a pickle produce: symbols, never the objects themselves.

Numbers, `None`, short `str`, lists and tuples stand for themselves. All other values are classes
of this file. None of them copies what it refers to, so a pickle that uses one value a million
times stays small.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from keras_bigdata.shards.pickles.source import ByteSource

# Longer byte strings and texts stay in the file until they are needed.
SHORT_BYTES = 256
SHORT_TEXT = 4096

MAX_DIMENSIONS = 32
MAX_ARRAY_BYTES = 2**63 - 1

Order = Literal["C", "F"]


class Pairs(list[object]):
    """A dict as a flat list of its keys and values in turn.

    Keys are not hashed: hashing tuples nested a million deep would overflow the C stack.
    """

    __slots__ = ()


class Numbers:
    """A run of numbers of one type inside a list, stored in eight bytes or one each.

    Args:
        values: an `array.array` of typecode `"q"`, `"d"` or `"B"` (for booleans).
    """

    __slots__ = ("values",)

    def __init__(self, values: array[Any]) -> None:
        self.values = values


class Opaque:
    """A harmless value that cannot become a field.

    Args:
        description: what it is, for messages.
    """

    __slots__ = ("description",)

    def __init__(self, description: str) -> None:
        self.description = description


class Global:
    """An importable name that a pickle may use. It is never imported.

    Args:
        name: module and attribute, the same for all versions of the module.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


@dataclass(slots=True)
class Payload:
    """A byte string or a long text.

    Args:
        kind: type in Python 3; `"str"` is the byte string of Python 2, `"text"` is unicode.
        encoding: how the bytes are written in the file; `"raw"` for the bytes themselves,
            `"inline"` if only `data` holds them.
        offset: byte position in the file. Defaults to `0`.
        length: bytes in the file. Defaults to `0`.
        data: the bytes, if they are few; a `str` stands for its latin-1 bytes. Defaults to `None`.
    """

    kind: Literal["bytes", "bytearray", "str", "text"]
    encoding: Literal["raw", "inline", "utf-8", "raw-unicode-escape", "string-escape"]
    offset: int = 0
    length: int = 0
    data: bytes | str | None = None


@dataclass(slots=True, eq=False)
class DType:
    """A dtype, which a pickle defines in two steps: first its code, then its state.

    Args:
        code: the argument of `np.dtype`, such as `"i4"`.
        dtype: the dtype, once its state is known and if it holds no objects.
        objects: whether it is, or contains, dtype `object`.
        leaves: number of plain dtypes in it, each counted as often as it is used.
        depth: nesting of structures.
    """

    code: str
    dtype: np.dtype[Any] | None = None
    objects: bool = False
    leaves: int = 1
    depth: int = 0

    @property
    def ready(self) -> bool:
        """Whether its state is known."""
        return self.objects or self.dtype is not None


@dataclass(slots=True, eq=False)
class ArrayNode:
    """An array, whose attributes are unknown until its state has been set.

    Args:
        ready: whether its state is known.
        dtype: `None` for an array of objects.
        shape: as the bytes lie in memory, before `axes`.
        order: the memory order of the bytes.
        payload: its bytes.
        axes: how the axes are permuted afterwards. Defaults to `None`: they are not permuted.
    """

    ready: bool = False
    dtype: np.dtype[Any] | None = None
    shape: tuple[int, ...] = ()
    order: Order = "C"
    payload: Payload | None = None
    axes: tuple[int, ...] | None = None

    @property
    def final_shape(self) -> tuple[int, ...]:
        """The shape after the axes are permuted."""
        if self.axes is None:
            return self.shape
        return tuple(self.shape[axis] for axis in self.axes)

    def set_layout(self, source: ByteSource, dtype: DType, shape: object) -> int:
        """Sets dtype and shape, if an array can have them. Returns the bytes of the array.

        Raises:
            CorruptShardError: if the dtype is not plain, or the shape is impossible.
        """
        sizes = checked_shape(shape)
        if sizes is None:
            raise source.corrupt_error(f"an array has the impossible shape {show(shape)}")
        if dtype.dtype is None or dtype.dtype.subdtype is not None:
            raise source.corrupt_error("an array has no plain dtype")
        itemsize = dtype.dtype.itemsize
        if math.prod(size for size in sizes if size) * max(itemsize, 1) > MAX_ARRAY_BYTES:
            raise source.corrupt_error(
                f"an array of shape {sizes} and {itemsize} bytes per element is larger than any "
                "array"
            )
        elements = math.prod(sizes)
        if elements and not itemsize:
            raise source.corrupt_error(f"an array of shape {sizes} has no bytes to read")
        self.dtype, self.shape = dtype.dtype, sizes
        return elements * itemsize


class ScalarNode:
    """A NumPy scalar."""

    __slots__ = ("dtype", "payload")

    def __init__(self, dtype: np.dtype[Any], payload: Payload) -> None:
        self.dtype = dtype
        self.payload = payload


def as_text(value: object) -> str | None:
    """Returns a short text as `str`, `None` for any other value.

    A byte string counts as latin-1 text, because Python 2 wrote its texts as byte strings.
    """
    if type(value) is str:
        return value
    if isinstance(value, Payload) and value.kind != "text" and value.data is not None:
        data = value.data
        return data if isinstance(data, str) else data.decode("latin-1")
    return None


def checked_shape(value: object) -> tuple[int, ...] | None:
    """Returns the value if it is a shape that an array can have, else `None`."""
    if type(value) is not tuple or len(value) > MAX_DIMENSIONS:
        return None
    if not all(type(size) is int and 0 <= size <= MAX_ARRAY_BYTES for size in value):
        return None
    return value


def describe(value: object) -> str:
    """Returns the kind of a value, for messages."""
    if isinstance(value, Opaque):
        return value.description
    if isinstance(value, Payload):
        return "text" if value.kind in ("str", "text") else value.kind
    if isinstance(value, Global):
        return f"the name {value.name}"
    for types, description in _DESCRIPTIONS:
        if isinstance(value, types):
            return description
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def show(value: object) -> str:
    """Returns a number or a shape as text, and the kind of any other value; always short."""
    if type(value) is int and abs(value) < 2**64:
        return str(value)
    if type(value) is tuple and len(value) <= 16 and all(type(item) is int for item in value):
        return f"({', '.join(map(show, value))})"
    return describe(value)


_DESCRIPTIONS: tuple[tuple[Any, str], ...] = (
    (type(None), "None"),
    (str, "text"),
    ((int, float, complex, ScalarNode, np.generic), "a single number"),
    ((Pairs, dict), "a dict"),
    (list, "a list"),
    (tuple, "a tuple"),
    ((ArrayNode, np.ndarray), "an array"),
    (DType, "a dtype"),
    (Numbers, "numbers"),
)
