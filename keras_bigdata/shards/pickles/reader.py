"""Finds the arrays in a pickle without running it, and reads them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import CorruptShardError, ShardError, UnsafePickleError
from keras_bigdata.shards.pickles import joblib_arrays
from keras_bigdata.shards.pickles.compression import CompressedSource, detect_format
from keras_bigdata.shards.pickles.fields import PickleContents, find_fields
from keras_bigdata.shards.pickles.opcodes import parse
from keras_bigdata.shards.pickles.source import ByteSource, StoredArray, view_as_array
from keras_bigdata.storage.cache.open_copy import OpenCopy
from keras_bigdata.storage.paths.near_ranges import read_near_ranges
from keras_bigdata.storage.paths.remote_path import RemotePath

_PIECE = 16 << 20

# Bytes that may follow a pickle: a newline, or zeros up to the end of a block.
_PADDING = b"\0\t\n\r "
_END = 4096

# Files that users pass where pickles are expected, by their first bytes.
_OTHER_FORMATS = (
    (b"\x28\xb5\x2f\xfd", "looks zstd-compressed; decompress it first"),
    (b"ZF", "looks compressed by joblib before 0.10; load it with joblib.load and write it again"),
    (b"\x93NUMPY", "looks like a .npy file; load it with numpy.load and write it with pickle"),
    (
        b"PK\x03\x04",
        "looks like a zip, .npz or torch file; load it with numpy.load or torch.load and write its "
        "arrays with pickle",
    ),
    (
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
        "looks like an old file of torch.save; load it with torch.load and write its arrays, "
        "tensor.numpy(), with pickle",
    ),
    (b"\x89HDF", "looks like an HDF5 file, not like a pickle"),
)


def find_arrays(path: str | os.PathLike[str] | OpenCopy, *, trust: bool = False) -> PickleContents:
    """Finds the arrays inside a pickle without running it.

    The opcodes are followed symbolically: nothing in the file is imported or called, so that a
    pickle from any origin can be inspected. Large arrays are not read; finding three of them in a
    file of 100 MB takes well under a millisecond.

    Protocols 0 to 5 are read, from Python 2 and 3 and NumPy 1 and 2. A dict becomes one field per
    key (`bytes` keys as latin-1, `int` keys as decimal), a tuple or list the fields `"0"`, `"1"`,
    ..., an array the field `"0"`, and so does a list of numbers or strings. Text-encoded arrays
    (protocols 0 to 2 of Python 3), arrays with permuted axes, lists of numbers, strings, NumPy
    scalars or equally shaped arrays are decoded here. All other values are skipped, with the
    reason. A second pickle in the file, which `pickle.load` would ignore, is an error.

    Files of `joblib.dump` are read too, and files compressed by gzip, zlib, bzip2, xz, lzma or (if
    the package lz4 is installed) lz4. A compressed file may expand to 256 times its size, or to
    256 MiB if that is more; positions are then those in its decompressed content.

    Args:
        path: the pickle file.
        trust: whether to load the file with `pickle.load` if it holds more than plain data. This
            runs all code in the file: use it only for files that you wrote yourself. It also lifts
            the limit on the size that a compressed file expands to. Defaults to `False`.

    Returns:
        A `PickleContents`: `fields` maps names to `StoredArray` (where the bytes lie) or to the
        decoded array, `skipped_fields` maps names to reasons.

    Raises:
        UnsafePickleError: if reading the file would run code, if a field is an array of objects,
            or if the file would expand to far more than its size. The message has the name
            (`os.system`) and its byte position.
        CorruptShardError: if the file is missing, cut short, or not a pickle, or if lengths,
            shapes and dtypes contradict one another.
        ShardError: if the pickle is sound but holds no dict, tuple, list or array; if it is a list
            of samples; or if another object follows it in the file.

    Example:

    ```python
    contents = find_arrays("data_batch_1")
    contents.fields["labels"]  # an int64 array, decoded from the list in the file
    contents.fields["data"].offset  # byte position of the array's first element
    data = read_array("data_batch_1", contents.fields["data"])
    ```
    """
    with open_source(path, bounded=not trust) as source:
        return _read_contents(source, trust)


def read_array(
    path_or_fd: str | os.PathLike[str] | RemotePath | OpenCopy | int, stored: StoredArray
) -> npt.NDArray[Any]:
    """Reads a whole `StoredArray`.

    A file descriptor is left open and, where the system has `os.pread`, its position is not
    changed, so that threads may share a descriptor.

    Args:
        path_or_fd: the pickle's path, a descriptor open for reading, an open copy of a remote
            file, or a `RemotePath`, of which only these bytes are requested.
        stored: an array that `find_arrays` found in that file.

    Returns:
        A new, writable array of `stored.dtype` (byte order as stored) and `stored.shape`.

    Raises:
        CorruptShardError: if the file cannot be read or is shorter than the array needs.

    Example:

    ```python
    contents = find_arrays("data_batch_1")
    images = read_array("data_batch_1", contents.fields["images"])
    ```
    """
    if isinstance(path_or_fd, RemotePath):
        return read_remote_arrays(path_or_fd, {"": stored})[""]
    # `find_arrays` has checked how far the file expands.
    with open_source(path_or_fd, bounded=False) as source:
        data = source.read(stored.offset, stored.nbytes)
    return view_as_array(data, stored.dtype, stored.shape, stored.order)


def read_remote_arrays(
    path: RemotePath, stored: Mapping[str, StoredArray]
) -> dict[str, npt.NDArray[Any]]:
    """Reads arrays of a remote file as `read_array` does.

    Arrays that lie close together are one request.
    """
    ranges = [(each.offset, each.offset + each.nbytes) for each in stored.values()]
    try:
        parts = read_near_ranges(path, ranges)
    except FileNotFoundError as error:
        raise CorruptShardError(
            f"{path}: there is no such file. Restore it, or open the set again."
        ) from error
    return {
        # A copy: bytes cannot be written to.
        name: view_as_array(
            np.frombuffer(part, np.uint8).copy(), each.dtype, each.shape, each.order
        )
        for (name, each), part in zip(stored.items(), parts, strict=True)
    }


def read_fields(
    path: str | os.PathLike[str] | OpenCopy, names: Iterable[str], *, trust: bool = False
) -> dict[str, npt.NDArray[Any]]:
    """Reads some whole fields of a pickle; a compressed file is decompressed only once.

    Args:
        path: the pickle file.
        names: names of the fields, all of which the file must have.
        trust: as in `find_arrays`. Defaults to `False`.

    Returns:
        Name -> array, in byte order and memory order as stored.

    Raises:
        CorruptShardError: if the file lacks a field; and all errors of `find_arrays`.
    """
    with open_source(path, bounded=not trust) as source:
        source.expand()
        fields = _read_contents(source, trust).fields
        arrays = {}
        for name in names:
            array = fields.get(name)
            if array is None:
                names_in_file = f"{', '.join(map(ascii, list(fields)[:20]))}"[:500]
                raise CorruptShardError(
                    f"{source.path}: there is no array {name!r} in the file; the arrays are "
                    f"[{names_in_file}]. The file was changed: restore it."
                )
            arrays[name] = _as_read(source, array)
        return arrays


def read_columns(
    path: str | os.PathLike[str] | OpenCopy, names: Iterable[str], trust: bool = False
) -> dict[str, npt.NDArray[Any]]:
    """Reads fields as `read_fields` does, C-contiguous and in native byte order."""
    return {
        name: np.ascontiguousarray(array, array.dtype.newbyteorder("="))
        for name, array in read_fields(path, names, trust=trust).items()
    }


def read_varlen(
    path: str | os.PathLike[str] | OpenCopy, name: str, trust: bool = False
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Reads values and offsets of rows of variable length, in native byte order.

    Args:
        path: the pickle file.
        name: name of the value, a dict of both arrays.
        trust: as in `find_arrays`. Defaults to `False`.

    Raises:
        CorruptShardError: if the file lacks them; and all errors of `find_arrays`.
    """
    with open_source(path, bounded=not trust) as source:
        source.expand()
        contents = _read_contents(source, trust)
        stored = contents.varlen.get(name)
        if stored is None:
            reason = contents.skipped_fields.get(name)
            raise CorruptShardError(
                f"{source.path}: there are no rows of variable length {name!r} in the file"
                f"{'' if reason is None else f': {reason}'}. It was "
                "changed: restore it."
            )
        values, offsets = (
            np.ascontiguousarray(array, array.dtype.newbyteorder("="))
            for array in (_as_read(source, stored.values), _as_read(source, stored.offsets))
        )
        return values, offsets


