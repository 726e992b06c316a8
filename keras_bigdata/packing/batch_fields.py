"""A batch as Keras accepts it -> named arrays, and the roles that restore its structure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_bigdata.errors import PackError
from keras_bigdata.packing.samples import Array
from keras_bigdata.shards.field_values import as_numbers
from keras_bigdata.shards.index import Field
from keras_bigdata.shards.roles import Roles, Structure

# First parts of the field names: inputs, targets, sample weights.
_PARTS = ("x", "y", "w")


def flatten_batch(batch: Any) -> tuple[Roles, dict[str, Array]]:
    """Flattens a batch into named arrays.

    Args:
        batch: `(x, y, sample_weight)`, `(x, y)`, `(x,)`, or `x` alone if it is an array or a
            dict; each part an array or a tensor, or a (nested) tuple, list or dict of them.

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
        name: _as_array(value, name)
        for name, value in leaves.items()
        if value is not None or not name.startswith("w.")
    }
    first = next(iter(arrays))
    for name, array in arrays.items():
        if len(array) != len(arrays[first]):
            raise PackError(
                f"field {name!r} has {len(array)} rows, but field {first!r} has "
                f"{len(arrays[first])}"
            )
    for name in leaves:
        if name not in arrays:  # None for the sample weights of one output
            arrays[name] = np.ones(len(arrays[first]), np.float32)
    return roles, {name: arrays[name] for name in leaves}


def check_batch(
    roles: Roles, arrays: Mapping[str, Array], first: Roles, fields: Mapping[str, Field]
) -> None:
    """Raises `PackError` if a batch differs from the first one in more than the number of rows."""
    if roles != first:
        raise PackError(
            f"the structure is {_format_roles(roles)}, but in the first batch it was "
            f"{_format_roles(first)}"
        )
    for name, field in fields.items():
        array = arrays[name]
        if array.dtype.newbyteorder("=") != field.dtype:
            raise PackError(
                f"field {name!r} has dtype {array.dtype}, but {field.dtype} in the first batch"
            )
        if array.shape[1:] != field.shape:
            raise PackError(
                f"field {name!r} has rows of shape {array.shape[1:]}, but of shape {field.shape} "
                "in the first batch. Pad or resize them to one shape"
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


def _as_array(value: Any, name: str) -> Array:
    kind = type(value).__name__
    try:
        array = as_numbers(value)
    except ValueError as error:
        raise PackError(f"field {name!r} {error}") from error
    if array.ndim == 0:
        raise PackError(
            f"field {name!r} is a single number ({kind}), not an array with one row per sample. "
            "Lists and tuples stand for several inputs or outputs: combine rows into one array"
        )
    return array


def _format_roles(roles: Roles) -> str:
    parts = (roles.inputs, roles.targets, roles.sample_weights)
    return f"({', '.join(str(part).replace(chr(39), '') for part in parts if part is not None)})"
