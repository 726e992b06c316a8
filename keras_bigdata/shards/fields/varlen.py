"""Rows of any length: an array of values, and the offsets at which each row begins.

Row i is `values[offsets[i]:offsets[i + 1]]`. In a shard both arrays are the value of one key:
`{"file": {"offsets": int64[rows + 1], "values": uint8[...]}}`. The codec of the field says what
the values of a row are: a text, the content of an image file, or numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import CorruptShardError

VALUES = "values"
OFFSETS = "offsets"

Array = npt.NDArray[Any]

# Bytes of a character in an array of dtype `str`.
_CHARACTER_BYTES = 4

# An array of texts may have this size in any case, and otherwise this many times the size of its
# texts.
_SMALL_BYTES = 64 * 2**20
_MAX_PADDING = 16


def encode_texts_of_rows(texts: Sequence[str] | Array) -> dict[str, Array]:
    """Returns one text per row as values (UTF-8) and offsets.

    Args:
        texts: strings, one per row.

    Raises:
        ValueError: if a text cannot be encoded, such as half of a surrogate pair.
    """
    encoded = [str(text).encode("utf-8") for text in texts]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    # Writable, so that they are after `pickle.load` too. The offsets come first: their position in
    # the file then depends on the number of rows only, and repeats in an index.
    return {OFFSETS: offsets, VALUES: np.frombuffer(bytearray(b"".join(encoded)), np.uint8)}


def decode_texts_of_rows(values: Array, offsets: Array, where: str) -> Array:
    """Returns the texts as an array, of dtype `str` or `object` (see `as_text_array`).

    Args:
        values: uint8 array.
        offsets: int64 array, as `check_offsets` accepts it.
        where: the file and the column, for messages.

    Raises:
        CorruptShardError: if the values are not UTF-8.
    """
    data = values.tobytes()
    try:
        bounds = offsets.tolist()
        texts = [data[start:stop].decode("utf-8") for start, stop in itertools.pairwise(bounds)]
    except UnicodeDecodeError as error:
        raise CorruptShardError(f"{where}: holds bytes that are not UTF-8 ({error}).") from error
    return as_text_array(texts)


def as_text_array(texts: Sequence[str]) -> Array:
    """Returns texts as an array of dtype `str`, or `object` if that would take far more memory.

    An array of dtype `str` gives every row the length of the longest text: with one text of a
    million characters, 10,000 short ones would take 40 GB.
    """
    lengths = [len(text) for text in texts]
    if _is_wasteful(len(texts), max(lengths, default=0), sum(lengths)):
        array = np.empty(len(texts), object)
        array[:] = texts
        return array
    return np.array(texts, np.str_)


def join_texts(parts: Sequence[Array]) -> Array:
    """Joins arrays of texts to one, of dtype `str` or `object` (see `as_text_array`)."""
    rows = sum(map(len, parts))
    if any(part.dtype == object for part in parts):
        return np.concatenate([part.astype(object) for part in parts])
    width = max((part.dtype.itemsize for part in parts), default=0) // _CHARACTER_BYTES
    size = sum(part.nbytes for part in parts) // _CHARACTER_BYTES
    if _is_wasteful(rows, width, size):
        return np.concatenate([part.astype(object) for part in parts])
    return np.concatenate(parts)


def _is_wasteful(rows: int, width: int, characters: int) -> bool:
    """Returns whether rows of one width take far more memory than their texts."""
    nbytes = rows * width * _CHARACTER_BYTES
    return nbytes > max(_SMALL_BYTES, _MAX_PADDING * characters * _CHARACTER_BYTES)


def check_offsets(offsets: Array, rows: int, size: int, where: str) -> None:
    """Checks that offsets divide `size` values into rows.

    Args:
        offsets: the offsets.
        rows: number of rows.
        size: number of values.
        where: the file and the column, for messages.

    Raises:
        CorruptShardError: if the offsets point outside of the values, or backwards.
    """
    if offsets.shape != (rows + 1,) or offsets.dtype.kind != "i":
        raise CorruptShardError(
            f"{where}: the offsets are {offsets.dtype} {offsets.shape}, expected int64 "
            f"({rows + 1},). Restore the file, or write it again."
        )
    # `np.diff` is not used: the difference of two wrong offsets may overflow, and be positive.
    if offsets[0] != 0 or offsets[-1] != size or (offsets[1:] < offsets[:-1]).any():
        raise CorruptShardError(
            f"{where}: the offsets do not divide its {size:,} values into {rows:,} rows. Restore "
            "the file, or write it again."
        )
