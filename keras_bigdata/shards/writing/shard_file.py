"""Writes one shard as a file, completely or not at all."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import ShardError
from keras_bigdata.files import atomic_path
from keras_bigdata.shards.fields.entries import Field, ShardInfo
from keras_bigdata.shards.fields.field_rows import as_rows
from keras_bigdata.shards.fields.field_values import numeric_problem
from keras_bigdata.shards.fields.metadata_columns import stored_columns
from keras_bigdata.shards.fields.ragged import Ragged
from keras_bigdata.shards.fields.varlen import OFFSETS, VALUES
from keras_bigdata.shards.pickles import StoredArray, find_arrays
from keras_bigdata.shards.writing.aligned_pickle import AlignedOutput
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.writing.upload_directory import upload_directory

Array = npt.NDArray[Any]


def write_shard(
    directory: str | os.PathLike[str] | RemotePath,
    name: str,
    arrays: Mapping[str, npt.ArrayLike | Ragged],
    *,
    variant: int = 0,
    columns: Mapping[str, Array] = MappingProxyType({}),
) -> ShardInfo:
    """Writes a dict of arrays as one pickle, atomically.

    A shard of a set behind a URL is written to the temporary directory and uploaded from there.

    The file is an ordinary protocol 5 pickle of a dict of C-contiguous arrays in native byte
    order. Equal arrays are written as equal bytes. Before the file is renamed to its final name,
    every array in it is located again.

    Args:
        directory: an existing directory, or a place in a store.
        name: file name in it.
        arrays: field name -> array of shape `(rows, ...)`, or `Ragged`, all with the same number of
            rows.
        variant: number of the augmented copy of the data that it belongs to. Defaults to `0`.
        columns: metadata columns, name -> array of numbers or texts. Defaults to `{}`.

    Returns:
        A `ShardInfo` with the file's size, its CRC-32 and the byte offset of each field.

    Raises:
        ShardError: if the arrays cannot be stored as one shard.
        OSError: if the file cannot be written; then no part of it remains.
        StorageError: if it cannot be uploaded; then no part of it remains.

    Example:

    ```python
    info = write_shard("shards", "shard-00000.pkl", {"images": images, "labels": labels})
    ```
    """
    if isinstance(directory, RemotePath):
        target = directory / name
        content, rows = _prepare(arrays, columns, str(target))
        with upload_directory() as folder:
            info = _write(folder / name, content, rows, variant)
            target.upload(folder / name)
        return info
    path = Path(directory) / name
    content, rows = _prepare(arrays, columns, str(path))
    return _write(path, content, rows, variant)


def _prepare(
    arrays: Mapping[str, npt.ArrayLike | Ragged], columns: Mapping[str, Array], where: str
) -> tuple[dict[str, Array | dict[str, Array]], int]:
    """Returns the content of a shard and its number of rows; `where` is its file, for messages."""
    native = as_stored(arrays, where)
    rows = len(next(iter(native.values())))
    plain = {key: each for key, each in native.items() if not isinstance(each, Ragged)}
    # The offsets come first, as those of texts.
    ragged: dict[str, Array | dict[str, Array]] = {
        key: {OFFSETS: each.offsets, VALUES: each.values}
        for key, each in native.items()
        if isinstance(each, Ragged)
    }
    field_arrays = [
        *plain.values(),
        *(part for each in ragged.values() for part in _arrays_of(each)),
    ]
    described = stored_columns(columns, field_arrays)
    for column, array in columns.items():
        if len(array) != rows:
            raise ShardError(f"{where}: the column {column!r} has {len(array)} rows, not {rows}.")
    return {**plain, **described, **ragged}, rows


def _write(
    path: Path, written: dict[str, Array | dict[str, Array]], rows: int, variant: int
) -> ShardInfo:
    with atomic_path(path) as temporary:
        with open(temporary, "wb") as file:
            output = AlignedOutput(file)
            pickle.Pickler(output, protocol=5).dump(written)
            output.close()
        size = os.path.getsize(temporary)
        offsets, row_offsets = _find_offsets(temporary, written)
    return ShardInfo(path.name, rows, size, offsets, output.checksum, variant, row_offsets)


def describe_fields(arrays: Mapping[str, Array | Ragged]) -> dict[str, Field]:
    """Returns the fields, dtype and row shape, of arrays with rows."""
    return {
        name: Field(name, array.dtype, (None, *array.values.shape[1:]), None, array.padding)
        if isinstance(array, Ragged)
        else Field(name, array.dtype, array.shape[1:])
        for name, array in arrays.items()
    }


def as_stored(
    arrays: Mapping[str, npt.ArrayLike | Ragged],
    where: str,
    fields: Mapping[str, Field] = MappingProxyType({}),
) -> dict[str, Array | Ragged]:
    """Returns the arrays as they are stored: C-contiguous, native byte order, no subclasses.

    Args:
        arrays: field name -> array with rows, or what `as_rows` makes one of. Lists of numeric rows
            of different length become `Ragged`.
        where: the file, for messages.
        fields: the fields of earlier shards of the set. Defaults to `{}`.

    Raises:
        ShardError: if they cannot be stored as one shard.
    """
    if not isinstance(arrays, Mapping) or not arrays:
        raise ShardError(
            f"{where}: a shard is written from a dict of arrays. Received: {type(arrays).__name__}"
        )
    native: dict[str, Array | Ragged] = {}
    # Equal dtypes are one object, because a pickle refers back to objects that it has: any process
    # then writes equal arrays as equal bytes.
    dtypes: dict[np.dtype[Any], np.dtype[Any]] = {}

    def stored(array: Array) -> Array:
        dtype = array.dtype.newbyteorder("=")
        dtype = dtypes.setdefault(dtype, dtype)
        # "W": a read-only array would be read-only again after `pickle.load`.
        array = np.require(array, dtype, ["C", "W"])
        return array if array.dtype is dtype else array.view(dtype)

    for name, value in arrays.items():
        try:
            array = as_rows(value, fields.get(name))
        except ValueError as error:
            raise ShardError(f"{where}: field {name!r} {error}.") from error
        if isinstance(array, Ragged) and isinstance(name, str):
            values, offsets = stored(array.values), stored(array.offsets)
            native[name] = Ragged(values, offsets, array.padding)
            continue
        if not isinstance(name, str) or array.ndim == 0 or array.dtype.hasobject:
            raise ShardError(
                f"{where}: every field must have a name (str) and an array with rows and a "
                f"plain dtype. Received: {name!r} with dtype {array.dtype}, shape {array.shape}"
            )
        if array.dtype.kind == "V" and array.dtype.names is None:
            raise ShardError(f"{where}: field {name!r} {numeric_problem(array)}.")
        native[name] = stored(array)
    lengths = {name: len(array) for name, array in native.items()}
    if len(set(lengths.values())) > 1:
        raise ShardError(f"{where}: all fields must have the same number of rows: {lengths}")
    if not all(lengths.values()):
        raise ShardError(f"{where}: a shard needs at least one row; the arrays are empty.")
    return native


def _find_offsets(
    path: Path, written: Mapping[str, Array | dict[str, Array]]
) -> tuple[dict[str, int], dict[str, int]]:
    """Returns the byte position of each array in the file, as the reader finds it.

    Returns:
        Field name -> position of its array, or of its values; and field name -> position of its
        offsets, for fields that are stored as values and offsets.
    """
    contents = find_arrays(path)
    offsets, row_offsets = {}, {}
    for name, array in written.items():
        if isinstance(array, dict):
            varlen = contents.varlen[name]
            offsets[name] = _checked_offset(path, name, array[VALUES], varlen.values)
            row_offsets[name] = _checked_offset(path, name, array[OFFSETS], varlen.offsets)
        else:
            offsets[name] = _checked_offset(path, name, array, contents.fields.get(name))
    return offsets, row_offsets


def _checked_offset(path: Path, name: str, array: Array, stored: Any) -> int:
    if not isinstance(stored, StoredArray):
        raise ShardError(f"{path}: field {name!r} ({array.dtype}) cannot be stored as raw rows.")
    if stored.shape != array.shape or stored.dtype != array.dtype:
        raise ShardError(
            f"{path}: field {name!r} was written as {array.dtype} {array.shape} and is read "
            f"back as {stored.dtype} {stored.shape}."
        )
    return int(stored.offset)


def _arrays_of(stored: Array | dict[str, Array]) -> list[Array]:
    return list(stored.values()) if isinstance(stored, dict) else [stored]
