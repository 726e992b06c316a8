"""Pickles assembled by hand, and checks that reading them runs no code and costs little.

The functions `num`, `text`, `py2`, `raw`, `name`, `tup`, `lst`, `dic`, `call`, `dtype`, `array` and
`structure` each return the opcodes that push one value.
"""

from __future__ import annotations

import os
import pickle
import struct
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from keras_bigdata import BigDataError, UnsafePickleError
from keras_bigdata.shards.pickles import PickleContents, find_arrays


def num(value: int) -> bytes:
    """Returns the opcode of an integer."""
    return b"J" + struct.pack("<i", value)


def text(value: str) -> bytes:
    """Returns the opcode of a text."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def py2(value: bytes) -> bytes:
    """Returns the opcode of a byte string as Python 2 writes it."""
    if len(value) < 256:
        return b"U" + bytes([len(value)]) + value
    return b"T" + struct.pack("<i", len(value)) + value


def raw(value: bytes) -> bytes:
    """Returns the opcode of a byte string as Python 3 writes it."""
    return b"B" + struct.pack("<I", len(value)) + value


def name(module: str, attribute: str) -> bytes:
    """Returns the opcode of an importable name."""
    return f"c{module}\n{attribute}\n".encode()


def tup(*items: bytes) -> bytes:
    """Returns the opcodes of a tuple."""
    return b"(" + b"".join(items) + b"t"


def lst(*items: bytes) -> bytes:
    """Returns the opcodes of a list."""
    return b"](" + b"".join(items) + b"e"


def dic(**items: bytes) -> bytes:
    """Returns the opcodes of a dict."""
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def call(function: bytes, *args: bytes) -> bytes:
    """Returns the opcodes of a call."""
    return function + tup(*args) + b"R"


def dtype(
    code: str,
    order: str = "<",
    itemsize: int = -1,
    *,
    names: bytes = b"N",
    fields: bytes = b"N",
    subarray: bytes = b"N",
    python2: bool = False,
) -> bytes:
    """Returns the opcodes of a dtype, as NumPy writes it in Python 3 or Python 2."""

    def string(value: str) -> bytes:
        return py2(value.encode()) if python2 else text(value)

    state = tup(num(3), string(order), subarray, names, fields, num(itemsize), num(-1), num(0))
    return call(name("numpy", "dtype"), string(code), num(0), num(1)) + state + b"b"


def array(
    dtype_bytes: bytes,
    shape: bytes,
    data: bytes,
    *,
    fortran: bytes = b"\x89",
    core: str = "numpy.core.multiarray",
    letter: bytes = b"U\x01b",
) -> bytes:
    """Returns the opcodes of an array, from those of its dtype, shape and bytes."""
    empty = call(name(core, "_reconstruct"), name("numpy", "ndarray"), tup(num(0)), letter)
    return empty + tup(num(1), shape, dtype_bytes, fortran, data) + b"b"


def write(path: Path, *parts: bytes) -> Path:
    """Writes the parts one after the other; returns the path."""
    path.write_bytes(b"".join(parts))
    return path


def structure(size: int, **fields: tuple[bytes, int]) -> bytes:
    """Returns a dtype of `size` bytes, with a dtype and an offset for each field."""
    return dtype(
        f"V{size}",
        "|",
        size,
        names=tup(*map(text, fields)),
        fields=dic(**{key: tup(kind, num(at)) for key, (kind, at) in fields.items()}),
    )


I4 = dtype("i4")
NDARRAY, DTYPE = name("numpy", "ndarray"), name("numpy", "dtype")
RECONSTRUCT = name("numpy.core.multiarray", "_reconstruct")
SCALAR = name("numpy.core.multiarray", "scalar")
FROMBUFFER = name("numpy.core.numeric", "_frombuffer")
EMPTY = call(RECONSTRUCT, NDARRAY, tup(num(0)), raw(b"b"))
ONE = array(I4, tup(num(1)), raw(bytes(4)))


_events: list[tuple[str, Any]] | None = None
_thread = 0
_HARMLESS = ("builtins.id", "array.__new__", "object.__getattr__", "sys._getframe")


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if _events is not None and threading.get_ident() == _thread and event not in _HARMLESS:
        _events.append((event, args))


sys.addaudithook(_audit)  # is called for each import, exec, open, call of os, ...


@contextmanager
def nothing_runs(path: Path) -> Iterator[None]:
    """Fails if the block imports, compiles, starts or opens anything except `path`."""
    global _events, _thread  # noqa: PLW0603
    before = set(sys.modules)
    _thread = threading.get_ident()
    _events = events = []
    try:
        yield
    finally:
        _events = None
    others = [(event, args) for event, args in events if event != "open" or args[0] != str(path)]
    assert others == [], f"ran {others[:5]}"
    assert set(sys.modules) == before, f"imported {set(sys.modules) - before}"


@contextmanager
def limited_memory(path: Path, *, extra: int = 4 << 20) -> Iterator[None]:
    """Fails if the block takes more memory than twice the file and `extra` bytes."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * os.path.getsize(path) + extra


def assert_refused(path: Path, error: type[BigDataError] = UnsafePickleError, **limits: Any) -> str:
    """Checks that a file is refused, in little memory; returns the message."""
    with nothing_runs(path), limited_memory(path, **limits), pytest.raises(error) as caught:
        find_arrays(path)
    message = str(caught.value)
    assert str(path) in message
    if error is UnsafePickleError:
        assert "nothing was run" in message
        assert "trust=True" in message
    return message


def find_or_error(path: Path) -> PickleContents | BigDataError:
    """Returns what `find_arrays` returns or raises."""
    try:
        return find_arrays(path)
    except BigDataError as error:
        return error


def dump(path: Path, value: object, protocol: int) -> Path:
    """Writes the pickle of a value; returns the path."""
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


def assert_same(found: Any, expected: Any) -> None:
    """Checks dtype, byte order included, shape and values."""
    assert found.dtype == expected.dtype
    assert_same_values(found, expected)


def assert_same_values(found: Any, expected: Any) -> None:
    """Checks shape and values bit for bit.

    Byte order and the padding of structures may differ: copies do not keep them.
    """
    assert found.shape == expected.shape
    assert found.dtype.names == expected.dtype.names
    if found.dtype.names:
        for name in found.dtype.names:
            assert_same_values(found[name], expected[name])
    else:
        assert found.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
        assert found.astype(expected.dtype).tobytes() == expected.tobytes()
