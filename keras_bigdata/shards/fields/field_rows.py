"""Converts values of any kind to the rows of a field: an array, or `Ragged`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.shards.fields.entries import Field
from keras_bigdata.shards.fields.field_values import as_array, as_numbers
from keras_bigdata.shards.fields.ragged import Ragged
from keras_bigdata.shards.fields.roles import Roles, field_names

Array = npt.NDArray[Any]


def as_rows(value: Any, known: Field | None = None) -> Array | Ragged:
    """Converts the values of a field, one per row.

    Args:
        value: a value that `as_array` converts; `Ragged`, or a `tf.RaggedTensor`; or a list or an
            array of Python objects, such as a column of a table, whose items are arrays or lists of
            numbers of different length.
        known: the field in earlier shards or batches: if its rows are of any length, so are lists
            of rows that happen to have one length. Defaults to `None`.

    Raises:
        ValueError: with the reason, as the end of a sentence that begins with the name of the
            field: those of `as_array`; and if rows differ in more than their length, or if an array
            of Python objects holds rows of one length.
    """
    if isinstance(value, Ragged):
        return value
    if hasattr(value, "row_splits"):
        return _from_ragged_tensor(value)
    if isinstance(value, list | tuple):
        rows = value if _are_rows(value) else None
        if rows is not None and (_is_ragged(known) or _differ(rows)):
            return _join(rows, known)
        return as_array(value)
    array = as_array(value)
    if array.dtype.kind != "O" or array.ndim != 1 or not _are_rows(array):
        return array
    rows = list(array)
    if _is_ragged(known) or _differ(rows):
        return _join(rows, known)
    kind = type(value).__name__
    raise ValueError(
        f"({kind}) holds {len(rows):,} arrays or lists, all of length {len(rows[0])}, which can be "
        "read in two ways: for an array of equal rows pass numpy.stack(list(values)), for rows of "
        "any length Ragged.from_rows(values)"
    )


def list_target_problem(given: Any, rows: Array | Ragged) -> str | None:
    """Returns why a target cannot be taken from lists of whole numbers; `None` if it can.

    Args:
        given: the values as they were passed.
        rows: the same as `as_rows` returns them.
    """
    is_list = not isinstance(given, Ragged) and not hasattr(given, "row_splits")
    if not isinstance(rows, Ragged) or not is_list or rows.dtype.kind not in "iub":
        return None
    return (
        "is a target of lists of whole numbers of different length, which can be read in two ways: "
        "if a list holds the steps of a sequence, pass Ragged.from_rows(rows, padding=...), with "
        "the number that fills short rows in a batch; if it holds the classes that apply to a row, "
        "pass an array of shape (rows, classes) of 0 and 1"
    )


def check_weight_roles(roles: Roles, ragged: Collection[str]) -> None:
    """Refuses rows of any length as sample weights.

    Args:
        roles: the roles of the fields.
        ragged: the fields whose rows are of any length.

    Raises:
        ValueError: if one of them is a sample weight.
    """
    for name in field_names(roles.sample_weights):
        if name in ragged:
            raise ValueError(
                f"field {name!r} has rows of any length, and sample weights must be one number per "
                "row, or rows of one shape. Padding is left out of the loss by the mask of the "
                "inputs, as Embedding(mask_zero=True) makes it, or by the argument `ignore_class` "
                "of the loss"
            )


def ragged_names(arrays: Mapping[str, Array | Ragged]) -> list[str]:
    """Returns the fields whose rows are of any length, of a dict of fields."""
    return [name for name, rows in arrays.items() if isinstance(rows, Ragged)]


def _from_ragged_tensor(tensor: Any) -> Ragged:
    """Returns a `tf.RaggedTensor`, or an object with the same attributes, as `Ragged`."""
    rank = int(getattr(tensor, "ragged_rank", 1))
    if rank != 1:
        raise ValueError(
            f"({type(tensor).__name__}) has {rank} dimensions of any length, and rows may differ "
            "in their length only: pad the inner ones, as its method to_tensor() does"
        )
    return Ragged(as_numbers(tensor.values), as_array(tensor.row_splits))


def _are_rows(values: Any) -> bool:
    """Returns whether all items are arrays or lists, and there is at least one."""
    return len(values) > 0 and all(map(_is_row, values))


def _is_row(item: Any) -> bool:
    if isinstance(item, list | tuple):
        return True
    if not hasattr(item, "__array__") or not hasattr(item, "__len__"):
        return False
    return bool(getattr(item, "ndim", 1))


def _differ(rows: Sequence[Any]) -> bool:
    """Returns whether rows differ in length, or arrays among them in their other dimensions."""
    shapes = {row.shape[1:] for row in rows if isinstance(row, np.ndarray)}
    return len(set(map(len, rows))) > 1 or len(shapes) > 1


def _is_ragged(known: Field | None) -> bool:
    return known is not None and known.is_ragged


def _join(rows: Sequence[Any], known: Field | None) -> Ragged:
    if known is None or not known.is_ragged:
        return Ragged.from_rows(rows)
    if not any(len(row) or not isinstance(row, list | tuple) for row in rows):
        # Empty lists have no dtype.
        values = np.empty((0, *known.value_shape), known.dtype)
        return Ragged(values, np.zeros(len(rows) + 1, np.int64), known.padding)
    return Ragged.from_rows(rows, padding=known.padding)
