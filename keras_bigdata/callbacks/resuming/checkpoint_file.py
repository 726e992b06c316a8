"""A checkpoint as one file: nested plain values and arrays in an uncompressed `.npz` archive.

The archive holds a JSON document as an array of bytes, and the arrays that the document refers to
by number. Nothing in it is ever executed, and the CRC-32 of each member finds a damaged file.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from keras_bigdata.files import atomic_path
from keras_bigdata.storage.paths.remote_path import RemotePath

SUFFIX = ".npz"

# The key that marks a value that JSON cannot represent.
_MARK = "!"
_DOCUMENT = "document"

# `dtype.isbuiltin` of types like `bfloat16`, which other packages have registered with NumPy.
_REGISTERED = 2


@dataclass(frozen=True, slots=True)
class EncodedDocument:
    """A document that shares no memory with the values that training continues to change."""

    text: str
    arrays: list[npt.NDArray[Any]]


def encode(document: Any) -> EncodedDocument:
    """Copies nested plain values and arrays, bit for bit.

    Args:
        document: `None`, booleans, numbers, strings, bytes, NumPy scalars and arrays, tensors
            (which become arrays), and lists, tuples and dicts of those.

    Raises:
        TypeError: if it contains anything else; the message names its place.
    """
    arrays: list[npt.NDArray[Any]] = []
    return EncodedDocument(json.dumps(_encode(document, arrays, "")), arrays)


def write(path: Path, encoded: EncodedDocument) -> None:
    """Writes the file, complete or not at all."""
    with atomic_path(path) as temporary:
        write_unsynced(temporary, encoded)


def write_unsynced(path: Path, encoded: EncodedDocument) -> None:
    """Writes the file. It is incomplete until this returns."""
    np.savez(path, **_members(encoded))


def read(path: Path, source: Path | RemotePath | None = None) -> Any:
    """Returns the document of a file.

    Args:
        path: the file.
        source: where it was copied from, for the message. Defaults to `None`: it is not a copy.

    Raises:
        ValueError: if the file is damaged or is not a checkpoint.
        OSError: if it cannot be read.
    """
    try:
        # NumPy leaves a damaged file open if it opens it by itself.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            if sum(member.file_size for member in archive.zip.infolist()) > path.stat().st_size:
                raise ValueError("its members are larger than the file")
            return _decode(json.loads(archive[_DOCUMENT].tobytes()), archive)
    except OSError:
        raise
    except Exception as error:  # damaged bytes can raise nearly anything
        raise ValueError(f"{source or path} is damaged or is not a checkpoint: {error}") from error


def to_bytes(encoded: EncodedDocument) -> bytes:
    """Returns the bytes of the file that `write` would write."""
    buffer = io.BytesIO()
    np.savez(buffer, **_members(encoded))
    return buffer.getvalue()


def digest(encoded: EncodedDocument) -> bytes:
    """Returns bytes that are equal for equal documents."""
    found = hashlib.sha256(encoded.text.encode())
    for array in encoded.arrays:
        found.update(f"{array.dtype}{array.shape}".encode())
        found.update(array.tobytes())
    return found.digest()


def from_bytes(data: bytes) -> Any:
    """Returns the document of bytes that `to_bytes` returned."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return _decode(json.loads(archive[_DOCUMENT].tobytes()), archive)


def _members(encoded: EncodedDocument) -> dict[str, Any]:
    members: dict[str, Any] = {str(number): array for number, array in enumerate(encoded.arrays)}
    members[_DOCUMENT] = np.frombuffer(encoded.text.encode(), np.uint8)
    return members


def _encode(value: Any, arrays: list[npt.NDArray[Any]], where: str) -> Any:
    if isinstance(value, np.generic):
        return {_MARK: "scalar", **_add(np.asarray(value), arrays, where)}
    # JSON keeps every bit of a finite float; a NaN remains a NaN.
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return {_MARK: "bytes", **_add(np.frombuffer(value, np.uint8), arrays, where)}
    if isinstance(value, np.ndarray):
        return {_MARK: "array", **_add(value, arrays, where)}
    if isinstance(value, (list, tuple)):
        items = [_encode(item, arrays, f"{where}[{i}]") for i, item in enumerate(value)]
        return items if isinstance(value, list) else {_MARK: "tuple", "items": items}
    if isinstance(value, Mapping):
        return _encode_mapping(value, arrays, where)
    if keras.ops.is_tensor(value) or isinstance(value, keras.Variable):
        return _encode(np.asarray(keras.ops.convert_to_numpy(value)), arrays, where)
    raise TypeError(
        f"{where or 'The state'} must be None, a bool, a number, a string, bytes, an array, or a "
        f"list, tuple or dict of those. Received: an object of type {type(value).__name__}"
    )


def _encode_mapping(value: Mapping[Any, Any], arrays: list[npt.NDArray[Any]], where: str) -> Any:
    if all(isinstance(key, str) for key in value) and _MARK not in value:
        return {key: _encode(item, arrays, f"{where}[{key!r}]") for key, item in value.items()}
    items = [
        [_encode(key, arrays, where), _encode(item, arrays, f"{where}[{key!r}]")]
        for key, item in value.items()
    ]
    return {_MARK: "dict", "items": items}


def _add(array: npt.NDArray[Any], arrays: list[npt.NDArray[Any]], where: str) -> dict[str, Any]:
    """Adds a copy of an array. Returns the reference to it."""
    if array.dtype.hasobject or array.dtype.names:
        raise TypeError(f"{where} must be an array of plain numbers. Received: dtype {array.dtype}")
    copied = np.array(array, order="C", copy=True)
    reference: dict[str, Any] = {"number": len(arrays)}
    if array.dtype.isbuiltin == _REGISTERED:
        # NumPy's format has no code for these types: the bits are stored as integers, and the name
        # of the type is stored in the document.
        copied = copied.view(f"u{array.dtype.itemsize}")
        reference["dtype"] = array.dtype.name
    arrays.append(copied)
    return reference


def _decode(value: Any, archive: Mapping[str, npt.NDArray[Any]]) -> Any:
    if isinstance(value, list):
        return [_decode(item, archive) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(_MARK)
    if kind is None:
        return {key: _decode(item, archive) for key, item in value.items()}
    if kind == "tuple":
        return tuple(_decode(item, archive) for item in value["items"])
    if kind == "dict":
        return {_decode(k, archive): _decode(v, archive) for k, v in value["items"]}
    array = archive[str(value["number"])]
    if kind == "bytes":
        return array.tobytes()
    if "dtype" in value:
        import ml_dtypes  # a dependency of Keras

        array = array.view(getattr(ml_dtypes, value["dtype"]))
    return array[()] if kind == "scalar" else array
