"""Opens the shards that a user names, and checks the roles of their fields."""

from __future__ import annotations

from typing import Any

from keras_bigdata.errors import ShardError
from keras_bigdata.shards.fields.entries import Field, format_fields
from keras_bigdata.shards.fields.roles import Roles, as_structure
from keras_bigdata.shards.index.shard_index import ShardIndex
from keras_bigdata.shards.opening.one_set import Reading
from keras_bigdata.shards.opening.open_shards import open_shards
from keras_bigdata.shards.shards import Shards

# Largest size in bytes of a number that Keras takes, by kind of dtype.
_MAX_ITEMSIZE = {"b": 1, "i": 8, "u": 8, "f": 8, "c": 16}

# Dtypes of ml_dtypes that Keras takes, on some backends.
_MORE_DTYPES = ("bfloat16", "float8")

# What fields of other kinds hold, and what to do.
_KINDS = {
    "U": ("text", "Write numbers instead, such as class numbers or tokens"),
    "S": ("byte strings", "Write numbers instead, such as class numbers or tokens"),
    "M": ("dates", "Write numbers instead, such as array.astype('int64')"),
    "m": ("durations", "Write numbers instead, such as array.astype('int64')"),
    "V": ("structures", "Write each of their fields as an array of its own"),
}


def open_with_roles(
    shards: Any,
    passed: tuple[Any, Any, Any],
    layout: Reading,
    trust: bool,
    has_transform: bool,
    *,
    more: tuple[str, ...] = (),
) -> tuple[ShardIndex, Roles]:
    """Opens shards with the roles that were passed, or else those in the index.

    Args:
        shards: a `Shards`, or as in `open_shards`.
        passed: inputs, targets and sample weights: names of fields, or `None`.
        layout: as in `open_shards`.
        trust: whether pickles may be executed.
        has_transform: whether a user's function makes the batches, from fields of any dtype; a role
            may name a key that it makes.
        more: names of fields that are used too, but are not in the batches. Defaults to `()`.

    Returns:
        `(index, roles)`.

    Raises:
        ValueError: if the inputs are unknown, or if a role names a field that does not exist or
            that no model takes.
    """
    roles = Roles(*map(as_structure, passed, ("inputs", "targets", "sample_weights")))
    used = (*roles.names, *more) if roles.inputs else ()
    if isinstance(shards, Shards):
        shards = shards.index
    index = _open(shards, used, layout, trust, has_transform)
    if roles.inputs is None:
        roles = Roles(
            index.roles.inputs,
            roles.targets or index.roles.targets,
            roles.sample_weights or index.roles.sample_weights,
        )
    listing = format_fields(index.fields)
    if roles.inputs is None:
        raise ValueError(
            f"{index.directory}: say which fields are `inputs` and `targets`, such as "
            f"inputs=('texts', 'images'), targets='labels'. The fields are: {listing}"
        )
    if roles.sample_weights is not None and roles.targets is None:
        raise ValueError(
            "`sample_weights` need `targets`. "
            f"Received: sample_weights={roles.sample_weights!r}, targets=None"
        )
    for name in roles.names:
        if name not in index.fields:
            reason = index.skipped_fields.get(name)
            if has_transform and not reason:
                continue  # the transform makes it
            raise ValueError(
                f"{index.directory}: there is no field {name!r}"
                + (f" ({reason})" if reason else "")
                + f". The fields are: {listing}"
            )
        if not has_transform:
            _check_dtype(index, index.fields[name])
    return index, roles


def _open(
    shards: Any, used: tuple[str, ...], layout: Reading, trust: bool, has_transform: bool
) -> ShardIndex:
    try:
        return open_shards(shards, used=used, layout=layout, trust=trust)
    except ShardError:
        # Pickles without an index, in which a field is missing. If the transform makes it, the
        # others are found by a scan for all of them.
        if not (used and has_transform):
            raise
        index = open_shards(shards, layout=layout, trust=trust)
        if index.fields.keys() | index.skipped_fields.keys() >= set(used):
            raise
        return index


def fields_to_read(index: ShardIndex, roles: Roles) -> tuple[str, ...]:
    """Returns the fields that are read for a batch, and that a transform receives.

    Args:
        index: the shards.
        roles: the roles of the fields, or of the keys that a transform makes.

    Returns:
        The names that the roles name; all fields if a role names a key that the shards do not hold.
    """
    names = roles.names
    return names if all(name in index.fields for name in names) else tuple(index.fields)


def _check_dtype(index: ShardIndex, field: Field) -> None:
    """Refuses a field of a dtype that no model takes, before it fails in the backend."""
    dtype = field.dtype
    is_number = dtype.kind in _MAX_ITEMSIZE and dtype.itemsize <= _MAX_ITEMSIZE[dtype.kind]
    if is_number or dtype.name.startswith(_MORE_DTYPES):
        return
    kind, advice = _KINDS.get(dtype.kind, ("numbers of another size", "Write float32 instead"))
    raise ValueError(
        f"{index.directory}: the field {field.name!r} holds {kind} (dtype {dtype}), which Keras "
        f"does not take. {advice}, or convert it in a `transform`."
    )
