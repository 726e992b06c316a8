"""A checkpoint as one file: plain values as JSON and arrays as raw bytes, in a ZIP archive.

Nothing in it is ever executed, and the archive's CRC-32 of every part finds a damaged file.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from keras_bigdata.files import atomic_path

# The key that marks what JSON has no form for.
_MARK = "!"
_VALUES = "values.json"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A document that no longer refers to anything that training goes on to change."""

    values: str
    arrays: list[npt.NDArray[Any]]


def encode(document: Any) -> Encoded:
    """Takes a copy of nested plain values, arrays among them, bit for bit.

    Args:
        document: None, booleans, numbers, strings, bytes, NumPy scalars and arrays, tensors
            (which become arrays), and lists, tuples and dicts of those.

    Raises:
        TypeError: if something else is in it; it says where.
    """
    arrays: list[npt.NDArray[Any]] = []
    return Encoded(json.dumps(_tree(document, arrays, "")), arrays)


def write(path: Path, encoded: Encoded) -> None:
    """Writes the file, whole or not at all."""
    with (
        atomic_path(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        archive.writestr(_VALUES, encoded.values)
        for number, array in enumerate(encoded.arrays):
            with archive.open(f"arrays/{number}", "w", force_zip64=True) as part:
                part.write(_bytes_of(array))


def read(path: Path) -> Any:
    """The document of a file.

    Raises:
        ValueError: if it is damaged, or not a checkpoint.
        OSError: if it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _document(json.loads(archive.read(_VALUES)), archive)
    except (
        zipfile.BadZipFile,
        KeyError,
        TypeError,
        ValueError,
        EOFError,
        NotImplementedError,
    ) as e:
        raise ValueError(f"{path} is damaged or is not a checkpoint: {e}") from e


def _tree(value: Any, arrays: list[npt.NDArray[Any]], where: str) -> Any:
    if isinstance(value, np.generic):
        return {_MARK: "scalar", **_stored(np.asarray(value), arrays, where)}
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        # JSON keeps every bit of a finite number; of a NaN it keeps that it is one.
        return value
    if isinstance(value, bytes):
        return {_MARK: "bytes", **_stored(np.frombuffer(value, np.uint8), arrays, where)}
    if isinstance(value, np.ndarray):
        return {_MARK: "array", **_stored(value, arrays, where)}
    if isinstance(value, (list, tuple)):
        items = [_tree(item, arrays, f"{where}[{i}]") for i, item in enumerate(value)]
        return items if isinstance(value, list) else {_MARK: "tuple", "items": items}
    if isinstance(value, Mapping):
        return _mapping(value, arrays, where)
    if keras.ops.is_tensor(value) or isinstance(value, keras.Variable):
        return _tree(np.asarray(keras.ops.convert_to_numpy(value)), arrays, where)
    raise TypeError(
        f"{where or 'the state'} is of type {type(value).__name__}. It must be None, a bool, a "
        "number, a string, bytes, an array, or a list, tuple or dict of those."
    )


def _mapping(value: Mapping[Any, Any], arrays: list[npt.NDArray[Any]], where: str) -> Any:
    if all(isinstance(key, str) for key in value) and _MARK not in value:
        return {key: _tree(item, arrays, f"{where}[{key!r}]") for key, item in value.items()}
    items = [
        [_tree(key, arrays, where), _tree(item, arrays, f"{where}[{key!r}]")]
        for key, item in value.items()
    ]
    return {_MARK: "dict", "items": items}


def _stored(array: npt.NDArray[Any], arrays: list[npt.NDArray[Any]], where: str) -> dict[str, Any]:
    if array.dtype.hasobject or array.dtype.names:
        raise TypeError(f"{where} is an array of {array.dtype}, and must be one of plain numbers.")
    arrays.append(np.array(array, order="C", copy=True))
    # A name such as `bfloat16` says more than its code, which is that of two raw bytes.
    kind = array.dtype.name if array.dtype.kind == "V" else array.dtype.str
    return {"at": len(arrays) - 1, "dtype": kind, "shape": list(array.shape)}


def _bytes_of(array: npt.NDArray[Any]) -> Any:
    # `bfloat16` and its kin have no buffers of their own.
    return array.reshape(-1).view(np.uint8).data


def _document(value: Any, archive: zipfile.ZipFile) -> Any:
    if isinstance(value, list):
        return [_document(item, archive) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(_MARK)
    if kind is None:
        return {key: _document(item, archive) for key, item in value.items()}
    if kind == "tuple":
        return tuple(_document(item, archive) for item in value["items"])
    if kind == "dict":
        return {_document(k, archive): _document(v, archive) for k, v in value["items"]}
    content = archive.read(f"arrays/{int(value['at'])}")
    if kind == "bytes":
        return content
    dtype = _dtype(value["dtype"])
    shape = tuple(int(size) for size in value["shape"])
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"array {value['at']} has {len(content)} bytes")
    array = np.frombuffer(bytearray(content), dtype).reshape(shape)
    return array[()] if kind == "scalar" else array


def _dtype(name: str) -> np.dtype[Any]:
    try:
        return np.dtype(name)
    except TypeError:
        import ml_dtypes  # which Keras brings

        dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return dtype
