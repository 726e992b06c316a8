"""The shards and the roles that a user named, found and checked."""

from __future__ import annotations

from typing import Any

from keras_bigdata.shards.index import ShardIndex
from keras_bigdata.shards.roles import Roles, as_structure
from keras_bigdata.shards.scan import open_shards


def opened(
    shards: Any, inputs: Any, targets: Any, sample_weights: Any, trust: bool
) -> tuple[ShardIndex, Roles]:
    """The index, and the roles given or else those in the index, checked against each other."""
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
            why = index.skipped_fields.get(name)
            raise ValueError(
                f"{index.directory}: there is no field {name!r}"
                + (f" ({why})" if why else "")
                + f". The fields are: {listing}"
            )
    return index, roles
