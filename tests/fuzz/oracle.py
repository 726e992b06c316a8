"""Loads an accepted file with pickle, with a few names allowed, and compares the values."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import re
import sys
import types
import warnings
import zlib
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from joblib import numpy_pickle

_NAMES = {
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core")
      for name in ("_reconstruct", "scalar")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    *(("numpy", name) for name in ("ndarray", "dtype")),
    *((module, name) for module in ("builtins", "__builtin__")
      for name in ("bytes", "bytearray", "set", "frozenset", "complex")),
    ("_codecs", "encode"),
    ("collections", "OrderedDict"),
}  # fmt: skip
_JOBLIB = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_FORBIDDEN = ("os.", "subprocess.", "socket.", "open", "exec", "compile", "shutil.", "ctypes.")

# For a memo entry with a large index pickle allocates all entries before it.
_FAR = re.compile(rb"[rj](?:..[^\0].|...[^\0])|p[0-9]{6}", re.DOTALL)

# A list of these types only is one field.
_ITEMS = (bool, int, float, complex, str, bytes, bytearray, np.generic)

_armed = False


class _Refused(Exception):
    pass


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise _Refused(module, name)
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


class _Joblib(numpy_pickle.NumpyUnpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in (_NAMES | {_JOBLIB}):
            raise _Refused(module, name)
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _refuse(*_: Any, **__: Any) -> None:
    raise _Refused("an array of objects")


def _audit(event: str, _: tuple[Any, ...]) -> None:
    if _armed and event.startswith(_FORBIDDEN):
        raise _Refused(event)


def load(data: bytes) -> Any:
    """Returns the value of a pickle, compressed or not.

    Raises:
        Exception: any exception of pickle, and if another name is used.
    """
    global _armed  # noqa: PLW0603
    data = _expanded(data)
    if _FAR.search(data):
        raise _Refused("far memo entries")
    _armed = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if _JOBLIB[1].encode() not in data:
                return _Plain(io.BytesIO(data), encoding="latin1").load()
            whole, numpy_pickle.pickle = numpy_pickle.pickle, types.SimpleNamespace(load=_refuse)
            try:
                return _Joblib("", io.BytesIO(data), True).load()
            finally:
                numpy_pickle.pickle = whole
    finally:
        _armed = False


def _expanded(data: bytes) -> bytes:
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:3] == b"BZh":
        return bz2.decompress(data)
    if data[:3] in (b"\xfd7z", b"\x5d\0\0"):
        return lzma.decompress(data)
    return zlib.decompress(data) if data[:1] == b"\x78" else data


def difference(data: bytes, read: Mapping[str, np.ndarray], skipped: Collection[str]) -> str | None:
    """Returns how the fields differ from what pickle loads; `None` if they agree or it fails."""
    try:
        value = load(data)
        expected = _named(value, read)
    except Exception:
        return None
    for name, found in read.items():
        if name not in expected:
            return "a field that is not there"
        try:
            reason = _difference(found, expected[name])
        except (TypeError, ValueError, OverflowError) as error:
            return f"{type(error).__name__} of {found.dtype} from {type(expected[name]).__name__}"
        if reason:
            return reason
    if any(name.startswith("(") for name in skipped):
        return None
    missing = [name for name in expected if name not in read and name not in skipped]
    return "a field is missing" if missing else None


def varlen_difference(
    data: bytes, name: str, values: np.ndarray, offsets: np.ndarray
) -> str | None:
    """Returns how values and offsets differ from what pickle loads; `None` if it fails."""
    try:
        stored = _named(load(data), {})[name]
    except Exception:
        return None
    if not isinstance(stored, dict) or set(stored) != {"values", "offsets"}:
        return "not a dict of values and offsets"
    for found, key in ((values, "values"), (offsets, "offsets")):
        reason = _difference(found, stored[key])
        if reason:
            return reason
    return None


def _named(value: Any, read: Mapping[str, np.ndarray]) -> dict[str, Any]:
    if isinstance(value, np.ndarray):
        return {"0": value}
    if isinstance(value, dict):
        named = {}
        for key, item in value.items():
            if isinstance(key, bytes):
                named[key.decode("latin-1")] = item
            elif type(key) is int or type(key) is str:
                named[str(key)] = item
        return named
    if value and all(isinstance(item, _ITEMS) for item in value):
        return {"0": value}
    return {str(position): item for position, item in enumerate(value)}


def _difference(found: np.ndarray, value: Any) -> str | None:
    if isinstance(value, np.ndarray):
        if value.dtype.newbyteorder("=") != found.dtype.newbyteorder("="):
            return f"the dtype {found.dtype} for {value.dtype}"
        expected = value
    else:
        value = _without_buffers(value)
        expected = np.array(value, found.dtype.newbyteorder("="))
        # NumPy must choose the same kind for the list, of any size; it has no kind for numbers if
        # an integer needs more than 64 bits.
        kind = np.array(value).dtype.kind
        if kind != found.dtype.kind and not (kind == "O" and found.dtype.kind in "fc"):
            return f"a list of kind {found.dtype.kind} for {kind}"
    if expected.shape != found.shape:
        return f"the shape {found.shape} for {expected.shape}"
    return None if same(found, expected) else f"values of dtype {found.dtype}"


def _without_buffers(value: Any) -> Any:
    """Replaces each `bytearray` by `bytes`: it is not a list of numbers."""
    if isinstance(value, (list, tuple)):
        return [_without_buffers(item) for item in value]
    return bytes(value) if isinstance(value, bytearray) else value


def same(found: np.ndarray, expected: np.ndarray) -> bool:
    """Returns whether values are equal bit for bit, without byte order and padding."""
    if found.dtype.names:
        return all(same(found[name], expected[name]) for name in found.dtype.names)
    if found.dtype.kind in "fc" and found.dtype.itemsize > 8:
        with np.errstate(all="ignore"):
            return np.array_equal(found, expected) or bool(np.isnan(found).any())
    return found.astype(found.dtype.newbyteorder("=")).tobytes() == (
        expected.astype(found.dtype.newbyteorder("=")).tobytes()
    )


sys.addaudithook(_audit)
