"""Handles HDF5 datasets of variable-length arrays of numbers: rows of any length."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from keras_bigdata.shards.fields.field_values import NUMERIC_KINDS

# Number of rows that are read to measure the average size.
_SAMPLED_ROWS = 128
# In memory, each row is an array of its own.
_MIN_ROW_BYTES = 16

# The first bytes of files of images.
_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"RIFF": "WebP",
}


def vlen_dtype(dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """Returns the dtype of the numbers in variable-length rows; `None` for all other datasets."""
    base = h5py.check_vlen_dtype(dtype)
    if base is None or h5py.check_string_dtype(dtype) is not None:
        return None
    base = np.dtype(base)
    return base if base.kind in NUMERIC_KINDS else None


def average_row_bytes(dataset: Any, dtype: np.dtype[Any]) -> int:
    """Returns the average bytes of a row, measured on some rows of the dataset.

    Args:
        dataset: the `h5py.Dataset`.
        dtype: dtype of its numbers.
    """
    rows = np.unique(np.linspace(0, len(dataset) - 1, _SAMPLED_ROWS).astype(np.int64)).tolist()
    size = count = 0
    for row in rows:
        try:
            size += len(np.ravel(dataset[row])) * dtype.itemsize
        except (OSError, RuntimeError, ValueError):  # the message about it comes with its shard
            continue
        count += 1
    return max(_MIN_ROW_BYTES, -(-size // max(1, count)))


def image_format(row: npt.NDArray[Any]) -> str | None:
    """Returns the format of the file of an image whose bytes a row holds, or `None`."""
    if row.dtype.itemsize != 1:
        return None
    start = row[:8].tobytes()
    return next((name for first, name in _SIGNATURES.items() if start.startswith(first)), None)


def parts_of(column: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Returns arrays of plain dtypes that identify some rows: their lengths and their values."""
    if not column.dtype.hasobject:
        return [column]
    return [np.asarray([len(row) for row in column], np.int64), *map(np.asarray, column)]
