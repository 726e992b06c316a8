"""Finds the fields in one pickle without an index: arrays, and rows of any length."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from keras_bigdata.shards.fields.entries import Field
from keras_bigdata.shards.fields.field_values import NUMERIC_KINDS
from keras_bigdata.shards.opening.layout import (
    ArrayPlace,
    Layout,
    format_arrays,
    has_rows,
    varlen_places,
)


@dataclass(frozen=True, slots=True)
class FoundField:
    """An array, or rows of any length, in a pickle.

    Args:
        field: its dtype and row shape.
        rows: number of rows.
        nbytes: bytes of its values.
        offset, row_offset: as in `ShardInfo`; the latter is `None` for an array.
    """

    field: Field
    rows: int
    nbytes: int
    offset: int
    row_offset: int | None = None


def find_field(layout: Layout, name: str, known: Field | None = None) -> FoundField | str:
    """Returns the field with a name in a pickle, or the reason why there is none.

    Args:
        layout: the layout of the file.
        name: name of the field.
        known: the field, if an index of the same files describes it. Defaults to `None`. Without
            one, rows of bytes are refused: they can be read in several ways.
    """
    if name in layout.arrays:
        dtype, shape, offset = layout.arrays[name]
        if not shape:
            return f"{name!r} is a single value, not an array of rows."
        nbytes = dtype.itemsize * math.prod(shape)
        return FoundField(Field(name, dtype, shape[1:]), shape[0], nbytes, offset)
    if name in layout.varlen:
        return _find_varlen(name, layout.varlen[name], known)
    reason = layout.skipped_fields.get(name)
    return f"there is no array {name!r}" + (
        f" ({reason})." if reason else f". The arrays in it: {format_arrays(layout)}."
    )


def _find_varlen(
    name: str, varlen: tuple[ArrayPlace, ArrayPlace], known: Field | None
) -> FoundField | str:
    (dtype, shape, _), (row_dtype, row_shape, _) = varlen
    if not has_rows(varlen):
        return (
            f"{name!r} holds rows of any length with {row_dtype} offsets of shape {row_shape}; "
            "signed integers of shape (rows + 1,) were expected."
        )
    if known is not None:
        if (dtype, shape[1:]) != (known.value_dtype, known.value_shape):
            return (
                f"{name!r} holds values of {dtype} and shape {shape}, and the index of the "
                f"directory has {known}. Restore the file."
            )
        field = known
    elif dtype == np.uint8 and len(shape) == 1:
        return (
            f"the bytes of {name!r} can be read in three ways: as texts, as the contents of image "
            "files, or as numbers of any length. Only an index says which: `repair` creates one "
            "that is lost."
        )
    elif dtype.kind not in NUMERIC_KINDS:
        return f"{name!r} holds rows of any length of {dtype}, which are not numbers."
    else:
        field = Field(name, dtype, (None, *shape[1:]))
    offset, row_offset = varlen_places(varlen)
    nbytes = dtype.itemsize * math.prod(shape)
    return FoundField(field, row_shape[0] - 1, nbytes, offset, row_offset)
