"""Arrays in memory, or that are sliced from disk, as batches for `evaluate`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from numbers import Number
from typing import Any

import keras
import numpy as np


class ArrayBatches(keras.utils.PyDataset):
    """Batches `(x, y)` or `(x, y, sample_weight)` cut from arrays in their order.

    `evaluate(x, y)` would copy all arrays anew at each call on TensorFlow; slices are views.

    Args:
        x: an array, or a (nested) tuple, list or dict of arrays, rows first.
        y: the same, or `None`.
        sample_weight: the same, or `None`; a `None` inside stands for weights of one.
        batch_size: rows per batch; the last one may have fewer.

    Raises:
        TypeError: if something is not an array of numbers.
        ValueError: if the arrays differ in their number of rows, or have none.
    """

    def __init__(self, x: Any, y: Any, sample_weight: Any, batch_size: int) -> None:
        super().__init__()
        self._x = _arrays(x, "x")
        self._y = None if y is None else _arrays(y, "y")
        rows = _rows({"x": self._x, "y": self._y})
        self._weight = None
        if sample_weight is not None:
            ones = np.ones(rows, keras.config.floatx())
            self._weight = _arrays(sample_weight, "sample_weight", instead_of_none=ones)
            _rows({"x": self._x, "sample_weight": self._weight})
        self.num_samples = rows
        self._batch_size = batch_size

    def __len__(self) -> int:
        return math.ceil(self.num_samples / self._batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        rows = slice(index * self._batch_size, (index + 1) * self._batch_size)
        parts = (self._x, self._y, self._weight)
        return tuple(_map(lambda array: _cut(array, rows), p) for p in parts if p is not None)


def is_array(value: Any) -> bool:
    """Whether it is one array: of NumPy, pandas or a backend, on disk, or a list of numbers."""
    if isinstance(value, list):
        return bool(value) and (isinstance(value[0], Number) or _is_list_of_numbers(value[0]))
    return hasattr(value, "shape") and hasattr(value, "__getitem__")


def _is_list_of_numbers(value: Any) -> bool:
    return isinstance(value, list) and is_array(value)


def _arrays(value: Any, where: str, instead_of_none: Any = None) -> Any:
    """Every leaf as an array that can be sliced; lists of arrays as tuples."""
    if value is None and instead_of_none is not None:
        return instead_of_none
    if is_array(value):
        return _array(value, where)
    if isinstance(value, Mapping) and value:
        return {k: _arrays(v, f"{where}[{k!r}]", instead_of_none) for k, v in value.items()}
    if isinstance(value, (tuple, list)) and value:
        return tuple(_arrays(v, f"{where}[{i}]", instead_of_none) for i, v in enumerate(value))
    raise TypeError(
        f"{where} must be an array, or a tuple, list or dict of arrays. Received: {where} of type "
        f"{type(value).__name__}"
    )


def _array(value: Any, where: str) -> Any:
    if keras.ops.is_tensor(value):
        value = keras.ops.convert_to_numpy(value)
    elif hasattr(value, "iloc") or not hasattr(value, "dtype"):
        value = np.asarray(value)
    # What is left, like a dataset of h5py, is read slice by slice.
    if np.dtype(value.dtype).kind in "OUSMm":
        raise TypeError(
            f"{where} must hold numbers. Received: dtype {value.dtype}. Text can be evaluated from "
            "a tf.data.Dataset or a PyDataset."
        )
    return value


def _rows(parts: dict[str, Any]) -> int:
    shapes = {
        where: array.shape
        for name, part in parts.items()
        if part is not None
        for where, array in _leaves(part, name)
    }
    if any(len(shape) == 0 for shape in shapes.values()):
        raise ValueError(f"arrays must have rows. Received shapes: {shapes}")
    counts = {int(shape[0]) for shape in shapes.values()}
    if len(counts) > 1:
        raise ValueError(f"arrays must have the same number of rows. Received shapes: {shapes}")
    if counts == {0}:
        raise ValueError(f"there are no rows to evaluate. Received shapes: {shapes}")
    return counts.pop()


def _cut(array: Any, rows: slice) -> Any:
    part = np.asarray(array[rows])
    # As Keras does with arrays.
    if part.dtype.kind == "f" and part.dtype != keras.config.floatx():
        return part.astype(keras.config.floatx())
    return part


def _map(function: Callable[[Any], Any], structure: Any) -> Any:
    if isinstance(structure, dict):
        return {key: _map(function, item) for key, item in structure.items()}
    if isinstance(structure, tuple):
        return tuple(_map(function, item) for item in structure)
    return function(structure)


def _leaves(structure: Any, where: str) -> Iterator[tuple[str, Any]]:
    if isinstance(structure, dict):
        for key, item in structure.items():
            yield from _leaves(item, f"{where}[{key!r}]")
    elif isinstance(structure, tuple):
        for index, item in enumerate(structure):
            yield from _leaves(item, f"{where}[{index}]")
    else:
        yield where, structure
