"""Where NumPy arrays lie inside a pickle, found without running the pickle."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import CorruptShardError, ShardError, UnsafePickleError
from keras_bigdata.shards.pickles import joblib_arrays
from keras_bigdata.shards.pickles.compression import format_of, open_source
from keras_bigdata.shards.pickles.fields import PickleContents, fields_of
from keras_bigdata.shards.pickles.opcodes import follow
from keras_bigdata.shards.pickles.source import Source, StoredArray, as_array

_PIECE = 16 << 20

# Files that are met where pickles were expected, by their first bytes.
_LOOKS_LIKE = (
    (b"\x28\xb5\x2f\xfd", "looks zstd-compressed; decompress it first"),
    (b"ZF", "looks compressed by joblib before 0.10; load it with joblib.load and write it again"),
    (b"\x93NUMPY", "looks like a .npy file; load it with numpy.load and write it with pickle"),
    (b"PK\x03\x04", "looks like a zip, .npz or torch file, not like a pickle"),
    (b"\x89HDF", "looks like an HDF5 file, not like a pickle"),
)


def walk(path: str | os.PathLike[str], *, trust: bool = False) -> PickleContents:
    """Finds the arrays inside a pickle without running it.

    The opcodes are followed symbolically: nothing in the file is imported or called, so a pickle
    from anybody can be walked. Large arrays are not read; finding three of them in a file of
    100 MB takes well under a millisecond.

    Protocols 0 to 5 are read, from Python 2 and 3 and NumPy 1 and 2. A dict gives one field a key
    (`bytes` keys as latin-1, `int` keys as decimal), a tuple or list the fields `"0"`, `"1"`, ...,
    an array the field `"0"`, and so does a list of numbers or strings. Text-encoded arrays
    (protocols 0 to 2 of Python 3), arrays with permuted axes, lists of numbers, strings, NumPy
    scalars or equally shaped arrays are decoded here. Anything else is left out, with the reason.
    Bytes after the first pickle are ignored, as `pickle.load` does.

    Files of `joblib.dump` are read too, and files compressed by gzip, zlib, bzip2, xz, lzma or (if
    the package lz4 is installed) lz4. A compressed file may expand to 256 times its size, or to 256
    MiB if that is more; positions are then those in what it expands to.

    Args:
        path: the pickle file.
        trust: whether to load the file with `pickle.load` if it holds more than plain data. That
            runs whatever the file says: only for files that you wrote yourself. Defaults to
            `False`. It also lifts the limit on what a compressed file expands to.

    Returns:
        A `PickleContents`: `fields` maps names to `StoredArray` (where the bytes lie) or to the
        decoded array, `left_out` maps names to reasons.

    Raises:
        UnsafePickleError: if reading the file would mean to run code, if a field is an array of
            objects, or if the file would expand to far more than its size. Says which name
            (`os.system`) at which byte.
        CorruptShardError: if the file is missing, cut short, or no pickle, or if lengths, shapes
            and dtypes contradict one another.
        ShardError: if the pickle is fine but holds no dict, tuple, list or array.

    Example:

    ```python
    contents = walk("data_batch_1")
    contents.fields["labels"]  # an int64 array, made of the list in the file
    contents.fields["data"].offset  # where the array's first byte lies
    data = read_array("data_batch_1", contents.fields["data"])
    ```
    """
    with open_source(path, bounded=not trust) as source:
        return _contents(source, trust)


def read_fields(
    path: str | os.PathLike[str], names: Iterable[str], *, trust: bool = False
) -> dict[str, npt.NDArray[Any]]:
    """Reads some fields of a pickle whole, of a compressed one in one go.

    Args:
        path: the pickle file.
        names: the fields; all of them must be there.
        trust: as in `walk`. Defaults to `False`.

    Returns:
        Name -> array, in byte order and memory order as stored.

    Raises:
        CorruptShardError: if a field is not there; and all errors of `walk`.
    """
    with open_source(path, bounded=not trust) as source:
        source.expand()
        fields = _contents(source, trust).fields
        arrays = {}
        for name in names:
            found = fields.get(name)
            if found is None:
                names_there = f"{', '.join(map(ascii, list(fields)[:20]))}"[:500]
                raise CorruptShardError(
                    f"{source.path}: there is no array {name!r} in the file; the arrays are "
                    f"[{names_there}]. It was changed: restore it."
                )
            if isinstance(found, StoredArray):
                data = source.read(found.offset, found.nbytes)
                found = as_array(data, found.dtype, found.shape, found.order)
            arrays[name] = found
        return arrays


def read_columns(
    path: str | os.PathLike[str], names: Iterable[str], trust: bool = False
) -> dict[str, npt.NDArray[Any]]:
    """As `read_fields`, with arrays that are C-contiguous and in native byte order."""
    return {
        name: np.ascontiguousarray(array, array.dtype.newbyteorder("="))
        for name, array in read_fields(path, names, trust=trust).items()
    }


def _contents(source: Source, trust: bool) -> PickleContents:
    _check_start(source)
    try:
        tree = follow(source)
        source.finish()
        return fields_of(source, tree)
    except UnsafePickleError:
        if not trust:
            raise
    return fields_of(source, _load(source), trusted=True)


def _check_start(source: Source) -> None:
    if source.size == 0:
        raise source.corrupt("the file is empty, it has 0 bytes")
    source.fill(1)
    start = source.buffer[:16]
    twice = format_of(start)
    if twice is not None:
        raise CorruptShardError(
            f"{source.path}: is compressed twice, by {twice.name} first. Expand it once."
        )
    for magic, words in _LOOKS_LIKE:
        if start.startswith(magic):
            raise CorruptShardError(f"{source.path}: {words}. A plain pickle was expected.")


def _load(source: Source) -> object:
    import pickle  # only here: everything else must not have it at hand

    by_joblib = _mentions(source, joblib_arrays.WRAPPER.rpartition(".")[2].encode())
    try:
        if by_joblib:
            import joblib

            return joblib.load(source.path)
        with open(source.path, "rb") as file:
            content: Any = file
            if source.compressed:
                content = io.BytesIO(source.read(0, source.size).tobytes())
            # Arrays of Python 2 can only be loaded as latin-1.
            return pickle.load(content, encoding="latin1")
    except Exception as error:
        raise ShardError(
            f"{source.path}: {'joblib' if by_joblib else 'pickle'}.load failed with "
            f"{type(error).__name__}: {error}. Write the file again with plain NumPy arrays."
        ) from error


def _mentions(source: Source, name: bytes) -> bool:
    """Whether the bytes of a name stand anywhere in the file."""
    source.expand()
    for start in range(0, source.size, _PIECE):
        count = min(_PIECE + len(name), source.size - start)
        if name in source.read(start, count).tobytes():
            return True
    return False
