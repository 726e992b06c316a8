"""What the opcodes of a pickle leave behind: values, and notes of where bytes lie.

Numbers, `None`, short `str`, lists and tuples stand for themselves. The rest is here. Nothing
copies what it refers to, so a pickle that uses one value a million times stays small.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

# Longer byte strings and texts stay in the file until they are needed.
SHORT_BYTES = 256
SHORT_TEXT = 4096

MAX_DIMENSIONS = 32
LARGEST = 2**63 - 1  # bytes of an array

Order = Literal["C", "F"]


class Pairs(list[object]):
    """A dict as its keys and values in turn.

    Keys are not hashed: hashing tuples nested a million deep would overflow the C stack.
    """

    __slots__ = ()


class Numbers:
    """A run of numbers of one type inside a list, at eight bytes or one each."""

    __slots__ = ("values",)

    def __init__(self, values: array[Any]) -> None:
        self.values = values


class Opaque:
    """Something harmless that no field can be made of."""

    __slots__ = ("what",)

    def __init__(self, what: str) -> None:
        self.what = what


class Global:
    """An importable name that is allowed. It is never imported."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


@dataclass(slots=True)
class Payload:
    """A byte string or a long text.

    Args:
        kind: type in Python 3; `"str"` is the byte string of Python 2, `"text"` is unicode.
        encoding: how the bytes are written in the file; `"raw"` is as they are,
            `"inline"` means that `data` is all there is.
        offset: byte position in the file.
        length: bytes in the file.
        data: the bytes, if they are few; a `str` stands for its latin-1 bytes.
    """

    kind: Literal["bytes", "bytearray", "str", "text"]
    encoding: Literal["raw", "inline", "utf-8", "raw-unicode-escape", "string-escape"]
    offset: int = 0
    length: int = 0
    data: bytes | str | None = None


@dataclass(slots=True, eq=False)
class DType:
    """A dtype on its way: its code first, then its state.

    Args:
        code: what `np.dtype` is called with, such as `"i4"`.
        dtype: the dtype, once its state is known and if it holds no objects.
        objects: whether it is, or holds, dtype `object`.
        leaves: plain dtypes in it, counted as often as they are used.
        depth: nesting of structures.
    """

    code: str
    dtype: np.dtype[Any] | None = None
    objects: bool = False
    leaves: int = 1
    depth: int = 0

    @property
    def ready(self) -> bool:
        return self.objects or self.dtype is not None


@dataclass(slots=True, eq=False)
class ArrayNode:
    """An array on its way: nothing is known before its state, if it has one.

    Args:
        dtype: `None` for an array of objects.
        shape: as the bytes lie in memory, before `axes`.
        axes: how the axes are permuted afterwards. Defaults to `None`, not at all.
    """

    ready: bool = False
    dtype: np.dtype[Any] | None = None
    shape: tuple[int, ...] = ()
    order: Order = "C"
    payload: Payload | None = None
    axes: tuple[int, ...] | None = None

    @property
    def final_shape(self) -> tuple[int, ...]:
        if self.axes is None:
            return self.shape
        return tuple(self.shape[axis] for axis in self.axes)


class ScalarNode:
    """A NumPy scalar."""

    __slots__ = ("dtype", "payload")

    def __init__(self, dtype: np.dtype[Any], payload: Payload) -> None:
        self.dtype = dtype
        self.payload = payload


def as_text(value: object) -> str | None:
    """A short text, also one that Python 2 wrote as a byte string."""
    if type(value) is str:
        return value
    if isinstance(value, Payload) and value.kind != "text" and value.data is not None:
        data = value.data
        return data if isinstance(data, str) else data.decode("latin-1")
    return None


def dimensions(value: object) -> tuple[int, ...] | None:
    """A shape, if it is one that an array can have."""
    if type(value) is not tuple or len(value) > MAX_DIMENSIONS:
        return None
    if not all(type(size) is int and 0 <= size <= LARGEST for size in value):
        return None
    return value


def describe(value: object) -> str:
    """What a value is, in words for people."""
    if isinstance(value, Opaque):
        return value.what
    if isinstance(value, Payload):
        return "text" if value.kind in ("str", "text") else value.kind
    if isinstance(value, Global):
        return f"the name {value.name}"
    for types, words in _WORDS:
        if isinstance(value, types):
            return words
    return f"a {type(value).__name__}"


def show(value: object) -> str:
    """A number or a shape as it is, anything else in words; always short."""
    if type(value) is int and abs(value) < 2**64:
        return str(value)
    if type(value) is tuple and len(value) <= 16 and all(type(item) is int for item in value):
        return f"({', '.join(map(show, value))})"
    return describe(value)


_WORDS: tuple[tuple[Any, str], ...] = (
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
