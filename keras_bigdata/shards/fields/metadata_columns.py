"""Metadata columns, which describe rows and are never inputs of a model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.shards.fields.entries import TEXT_CODEC, Field
from keras_bigdata.shards.fields.varlen import encode_texts_of_rows

Array = npt.NDArray[Any]

# The number of the row in the source that it was packed from, before any `select` or `split`.
ROW = "row"
# The file that the row was read from, as the source names it.
FILE = "file"
# The number of the pack that wrote the shard. It is in the index only.
SOURCE = "source"

_MEANINGS = {
    ROW: "the number of the row in the source",
    FILE: "the file that the row was read from",
    SOURCE: "the number of the pack that wrote the row",
}


def check_field_names(names: Collection[str], columns: Collection[str] = (ROW, SOURCE)) -> None:
    """Checks that no field has the name of a metadata column.

    Args:
        names: names of the fields.
        columns: names of the metadata columns. Defaults to those that every shard has.

    Raises:
        ValueError: if a name has two meanings; the message has both.
    """
    for name in names:
        if name in columns or name == SOURCE:
            meaning = _MEANINGS.get(name, "a column that is kept to describe the row")
            raise ValueError(
                f"the name {name!r} would have two meanings: a field of the samples, and the "
                f"metadata column that holds {meaning}. Rename the field."
            )


def check_kept_names(names: Collection[str], columns: Collection[str] = (ROW, SOURCE)) -> None:
    """Checks that no kept column has the name of a column that is written anyway.

    Args:
        names: names of the columns that are kept.
        columns: names of the columns that are written anyway. Defaults to those of every shard.

    Raises:
        ValueError: if a name has two meanings; the message has both.
    """
    for name in names:
        if name in columns:
            raise ValueError(
                f"the name {name!r} would have two meanings: a column of the table that `keep` "
                f"names, and the metadata column that holds {_MEANINGS[name]}. Rename the column "
                f"in the table. Received: keep={name!r}"
            )


def as_column(values: Any, name: str) -> Array:
    """Converts the values of a metadata column to an array of numbers or of texts.

    Args:
        values: one number, boolean or text per row.
        name: name of the column, for messages.

    Raises:
        ValueError: if they are something else, or of several kinds.
    """
    array = np.asarray(values)
    if array.dtype.kind == "O":
        kinds = sorted({type(value).__name__ for value in array.ravel().tolist()})
        if kinds != ["str"]:
            raise ValueError(
                f"the column {name!r} must hold numbers or texts, the same kind in every row. "
                f"Received: values of type {', '.join(kinds[:5])}"
            )
        array = array.astype(np.str_)
    elif array.dtype.kind == "U" and not isinstance(values, np.ndarray):
        # NumPy converts mixed values to texts: 1 and "a" become "1" and "a".
        others = sorted({type(value).__name__ for value in values if not isinstance(value, str)})
        if others:
            raise ValueError(
                f"the column {name!r} must hold numbers or texts, the same kind in every row. "
                f"Received: texts and values of type {', '.join(others[:5])}"
            )
    if array.ndim != 1 or array.dtype.kind not in "biufU":
        raise ValueError(
            f"the column {name!r} must hold one number or one text per row. Received: an array of "
            f"dtype {array.dtype} and shape {array.shape}"
        )
    return array


def describe_columns(columns: Mapping[str, Array]) -> dict[str, Field]:
    """Returns the `Field` of each metadata column."""
    return {
        name: Field(name, np.dtype(np.str_), (), TEXT_CODEC)
        if column.dtype.kind == "U"
        else Field(name, column.dtype.newbyteorder("="), ())
        for name, column in columns.items()
    }


def stored_columns(
    columns: Mapping[str, Array], fields: Iterable[Array]
) -> dict[str, Array | dict[str, Array]]:
    """Returns the metadata columns as they are pickled: texts last, as values and offsets.

    Args:
        columns: name -> array of numbers or texts.
        fields: the arrays that are pickled before them.
    """
    # Equal dtypes are one object, because a pickle refers back to objects that it has: any process
    # then writes equal arrays as equal bytes.
    dtypes = {array.dtype: array.dtype for array in fields}

    def stored(array: Array) -> Array:
        dtype = array.dtype.newbyteorder("=")
        dtype = dtypes.setdefault(dtype, dtype)
        return np.require(array, dtype, ["C", "W"]).view(dtype)

    numbers = {name: stored(each) for name, each in columns.items() if each.dtype.kind != "U"}
    texts = {
        name: {key: stored(part) for key, part in encode_texts_of_rows(each).items()}
        for name, each in columns.items()
        if each.dtype.kind == "U"
    }
    return {**numbers, **texts}
