"""Lists of different length -> an array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_int


def padded(
    rows: Sequence[Sequence[Any] | npt.NDArray[Any]],
    length: int | None = None,
    *,
    value: float = 0,
    dtype: npt.DTypeLike = np.int32,
) -> npt.NDArray[Any]:
    """Makes rows of different length an array: each is cut or filled up at its end.

    For lists of token ids, or of vectors, as a field of `Arrays`.

    Args:
        rows: lists or arrays of numbers; of arrays with more dimensions the first one is padded.
        length: entries a row. Defaults to `None`: those of the longest row.
        value: what to fill with. Defaults to `0`.
        dtype: of the array. Defaults to `int32`.

    Returns:
        Array of shape `(rows, length, ...)`.

    Raises:
        ValueError: if there are no rows, if an entry or `value` does not fit the dtype, or if the
            entries of rows differ in shape.

    Example:

    ```python
    from keras_bigdata import padded

    tokens = padded([[4, 9, 2], [7], []], length=2)  # [[4, 9], [7, 0], [0, 0]]
    pack(Arrays(texts=tokens, labels=[0, 1, 1]), "shards/tokens")
    ```
    """
    if length is not None:
        length = checked_int(length, "length", 1)
    if not _fits(np.asarray(value), np.dtype(dtype)):
        raise ValueError(
            f"`value` must be a number that is {np.dtype(dtype)}. Received: value={value!r}"
        )
    longest = max(map(len, rows), default=0)
    length = longest if length is None else length
    if not len(rows) or length < 1:
        raise ValueError(
            f"There must be rows, and at least one entry a row. Received: {len(rows)} rows, the "
            f"longest of {longest}, length={length}"
        )
    first = next((np.asarray(row) for row in rows if len(row)), np.empty(0))
    out = np.full((len(rows), length, *first.shape[1:]), value, dtype)
    for number, row in enumerate(rows):
        if not len(row):
            continue
        entries = np.asarray(row[:length])
        if entries.shape[1:] != first.shape[1:] or not _fits(entries, out.dtype):
            raise ValueError(
                f"Row {number} has entries of {entries.dtype} and shape {entries.shape[1:]}; "
                f"expected numbers that are {out.dtype}, of shape {first.shape[1:]}."
            )
        out[number, : len(entries)] = entries
    return out


def _fits(entries: npt.NDArray[Any], dtype: np.dtype[Any]) -> bool:
    if entries.dtype.kind not in "biuf":
        return False
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return bool((np.isfinite(entries.astype(dtype)) | ~np.isfinite(entries)).all())
    with np.errstate(invalid="ignore"):  # NaN is no integer, and unequal to what it becomes
        return bool((entries.astype(dtype) == entries).all())