def _as_read(source: ByteSource, array: StoredArray | npt.NDArray[Any]) -> npt.NDArray[Any]:
    if not isinstance(array, StoredArray):
        return array
    data = source.read(array.offset, array.nbytes)
    return view_as_array(data, array.dtype, array.shape, array.order)


def open_source(
    path: str | os.PathLike[str] | OpenCopy | int, *, bounded: bool = True
) -> ByteSource:
    """Opens a file, compressed or not.

    Args:
        path: the file, a descriptor, or an open copy of a remote file.
        bounded: whether to refuse a compressed file that expands to far more than its size.
            Defaults to `True`.

    Raises:
        CorruptShardError: if the file cannot be opened, or is not a file.
    """
    if isinstance(path, OpenCopy):
        return _detect_source(str(path), path.open(), bounded)
    name = f"file descriptor {path}" if isinstance(path, int) else os.fspath(path)
    try:
        if isinstance(path, int):
            return _detect_source(name, io.FileIO(path, closefd=False), bounded)
        # Opening a named pipe would wait for a writer.
        if os.path.exists(name) and not os.path.isfile(name):
            raise CorruptShardError(f"{name}: is not a regular file. A pickle file was expected.")
        return _detect_source(name, io.FileIO(name), bounded)
    except OSError as error:
        raise CorruptShardError(
            f"{name}: the file cannot be opened ({error.strerror or error}). Restore it, or leave "
            "it out of the shards."
        ) from error


