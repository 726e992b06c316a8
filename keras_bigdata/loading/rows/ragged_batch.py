"""Pads rows of numbers of any length to the longest row of the batch, as one array."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.loading.rows.varlen_rows import VarlenRows
from keras_bigdata.shards.fields.ragged import places_of_rows


def padded_length(longest: int, pad_to: int) -> int:
    """Returns the length that rows are padded to: a positive multiple of `pad_to`."""
    return max(pad_to, -(-longest // pad_to) * pad_to)


def pad_batch(rows: VarlenRows, pad_to: int, min_length: int = 0) -> npt.NDArray[Any]:
    """Returns the rows of a batch as an array of shape `(rows, longest, ...)`.

    Args:
        rows: the rows.
        pad_to: the length is a multiple of it. A batch of empty rows has this length, because most
            layers do not take a dimension of 0.
        min_length: minimum length. Defaults to `0`.
    """
    field = rows.field
    values = rows.values
    size = max(1, field.value_dtype.itemsize * int(np.prod(field.value_shape, dtype=np.int64)))
    lengths = rows.sizes // size
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    length = padded_length(int(lengths.max(initial=min_length)), pad_to)
    out = np.full((len(rows), length, *field.value_shape), field.padding, field.dtype)
    out[np.arange(length) < lengths[:, np.newaxis]] = values[
        places_of_rows(rows.starts // size, lengths, offsets)
    ]
    return out


def widened(batch: npt.NDArray[Any], length: int, padding: float) -> npt.NDArray[Any]:
    """Returns a padded batch with rows of a greater length."""
    if batch.shape[1] == length:
        return batch
    out = np.full((len(batch), length, *batch.shape[2:]), padding, batch.dtype)
    out[:, : batch.shape[1]] = batch
    return out
