"""Converts a batch to named arrays, and the roles that restore its structure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from keras_bigdata.errors import PackError
from keras_bigdata.packing.samples.samples import Array
from keras_bigdata.representation import format_shape
from keras_bigdata.shards.fields.field_rows import (
    as_rows,
    check_weight_roles,
    list_target_problem,
    ragged_names,
)
from keras_bigdata.shards.fields.field_values import numeric_problem
from keras_bigdata.shards.fields.ragged import Ragged
from keras_bigdata.shards.fields.roles import Roles, Structure, field_names
from keras_bigdata.shards.index.shard_index import Field

_RAGGED_REMEDY = ", or, if they differ in length, pass Ragged.from_rows(rows)"
_LIST_REMEDY = (
    ". Lists and tuples stand for several inputs or outputs; if this one holds the rows of one, "
    "pass Ragged.from_rows(rows)"
)

# First parts of the field names: inputs, targets, sample weights.
_PARTS = ("x", "y", "w")


def flatten_batch(
    batch: Any, known: Mapping[str, Field] = MappingProxyType({})
) -> tuple[Roles, dict[str, Array | Ragged]]:
    """Flattens a batch into named arrays.

    Args:
        batch: `(x, y, sample_weight)`, `(x, y)`, `(x,)`, or `x` alone if it is an array or a
            dict; each part an array or a tensor, or a (nested) tuple, list or dict of them.
        known: the fields of the first batch; empty if this is the first one. Defaults to `{}`.

    Returns:
        `(roles, arrays)`: the structure of field names, and field name -> array. A field is named
        by its path: `x`, `y.1`, `x.image`. The arrays may be those of the batch, not copies.

    Raises:
        PackError: if the batch has another form; the message names the field.
    """
    x, y, w = _unpack(batch)
    if x is None or (y is None and w is not None):
        absent = "inputs" if x is None else "targets"
        raise PackError(f"there are no {absent}: the batch has None for them")
    leaves: dict[str, Any] = {}
    roles = Roles(
        *(
            None if part is None else _flatten(part, name, leaves)
            for name, part in zip(_PARTS, (x, y, w), strict=True)
        )
    )
    arrays = {
        name: _as_rows(value, name, known.get(name))
        for name, value in leaves.items()
        if value is not None or not name.startswith("w.")
    }
    first = next(iter(arrays))
    for name, array in arrays.items():
        if len(array) != len(arrays[first]):
            are_in_list = any(each.rpartition(".")[2].isdigit() for each in (name, first))
            raise PackError(
                f"field {name!r} has {len(array)} rows, but field {first!r} has "
                f"{len(arrays[first])}{_LIST_REMEDY if are_in_list else ''}"
            )
    for name in field_names(roles.targets):
        problem = list_target_problem(leaves[name], arrays[name])
        if problem is not None:
            raise PackError(f"field {name!r} {problem}")
    try:
        check_weight_roles(roles, ragged_names(arrays))
    except ValueError as error:
        raise PackError(str(error)) from error
    for name in leaves:
        if name not in arrays:  # None for the sample weights of one output
            arrays[name] = np.ones(len(arrays[first]), np.float32)
    return roles, {name: arrays[name] for name in leaves}


def check_batch(
    roles: Roles, arrays: Mapping[str, Array | Ragged], first: Roles, fields: Mapping[str, Field]
) -> None:
    """Checks that a batch differs from the first one in the number of rows only.

    Raises:
        PackError: if it differs in structure, dtypes or row shapes.
    """
    if roles != first:
        raise PackError(
            f"the structure is {_format_roles(roles)}, but in the first batch it was "
            f"{_format_roles(first)}"
        )
    for name, field in fields.items():
        problem = _find_difference(arrays[name], field)
        if problem is not None:
            raise PackError(f"field {name!r} {problem}")


def _find_difference(rows: Array | Ragged, field: Field) -> str | None:
    """Returns how rows differ from those of the first batch."""
    shape: tuple[int | None, ...] = rows.shape[1:] if isinstance(rows, np.ndarray) else (None,)
    if isinstance(rows, Ragged) and not field.is_ragged:
        return (
            "(Ragged) holds rows of different length, but rows of shape "
            f"{format_shape(field.shape)} in the first batch. Pass `Ragged` in every batch: "
            "Ragged.from_rows(rows)"
        )
    if isinstance(rows, np.ndarray) and field.is_ragged:
        return (
            f"is an array with rows of shape {format_shape(shape)}, but had rows of any length in "
            "the first batch, so that it can be read in two ways: as rows of one length, or as "
            "padded ones. Pass `Ragged` in every batch: Ragged.from_rows(rows), without padding"
        )
    if rows.dtype.newbyteorder("=") != field.dtype:
        return f"has dtype {rows.dtype}, but {field.dtype} in the first batch"
    if isinstance(rows, Ragged):
        shape = (None, *rows.values.shape[1:])
        if rows.padding != field.padding:
            return (
                f"has the padding {rows.padding}, but {field.padding} in the first batch. Pass the "
                "same one in every batch"
            )
    if shape == field.shape:
        return None
    remedy = "Pad or resize them to one shape"
    if len(shape) == len(field.shape) and shape[1:] == field.shape[1:]:
        remedy += (
            "; or, if each batch is padded to its longest row, pass the rows without padding, as "
            "Ragged.from_rows(rows)"
        )
    return (
        f"has rows of shape {format_shape(shape)}, but of shape {format_shape(field.shape)} in the "
        f"first batch. {remedy}"
    )


def _unpack(batch: Any) -> tuple[Any, Any, Any]:
    if not isinstance(batch, tuple | list):
        return batch, None, None
    if not 1 <= len(batch) <= 3:
        raise PackError(
            "a batch must be (x, y), (x, y, sample_weight), (x,) or x alone. Received: "
            f"a {type(batch).__name__} of length {len(batch)}"
        )
    x, y, w = (*batch, None, None)[:3]
    return x, y, w


def _flatten(value: Any, name: str, leaves: dict[str, Any]) -> Structure:
    """Returns the structure of field names of one part, and adds its arrays to `leaves`."""
    if isinstance(value, Mapping | list | tuple) and not value:
        raise PackError(f"field {name!r} is an empty {type(value).__name__}")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise PackError(f"field {name!r} is a dict whose keys must be str, not {key!r}")
        return {key: _flatten(item, f"{name}.{key}", leaves) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(
            _flatten(item, f"{name}.{position}", leaves) for position, item in enumerate(value)
        )
    if name in leaves:
        raise PackError(f"two fields would have the name {name!r}: rename a key of the dict")
    leaves[name] = value
    return name


def _as_rows(value: Any, name: str, known: Field | None) -> Array | Ragged:
    kind = type(value).__name__
    try:
        rows = as_rows(value, known)
    except ValueError as error:
        raise PackError(f"field {name!r} {error}") from error
    if isinstance(rows, Ragged):
        return rows
    problem = numeric_problem(rows, kind)
    if problem is not None:
        raise PackError(f"field {name!r} {problem}")
    if rows.ndim == 0:
        raise PackError(
            f"field {name!r} is a single number ({kind}), not an array with one row per sample. "
            "Lists and tuples stand for several inputs or outputs: combine rows into one array"
            f"{_RAGGED_REMEDY}"
        )
    return rows


def _format_roles(roles: Roles) -> str:
    parts = (roles.inputs, roles.targets, roles.sample_weights)
    return f"({', '.join(str(part).replace(chr(39), '') for part in parts if part is not None)})"