def _detect_source(name: str, file: io.RawIOBase, bounded: bool) -> ByteSource:
    try:
        source = ByteSource(name, file)
        start = source.read(0, min(8, source.size)).tobytes()
        format = detect_format(start)
        return source if format is None else CompressedSource(name, file, format, bounded)
    except BaseException:
        file.close()
        raise


def _read_contents(source: ByteSource, trust: bool) -> PickleContents:
    _check_start(source)
    try:
        value = parse(source)
        _check_end(source, source.peek(_END), source.position)
        source.finish()
        return find_fields(source, value)
    except UnsafePickleError:
        if not trust:
            raise
    return find_fields(source, _load(source), trusted=True)


def _check_start(source: ByteSource) -> None:
    """Checks that the file does not begin like a file of another format."""
    if source.size == 0:
        raise source.corrupt_error("the file is empty, it has 0 bytes")
    source.fill(1)
    start = source.buffer[:16]
    inner = detect_format(start)
    if inner is not None:
        raise CorruptShardError(
            f"{source.path}: is compressed twice, by {inner.name} first. Expand it once."
        )
    for magic, description in _OTHER_FORMATS:
        if start.startswith(magic):
            raise CorruptShardError(f"{source.path}: {description}. A plain pickle was expected.")


def _check_end(source: ByteSource, rest: bytes, at: int) -> None:
    """Checks that nothing follows the pickle, which `pickle.load` would ignore silently.

    Args:
        source: the file, for the message.
        rest: the bytes after the pickle, or the first of them.
        at: their position.
    """
    if rest.strip(_PADDING):
        raise ShardError(
            f"{source.path}: the pickle ends at byte {at}, but more bytes follow, as after a "
            "second pickle.dump into the same file. pickle.load would read the first object only. "
            "Read the objects with one pickle.load after the other, and write all rows as one dict "
            "of arrays, or each object into a file of its own."
        )


def _load(source: ByteSource) -> object:
    """Loads a trusted file with pickle or joblib, which runs the code in it."""
    import pickle  # only here, so that no other function of the reader can run a pickle

    by_joblib = _contains(source, joblib_arrays.WRAPPER.rpartition(".")[2].encode())
    source.file.seek(0)
    file = io.BufferedReader(source.file)
    try:
        content: Any = file
        if source.compressed:
            content = io.BytesIO(source.read(0, source.size).tobytes())
        if by_joblib:
            import joblib

            value = joblib.load(content)
        else:
            # Arrays of Python 2 can only be loaded as latin-1.
            value = pickle.load(content, encoding="latin1")
        at = content.tell()
        _check_end(source, content.read(_END), at)
        return value
    except ShardError:
        raise
    except Exception as error:
        raise ShardError(
            f"{source.path}: {'joblib' if by_joblib else 'pickle'}.load failed with "
            f"{type(error).__name__}: {error}. Write the file again with plain NumPy arrays."
        ) from error
    finally:
        file.detach()  # it would close the source


def _contains(source: ByteSource, name: bytes) -> bool:
    """Returns whether the file contains the bytes of a name."""
    source.expand()
    for start in range(0, source.size, _PIECE):
        count = min(_PIECE + len(name), source.size - start)
        if name in source.read(start, count).tobytes():
            return True
    return False
