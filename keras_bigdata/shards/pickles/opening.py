"""Opening the file of a pickle, compressed or not."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy.typing as npt

from keras_bigdata.errors import CorruptShardError
from keras_bigdata.shards.pickles.compressed import Compressed, format_of
from keras_bigdata.shards.pickles.stored import Source, StoredArray, as_array


def read_array(path_or_fd: str | os.PathLike[str] | int, stored: StoredArray) -> npt.NDArray[Any]:
    """Reads a `StoredArray` whole.

    A file descriptor is left open and, where the system has `os.pread`, its position is left
    alone, so that threads may share one.

    Args:
        path_or_fd: the pickle's path, or a descriptor open for reading.
        stored: what `walk` found in that file.

    Returns:
        A new, writable array of `stored.dtype` (byte order as stored) and `stored.shape`.

    Raises:
        CorruptShardError: if the file cannot be read or is shorter than the array needs.

    Example:

    ```python
    contents = walk("train_00000.pickle")
    images = read_array("train_00000.pickle", contents.fields["images"])
    ```
    """
    # Whoever found the array has seen how far the file expands.
    with open_source(path_or_fd, bounded=False) as source:
        data = source.read(stored.offset, stored.nbytes)
    return as_array(data, stored.dtype, stored.shape, stored.order)


def open_source(path: str | os.PathLike[str] | int, *, bounded: bool = True) -> Source:
    """Opens a file for reading; whatever fails is a `CorruptShardError`.

    Args:
        path: the file, or a descriptor.
        bounded: whether a compressed file may not expand to far more than its size. Defaults to
            `True`.
    """
    name = f"file descriptor {path}" if isinstance(path, int) else os.fspath(path)
    try:
        if isinstance(path, int):
            return _source(name, io.FileIO(path, closefd=False), bounded)
        # Opening a named pipe would wait for a writer.
        if os.path.exists(name) and not os.path.isfile(name):
            raise CorruptShardError(f"{name}: this is no file. A pickle file was expected.")
        return _source(name, io.FileIO(name), bounded)
    except OSError as error:
        raise CorruptShardError(
            f"{name}: the file cannot be opened ({error.strerror or error}). Restore it, or leave "
            "it out of the shards."
        ) from error


def _source(name: str, file: io.FileIO, bounded: bool) -> Source:
    try:
        source = Source(name, file)
        start = source.read(0, min(8, source.size)).tobytes()
        form = format_of(start)
        return source if form is None else Compressed(name, file, form, bounded)
    except BaseException:
        file.close()
        raise
