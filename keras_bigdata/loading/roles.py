"""Opens the shards that a user names, and checks the roles of their fields."""

from __future__ import annotations

from typing import Any

from keras_bigdata.shards.index import ShardIndex
from keras_bigdata.shards.roles import Roles, as_structure
from keras_bigdata.shards.scan import open_shards


def open_with_roles(
    shards: Any, inputs: Any, targets: Any, sample_weights: Any, trust: bool
) -> tuple[ShardIndex, Roles]:
    """Opens shards with the roles that were passed, or else those in the index.

    Args:
        shards: as in `open_shards`.
        inputs, targets, sample_weights: names of fields, or `None`.
        trust: whether pickles may be executed.

    Returns:
        `(index, roles)`.

    Raises:
        ValueError: if the inputs are unknown, or a role names a field that does not exist.
    """
    roles = Roles(
        as_structure(inputs, "inputs"),
        as_structure(targets, "targets"),
        as_structure(sample_weights, "sample_weights"),
    )
    index = open_shards(shards, used=roles.names if roles.inputs else (), trust=trust)
    if roles.inputs is None:
        roles = Roles(
            index.roles.inputs,
            roles.targets or index.roles.targets,
            roles.sample_weights or index.roles.sample_weights,
        )
    listing = ", ".join(map(str, index.fields.values()))
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
            raise ValueError(
                f"{index.directory}: there is no field {name!r}"
                + (f" ({reason})" if reason else "")
                + f". The fields are: {listing}"
            )
    return index, roles
