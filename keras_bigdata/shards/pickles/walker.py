"""Where NumPy arrays lie inside a pickle, found without running the pickle."""

from __future__ import annotations

import os

from keras_bigdata.errors import CorruptShardError, ShardError, UnsafePickleError
from keras_bigdata.shards.pickles.fields import PickleContents, fields_of
from keras_bigdata.shards.pickles.opcodes import follow
from keras_bigdata.shards.pickles.stored import Source, StoredArray, open_source, read_array

__all__ = ["PickleContents", "StoredArray", "read_array", "walk"]

# Files that are met where pickles were expected, by their first bytes.
_LOOKS_LIKE = (
    (b"\x1f\x8b", "looks gzip-compressed; decompress it first"),
    (b"BZh", "looks bzip2-compressed; decompress it first"),
    (b"\xfd7zXZ\x00", "looks xz-compressed; decompress it first"),
    (b"\x5d\x00\x00", "looks LZMA-compressed; decompress it first"),
    (b"\x04\x22\x4d\x18", "looks lz4-compressed; decompress it first"),
    (b"\x28\xb5\x2f\xfd", "looks zstd-compressed; decompress it first"),
    (b"\x78\x01", "looks zlib-compressed, as joblib.dump does; decompress it first"),
    (b"\x78\x5e", "looks zlib-compressed, as joblib.dump does; decompress it first"),
    (b"\x78\x9c", "looks zlib-compressed, as joblib.dump does; decompress it first"),
    (b"\x78\xda", "looks zlib-compressed, as joblib.dump does; decompress it first"),
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

    Args:
        path: the pickle file.
        trust: whether to load the file with `pickle.load` if it holds more than plain data. That
            runs whatever the file says: only for files that you wrote yourself. Defaults to
            `False`.

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
    with open_source(path) as source:
        _check_start(source)
        try:
            return fields_of(source, follow(source))
        except UnsafePickleError:
            if not trust:
                raise
        return fields_of(source, _load(source), trusted=True)


def _check_start(source: Source) -> None:
    if source.size == 0:
        raise source.corrupt("the file is empty, it has 0 bytes")
    start = source.read(0, min(16, source.size)).tobytes()
    for magic, words in _LOOKS_LIKE:
        if start.startswith(magic):
            raise CorruptShardError(f"{source.path}: {words}. A plain pickle was expected.")


def _load(source: Source) -> object:
    import pickle  # only here: everything else must not have it at hand

    try:
        with open(source.path, "rb") as file:
            # Arrays of Python 2 can only be loaded as latin-1.
            return pickle.load(file, encoding="latin1")
    except Exception as error:
        raise ShardError(
            f"{source.path}: pickle.load failed with {type(error).__name__}: {error}. Write the "
            "file again with plain NumPy arrays."
        ) from error
