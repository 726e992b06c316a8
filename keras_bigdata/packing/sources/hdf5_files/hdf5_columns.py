"""Columns of an HDF5 file: labels and texts, read in parts, and checks of the others."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Iterator
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.hdf5_files.hdf5_file import HDF5File
from keras_bigdata.packing.sources.hdf5_files.hdf5_vlen import image_format
from keras_bigdata.packing.sources.tables.labels import Label, clean_labels
from keras_bigdata.packing.sources.tables.missing_values import is_missing
from keras_bigdata.packing.sources.texts.tokens import split_words


def read_labels(
    file: HDF5File, name: str, classes: list[Any] | None
) -> tuple[list[Label | None], npt.NDArray[np.int64]]:
    """Reads the distinct labels of a dataset, and for each row the position of its label in them.

    Args:
        file: The open file.
        name: A dataset with one label per row.
        classes: The classes that the labels are among, if they are known.

    Returns:
        Tuple `(labels, positions)`; `positions` has the shape `(rows,)`.

    Raises:
        PackError: If the dataset does not hold labels, or holds numbers with fractions.
    """
    code_of_value: dict[Any, int] = {}
    codes = np.empty(file.rows, np.int64)
    for first, block in file.blocks(name):
        strings = _is_string(block.dtype)
        if name in file.ragged:
            raise PackError(describe_ragged_target(file, name))
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
    return clean_labels(list(code_of_value), f"{file.path}, dataset {name!r}", classes), codes


def check_numbers(file: HDF5File, name: str) -> None:
    """Checks that a dataset holds numbers: rows of one shape, or of any length.

    Raises:
        PackError: If it does not, or if its rows are the files of images.
    """
    dtype = file.dtypes[name]
    if name in file.ragged:
        if not file.ragged[name].isnative:
            # h5py 3.14 returns these bytes unchanged, as numbers of the native byte order.
            raise PackError(
                f"{file.describe(name)} holds rows of any length of {file.ragged[name]}, the byte "
                "order of another machine, which h5py reads as other numbers. Write the dataset "
                f"again with h5py.vlen_dtype({file.ragged[name].newbyteorder('=').str!r})."
            )
        first = None
        with contextlib.suppress(PackError):  # `pack` reports a damaged row with its shard
            first = image_format(file.read(name, np.zeros(1, np.int64))[0])
        if first is not None:
            raise PackError(
                f"{file.describe(name)} holds files of images ({first}), not numbers. Decode them "
                "into a dataset of pixels, or write them to files for ImageFolder or ImageTable."
            )
        return
    if dtype.hasobject or dtype.kind not in "biufc":
        raise PackError(
            f"{file.describe(name)} holds {dtype}, not numbers. Pass strings as `label` or "
            f"`text`. The datasets are: {file.list_datasets()}"
        )


def describe_ragged_target(file: HDF5File, name: str) -> str:
    """Returns why whole numbers of any length are not taken as labels or targets."""
    return (
        f"{file.describe(name)} holds {file.ragged[name]} rows of any length, which as labels can "
        "be read in two ways: as several classes of a row, or as a sequence of labels. For "
        "several classes write a dataset of 0 and 1 with one column per class. For sequences use "
        "Arrays(labels=Ragged.from_rows(rows, padding=...)), with the number that fills short rows "
        "in a batch."
    )


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
