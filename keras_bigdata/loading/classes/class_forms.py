"""Where the classes stand in an array of targets: class numbers, or one column per class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.shards.fields.class_numbers import MAX_WEIGHTED_CLASSES

Array = npt.NDArray[Any]


class ClassForm:
    """Reads the classes of targets of one row shape.

    | row shape | classes |
    | --- | --- |
    | `()`, `(1,)` | one class number |
    | `(k,)` | k columns of 0 and 1: one-hot, or several classes in a row |
    | `(h, w)`, `(..., 1)` | one class number for each pixel (or other position) |
    | `(h, w, k)`, `(..., k)` | k columns of 0 and 1 for each pixel: one-hot |

    Class numbers are integers from 0, or the floats 0 and 1.

    Args:
        dtype: dtype of the targets.
        row_shape: shape of one row of them.

    Attributes:
        row_shape: shape of one row.
        positions: shape of the positions in a row that have a class each.
        has_columns: whether each class has a column.
        may_be_one_hot: whether the shape alone allows class numbers and one-hot rows.

    Raises:
        ValueError: if there can be no classes; the message says what was found.
    """

    def __init__(self, dtype: np.dtype[Any], row_shape: tuple[int, ...]) -> None:
        if dtype.kind not in "biuf":
            raise ValueError(f"values of dtype {dtype}, which are not class numbers")
        if 0 in row_shape:
            raise ValueError(f"rows of shape {row_shape}, which hold no values")
        self.row_shape = row_shape
        is_number = not row_shape or row_shape[-1] == 1
        self.has_columns = not is_number and len(row_shape) != 2
        self.may_be_one_hot = not is_number and len(row_shape) == 2
        self.positions = row_shape if self.may_be_one_hot else row_shape[:-1]

    def numbers(self, array: Array) -> Array:
        """Returns the class numbers, as integers.

        Args:
            array: targets, of any number of leading dimensions before the row shape.

        Returns:
            An array of the leading dimensions and the positions.

        Raises:
            ValueError: if a value is not a class number; the message says which.
        """
        leading = array.shape[: array.ndim - len(self.row_shape)]
        array = array.reshape(*leading, *self.positions)
        if array.dtype.kind == "b":
            return array.view(np.uint8)
        if not array.size:
            return array.astype(np.int64)
        if array.dtype.kind == "f":
            other = array[(array != 0) & (array != 1)]
            if other.size:
                raise ValueError(
                    f"the value {other.flat[0]} of dtype {array.dtype}. Class numbers are "
                    "integers, or the floats 0 and 1"
                )
            return array.astype(np.uint8)
        low, high = array.min(), array.max()
        if low < 0:
            raise ValueError(f"the label {low}. Class numbers start at 0")
        if high >= MAX_WEIGHTED_CLASSES:
            raise ValueError(f"the label {high}. Class numbers are below {MAX_WEIGHTED_CLASSES:,}")
        return array

    def columns(self, array: Array) -> tuple[Array, bool]:
        """Returns which classes there are, as booleans, and whether it is one at each position.

        Args:
            array: targets of the row shape, with leading dimensions.

        Raises:
            ValueError: if a value is neither 0 nor 1; the message says which.
        """
        found = array != 0
        other = array[found & (array != 1)]
        if other.size:
            raise ValueError(
                f"the value {other.flat[0]} in a row of shape {self.row_shape}, where each column "
                "is a class and holds 0 or 1"
            )
        is_one_hot = bool((np.count_nonzero(found, axis=-1) == 1).all())
        if not is_one_hot and self.positions:
            raise ValueError(
                f"rows of shape {self.row_shape} whose last axis is not one-hot. If they are class "
                f"numbers of positions, give them the shape {(*self.row_shape, 1)}"
            )
        return found, is_one_hot

    def may_be_columns(self, array: Array) -> bool:
        """Returns whether rows of shape `(h, w)` can be read as h one-hot rows too."""
        if not self.may_be_one_hot or not array.size:
            return False
        found = array != 0
        return bool((np.count_nonzero(found, axis=-1) == 1).all() and (array[found] == 1).all())

    @property
    def two_readings(self) -> str:
        """Both readings of rows of shape `(h, w)` that are one-hot, and how to choose one."""
        h, w = self.row_shape
        return (
            f"rows of shape {self.row_shape} that can be read in two ways: as class numbers 0 and "
            f"1 of {h} x {w} pixels, or as {h} one-hot rows of {w} classes. Give class numbers the "
            f"shape ({h}, {w}, 1), and one-hot rows, as class numbers, the shape ({h}, 1)"
        )


class ClassCounter:
    """Counts the rows (or pixels) of each class, batch by batch.

    Args:
        form: where the classes stand.

    Attributes:
        total: number of rows, or of pixels, that were counted.
        is_one_hot: whether all rows so far have exactly one class each.
    """

    def __init__(self, form: ClassForm) -> None:
        self.form = form
        self.total = 0
        self.is_one_hot = True
        self._counts = np.zeros(0, np.int64)
        self._may_be_columns = True

    def add(self, array: Array) -> None:
        """Adds a batch.

        Raises:
            ValueError: if the values are not classes; the message says what was found.
        """
        if self.form.has_columns:
            found, is_one_hot = self.form.columns(array)
            self.is_one_hot &= is_one_hot
            counts = np.count_nonzero(found.reshape(-1, found.shape[-1]), axis=0)
            self.total += found.size // found.shape[-1]
        else:
            numbers = self.form.numbers(array)
            # Once it is decided, the batches are not looked through again.
            self._may_be_columns = self._may_be_columns and self.form.may_be_columns(array)
            counts = np.bincount(numbers.reshape(-1).astype(np.int64))
            self.total += numbers.size
        self._add_counts(np.asarray(counts, np.int64))

    def _add_counts(self, counts: npt.NDArray[np.int64]) -> None:
        size = max(len(self._counts), len(counts))
        self._counts = np.pad(self._counts, (0, size - len(self._counts)))
        self._counts[: len(counts)] += counts

    def balanced(self) -> dict[int, float]:
        """Returns class -> `total / (classes * count[class])` of the classes that occur.

        Raises:
            ValueError: if the values can be read in two ways; the message has both.
        """
        if self.form.may_be_one_hot and self._may_be_columns:
            raise ValueError(self.form.two_readings)
        return balanced(self._counts.tolist(), self.total)


def balanced(counts: Sequence[int], total: int) -> dict[int, float]:
    """Returns class -> `total / (classes * count[class])` of the classes that occur."""
    occurring = {label: count for label, count in enumerate(counts) if count}
    return {label: total / (len(occurring) * count) for label, count in occurring.items()}
