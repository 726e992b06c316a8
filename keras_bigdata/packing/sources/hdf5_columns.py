"""Labels and texts of an HDF5 file, read in parts."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.hdf5_file import HDF5File, is_text
from keras_bigdata.packing.sources.labels import Label, clean_labels, is_missing
from keras_bigdata.packing.sources.text import words


def read_labels(file: HDF5File, name: str) -> tuple[list[Label | None], npt.NDArray[np.int64]]:
    """The labels that differ, and for each row the position of its own among them.

    Args:
        file: the open file.
        name: a dataset of one label a row.

    Raises:
        PackError: if they are no labels, or numbers with fractions.
    """
    codes: dict[Any, int] = {}
    coded = np.empty(file.rows, np.int64)
    for first, block in file.blocks(name):
        if not is_text(block.dtype) and block.dtype.kind not in "biuf":
            raise PackError(f"{file.about(name)} holds {block.dtype}, which are no labels.")
        values = block.reshape(-1)
        if is_text(block.dtype):
            found = [file.text(name, first + row, value) for row, value in enumerate(values)]
            here = [codes.setdefault(value, len(codes)) for value in found]
            coded[first : first + len(here)] = here
        else:
            unique, inverse = np.unique(values, return_inverse=True)
            table = [codes.setdefault(value, len(codes)) for value in unique.tolist()]
            coded[first : first + len(values)] = np.asarray(table)[inverse.reshape(-1)]
    for value in codes:
        if isinstance(value, float) and not value.is_integer() and not is_missing(value):
            raise PackError(
                f"{file.about(name)} holds numbers with fractions, such as {value!r}, and "
                f"so no classes. For regression: HDF5Table(path, label=None, "
                f"columns={{'target': {name!r}}}, targets='target')."
            )
    return clean_labels(list(codes), f"{file.path}, dataset {name!r}"), coded


class Texts(Collection[list[str]]):
    """The words of each row of a dataset of texts, read anew by each pass."""

    def __init__(self, file: HDF5File, name: str) -> None:
        self.file = file
        self.name = name
        if not is_text(file.dtypes[name]) or math.prod(file.shapes[name][1:]) != 1:
            raise PackError(
                f"{file.about(name)} holds {file.dtypes[name]}, not one text a row. The datasets "
                f"are: {file.listed()}"
            )

    def __len__(self) -> int:
        return self.file.rows

    def __contains__(self, text: object) -> bool:
        return any(text == other for other in self)

    def __iter__(self) -> Iterator[list[str]]:
        for first, block in self.file.blocks(self.name):
            for row, value in enumerate(block.reshape(-1)):
                yield words(self.file.text(self.name, first + row, value))
