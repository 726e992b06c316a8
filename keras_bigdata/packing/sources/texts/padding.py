"""Pads rows of different length, so that they form one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_int
from keras_bigdata.shards.fields.field_values import as_array


def pad_rows(
    rows: Sequence[Sequence[Any] | npt.NDArray[Any]],
    length: int | None = None,
    *,
    value: float = 0,
    dtype: npt.DTypeLike = np.int32,
) -> npt.NDArray[Any]:
    """Pads or truncates rows of different length at their end, so that they form one array.

    Lists of token ids, or of vectors, become a field of equal rows in this way, such as one of
    `Arrays`. To store rows as long as they are, and pad each batch only, see `Ragged`; for the
    texts of a table, pass `text_length="variable"` to `TextTable`.

    Args:
        rows: Lists or arrays of numbers. Arrays of several dimensions are padded along the
            first one. Rows that are longer than `length` lose their end.
        length: Entries per row of the result. Defaults to `None`: the length of the longest row.
        value: The padding value. Defaults to `0`.
        dtype: The dtype of the result. Fractions are rounded to a floating-point one; integers
            must be held exactly, which float32 does up to 16,777,216. Defaults to `int32`.

    Returns:
        Array of shape `(rows, length, ...)`.

    Raises:
        ValueError: If there are no rows, if an entry or `value` does not fit the dtype or is
            masked, or if the entries of rows differ in shape.

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
    first = next((_as_entries(row, number) for number, row in enumerate(rows) if len(row)), None)
    first = np.empty(0) if first is None else first
    out = np.full((len(rows), length, *first.shape[1:]), value, dtype)
    for number, row in enumerate(rows):
        if not len(row):
            continue
        entries = _as_entries(row[:length], number)
        exactly = " exactly" if entries.dtype.kind in "iu" else ""
        if entries.shape[1:] != first.shape[1:] or not _fits(entries, out.dtype):
            raise ValueError(
                f"`rows` must hold numbers that {out.dtype} can hold{exactly}, each entry of shape "
                f"{first.shape[1:]}. Received: row {number} has entries of {entries.dtype} and "
                f"shape {entries.shape[1:]}"
            )
        out[number, : len(entries)] = entries
    return out


def _as_entries(row: Any, number: int) -> npt.NDArray[Any]:
    try:
        return as_array(row)
    except ValueError as error:
        raise ValueError(f"`rows` must hold numbers. Row {number} {error}.") from error


def _fits(entries: npt.NDArray[Any], dtype: np.dtype[Any]) -> bool:
    """Returns whether all entries are numbers that the dtype holds: integers exactly.

    Fractions, which a floating-point dtype has to round, need to be in its range only.
    """
    if entries.dtype.kind not in "biuf":
        return False
    if dtype.kind == "f" and entries.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return bool((np.isfinite(entries.astype(dtype)) | ~np.isfinite(entries)).all())
    # NaN is not an integer: it differs from whatever it is converted to.
    with np.errstate(invalid="ignore", over="ignore"):
        converted = entries.astype(dtype)
        if dtype.kind == "f":  # back: NumPy compares both as floats
            return bool((converted.astype(entries.dtype) == entries).all())
        return bool((converted == entries).all())
