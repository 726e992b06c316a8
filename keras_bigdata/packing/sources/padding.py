"""Rows of different length -> one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_int


def pad_rows(
    rows: Sequence[Sequence[Any] | npt.NDArray[Any]],
    length: int | None = None,
    *,
    value: float = 0,
    dtype: npt.DTypeLike = np.int32,
) -> npt.NDArray[Any]:
    """Pads or truncates rows of different length at their end, so that they form one array.

    Lists of token ids, or of vectors, become a field of `Arrays` in this way.

    Args:
        rows: Lists or arrays of numbers. Arrays of several dimensions are padded along the
            first one.
        length: Entries per row of the result. Defaults to `None`: the length of the longest row.
        value: The padding value. Defaults to `0`.
        dtype: The dtype of the result. Defaults to `int32`.

    Returns:
        Array of shape `(rows, length, ...)`.

    Raises:
        ValueError: If there are no rows, if an entry or `value` does not fit the dtype, or if the
            entries of rows differ in shape.

    Example:

    ```python
    from keras_bigdata import pad_rows

    tokens = pad_rows([[4, 9, 2], [7], []], length=2)  # [[4, 9], [7, 0], [0, 0]]
    pack(Arrays(texts=tokens, labels=[0, 1, 1]), "shards/tokens")
    ```
    """
    if length is not None:
        length = checked_int(length, "length", 1)
    if not _fits(np.asarray(value), np.dtype(dtype)):
        raise ValueError(
            f"`value` must be a number that {np.dtype(dtype)} can hold. Received: value={value!r}"
        )
    longest = max(map(len, rows), default=0)
    length = longest if length is None else length
    if not len(rows) or length < 1:
        raise ValueError(
            f"`rows` must hold at least one row with at least one entry. Received: {len(rows)} "
            f"rows, the longest of {longest} entries, length={length}"
        )
    first = next((np.asarray(row) for row in rows if len(row)), np.empty(0))
    out = np.full((len(rows), length, *first.shape[1:]), value, dtype)
    for number, row in enumerate(rows):
        if not len(row):
            continue
        entries = np.asarray(row[:length])
        if entries.shape[1:] != first.shape[1:] or not _fits(entries, out.dtype):
            raise ValueError(
                f"`rows` must hold numbers that {out.dtype} can hold, each entry of shape "
                f"{first.shape[1:]}. Received: row {number} has entries of {entries.dtype} and "
                f"shape {entries.shape[1:]}"
            )
        out[number, : len(entries)] = entries
    return out


def _fits(entries: npt.NDArray[Any], dtype: np.dtype[Any]) -> bool:
    """Returns whether all entries are numbers in the range of the dtype; for integers, whole ones.

    Numbers that a float dtype has to round do fit.
    """
    if entries.dtype.kind not in "biuf":
        return False
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return bool((np.isfinite(entries.astype(dtype)) | ~np.isfinite(entries)).all())
    # NaN is not an integer: it differs from whatever it is converted to.
    with np.errstate(invalid="ignore"):
        return bool((entries.astype(dtype) == entries).all())
