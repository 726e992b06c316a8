"""Labels and texts of an HDF5 file, read in parts."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.hdf5_file import HDF5File
from keras_bigdata.packing.sources.labels import Label, clean_labels, is_missing
from keras_bigdata.packing.sources.tokens import split_words


def read_labels(file: HDF5File, name: str) -> tuple[list[Label | None], npt.NDArray[np.int64]]:
    """Reads the distinct labels of a dataset, and for each row the position of its label in them.

    Args:
        file: The open file.
        name: A dataset with one label per row.

    Returns:
        Tuple `(labels, positions)`; `positions` has the shape `(rows,)`.

    Raises:
        PackError: If the dataset does not hold labels, or holds numbers with fractions.
    """
    code_of_value: dict[Any, int] = {}
    codes = np.empty(file.rows, np.int64)
    for first, block in file.blocks(name):
        strings = _is_string(block.dtype)
        if not strings and block.dtype.kind not in "biuf":
            raise PackError(f"{file.describe(name)} holds {block.dtype}, which are not labels.")
        values = block.reshape(-1)
        rows = slice(first, first + len(values))
        if strings:
            codes[rows] = [
                code_of_value.setdefault(file.decode(name, row, value), len(code_of_value))
                for row, value in enumerate(values, first)
            ]
        else:
            unique, inverse = np.unique(values, return_inverse=True)
            codes_of_unique = [
                code_of_value.setdefault(value, len(code_of_value)) for value in unique.tolist()
            ]
            codes[rows] = np.asarray(codes_of_unique)[inverse.reshape(-1)]
    for value in code_of_value:
        if isinstance(value, float) and not value.is_integer() and not is_missing(value):
            raise PackError(
                f"{file.describe(name)} holds numbers with fractions, such as {value!r}, which "
                "are not classes. If they are values to predict, pass HDF5Table(path, label=None, "
                f"columns={{'target': {name!r}}}, targets='target')."
            )
    return clean_labels(list(code_of_value), f"{file.path}, dataset {name!r}"), codes


class HDF5Texts(Collection[list[str]]):
    """The words of each row of a dataset of texts. Each iteration reads the dataset again.

    Args:
        file: The open file.
        name: A dataset with one string per row.

    Raises:
        PackError: If the dataset does not hold one string per row.
    """

    def __init__(self, file: HDF5File, name: str) -> None:
        self._file = file
        self._name = name
        if not _is_string(file.dtypes[name]) or math.prod(file.shapes[name][1:]) != 1:
            raise PackError(
                f"{file.describe(name)} holds {file.dtypes[name]}, not one text per row. The "
                f"datasets are: {file.list_datasets()}"
            )

    def __len__(self) -> int:
        return self._file.rows

    def __contains__(self, text: object) -> bool:
        return any(text == other for other in self)

    def __iter__(self) -> Iterator[list[str]]:
        for first, block in self._file.blocks(self._name):
            for row, value in enumerate(block.reshape(-1), first):
                yield split_words(self._file.decode(self._name, row, value))


def _is_string(dtype: np.dtype[Any]) -> bool:
    """Returns whether a dataset of this dtype holds strings."""
    return h5py.check_string_dtype(dtype) is not None
