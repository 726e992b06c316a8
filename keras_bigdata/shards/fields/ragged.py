"""`Ragged`: rows of any length in memory, as values and offsets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_number
from keras_bigdata.permutation import Int64Array
from keras_bigdata.representation import format_count
from keras_bigdata.shards.fields.field_values import as_numbers

Array = npt.NDArray[Any]


class Ragged:
    """Rows that differ in length: texts as tokens, time series, lists of numbers.

    Row i is `values[offsets[i]:offsets[i + 1]]`. All rows have one dtype and, but for the first
    dimension, one shape. In a batch they are padded to the length of the longest.

    Args:
        values: array of shape `(total length, ...)`, the rows one after the other.
        offsets: int64 array of shape `(rows + 1,)`, from 0 to the total length, ascending.
        padding: the number that fills short rows of a batch. Defaults to `0`.

    Raises:
        ValueError: if the offsets do not divide the values into rows, if the values are not
            numbers, or if their dtype does not hold the padding.

    Example:

    ```python
    series = Ragged.from_rows([[1.0, 2.0], [3.0], []])
    len(series)  # 3
    series[0]  # array([1., 2.])
    pack(Arrays(series=series, labels=[0, 1, 0]), "shards/series")
    ```
    """

    __slots__ = ("offsets", "padding", "values")

    def __init__(self, values: npt.ArrayLike, offsets: npt.ArrayLike, padding: float = 0) -> None:
        self.values: Array = as_numbers(values)
        ends = np.asarray(offsets)
        problem = offsets_problem(ends, len(self.values) if self.values.ndim else -1)
        if problem is not None:
            raise ValueError(f"`offsets` {problem}. Received: {ends!r:.80}")
        if 0 in self.values.shape[1:]:
            raise ValueError(
                "`values` hold vectors without any number, so rows have nothing but a length. "
                f"Received: values of shape {self.values.shape}"
            )
        self.offsets: Int64Array = ends.astype(np.int64, copy=False)
        self.padding = checked_padding(padding, self.values.dtype)

    @classmethod
    def from_rows(cls, rows: Iterable[Any], dtype: Any = None, padding: float = 0) -> Ragged:
        """Creates a `Ragged` from rows.

        Args:
            rows: one array or list of numbers per row, equal in all but the first dimension. Empty
                lists have the dtype and shape of the others.
            dtype: dtype of the values. Defaults to `None`: that of the rows, which must be the same
                for all arrays; for lists, the one that holds the values of all of them.
            padding: as in the constructor. Defaults to `0`.

        Raises:
            ValueError: if there are no rows, if one is not an array of numbers, or if the rows
                differ in more than their length.
        """
        given = list(rows)
        if not given:
            raise ValueError("`rows` is empty: there must be at least one row.")
        arrays = []
        for number, row in enumerate(given):
            try:
                array = as_numbers(row)
            except ValueError as error:
                raise ValueError(f"row {number} {error}.") from error
            if array.ndim == 0:
                raise ValueError(f"row {number} is a single number, not a list or an array.")
            arrays.append(array)
        # An empty list has the dtype float64 and one dimension, whatever the others hold.
        typed = [
            array
            for array, row in zip(arrays, given, strict=True)
            if len(array) or not isinstance(row, list | tuple)
        ] or arrays
        shape = typed[0].shape[1:]
        for number, array in enumerate(arrays):
            if array.shape[1:] != shape and len(array):
                raise ValueError(
                    f"row {number} has shape {array.shape}, and others (length, "
                    f"{', '.join(map(str, shape))}): rows may differ in their length only."
                )
        if dtype is None:
            kinds = {array.dtype.newbyteorder("=") for array in typed}
            if len(kinds) > 1 and not all(isinstance(row, list | tuple) for row in given):
                raise ValueError(
                    f"the rows have several dtypes: {', '.join(sorted(map(str, kinds)))}. Pass the "
                    "one that they are to have as dtype=..."
                )
            dtype = np.result_type(*kinds)
        lengths = [len(array) for array in arrays]
        offsets = np.zeros(len(arrays) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        values = np.empty((int(offsets[-1]), *shape), dtype)
        for array, start, stop in zip(arrays, offsets[:-1], offsets[1:], strict=True):
            if stop > start:
                part = array
                if array.dtype != values.dtype:
                    part = array.astype(dtype)
                    if not _are_same(part, array):
                        raise ValueError(
                            f"dtype {np.dtype(dtype)} does not hold the values of a row."
                        )
                values[start:stop] = part
        return cls(values, offsets, padding)

    @property
    def lengths(self) -> Int64Array:
        """The length of each row."""
        return np.diff(self.offsets)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the values."""
        return self.values.dtype

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> Array:
        number = range(len(self))[row]
        return self.values[self.offsets[number] : self.offsets[number + 1]]

    def __iter__(self) -> Iterator[Array]:
        return (self[row] for row in range(len(self)))

    def take(self, rows: Sequence[int] | Int64Array) -> Ragged:
        """Returns some rows, in the given order, as new arrays."""
        chosen = np.asarray(rows, np.int64)
        starts, lengths = self.offsets[chosen], self.lengths[chosen]
        offsets = np.zeros(len(chosen) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        values = np.empty((int(offsets[-1]), *self.values.shape[1:]), self.dtype)
        # Copied row by row: an array of positions would take eight times the memory of rows of
        # bytes.
        bounds = zip(starts.tolist(), offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
        for start, first, stop in bounds:
            values[first:stop] = self.values[start : start + stop - first]
        return Ragged(values, offsets, self.padding)

    def padded(self, length: int | None = None) -> Array:
        """Returns the rows as one array of shape `(rows, length, ...)`.

        Args:
            length: at least the length of the longest row. Defaults to `None`: that length.

        Raises:
            ValueError: if a row is longer.
        """
        longest = int(self.lengths.max(initial=0))
        length = longest if length is None else length
        if length < longest:
            raise ValueError(f"a row has length {longest}. Received: length={length}")
        out = np.full((len(self), length, *self.values.shape[1:]), self.padding, self.dtype)
        out[np.arange(length) < self.lengths[:, np.newaxis]] = self.values
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        # NumPy would make an array of rows that happen to have one length.
        raise TypeError("rows of any length are not one array; `padded` returns one")

    def __repr__(self) -> str:
        lengths = self.lengths
        spread = f", {lengths.min():,} to {lengths.max():,} long" if len(self) else ""
        return f"Ragged({self.dtype}: {format_count(len(self), 'row')}{spread})"


def _are_same(part: Array, array: Array) -> bool:
    """Returns whether values that were converted to another dtype are those of the array."""
    nan = array.dtype.kind in "fc"
    # NumPy compares integers with floats as floats, which rounds both alike.
    with np.errstate(invalid="ignore"):
        back = part.astype(array.dtype)
    return np.array_equal(part, array, equal_nan=nan) and np.array_equal(back, array, equal_nan=nan)


def join_ragged(parts: Sequence[Ragged]) -> Ragged:
    """Joins rows of the same dtype and shape, one part after the other."""
    lengths = np.concatenate([part.lengths for part in parts])
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    values = np.concatenate([part.values for part in parts])
    return Ragged(values, offsets, parts[0].padding)


def places_of_rows(starts: Int64Array, lengths: Int64Array, offsets: Int64Array) -> Int64Array:
    """Returns the position of each value of some rows, row by row.

    Args:
        starts: the position of the first value of each row.
        lengths: the number of values of each row.
        offsets: the sums of the lengths, from 0.
    """
    return np.repeat(starts - offsets[:-1], lengths) + np.arange(int(offsets[-1]))


def offsets_problem(offsets: Array, size: int) -> str | None:
    """Returns why offsets do not divide `size` values into rows; `None` if they do."""
    if offsets.ndim != 1 or not len(offsets) or offsets.dtype.kind not in "iu":
        return "must be integers, of shape (rows + 1,)"
    if offsets[0] != 0 or int(offsets[-1]) != size or (offsets[1:] < offsets[:-1]).any():
        return f"must ascend from 0 to {size:,}, the number of values"
    return None


def checked_padding(padding: float, dtype: np.dtype[Any]) -> float:
    """Returns the padding as a Python number, if the dtype holds it.

    Raises:
        TypeError: if it is not a number.
        ValueError: if the dtype would change it.
    """
    number = checked_number(padding, "padding")
    plain = int(number) if dtype.kind in "biu" and number == int(number) else float(number)
    with np.errstate(all="ignore"):
        try:
            held = np.array(plain).astype(dtype).item() == plain
            np.array([plain], dtype)
        except OverflowError:
            held = False
    if not held:
        raise ValueError(f"`padding` is not a value of {dtype}. Received: padding={padding!r}")
    return plain
