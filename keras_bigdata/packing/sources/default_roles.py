"""The roles of fields if a source or its user names none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from keras_bigdata.shards.fields.roles import Roles, as_structure, field_names
from keras_bigdata.shards.fields.standard_fields import IMAGES, LABELS, TEXTS


def default_roles(
    fields: Iterable[str], inputs: Any = None, targets: Any = None, sample_weights: Any = None
) -> Roles:
    """Returns the roles passed; by default `labels` are the targets, other fields the inputs.

    Args:
        fields: The names of all fields.
        inputs: Field name, or a (nested) tuple or dict of names. Defaults to `None`: every field
            without another role, `images` and `texts` first.
        targets: The same. Defaults to `None`: `labels`, if there is such a field.
        sample_weights: The same. Defaults to `None`.

    Raises:
        ValueError: If a role names a field that does not exist.
    """
    available = list(fields)
    if (
        targets is None
        and LABELS in available
        and LABELS not in field_names(as_structure(inputs, "inputs"))
    ):
        targets = LABELS
    y = as_structure(targets, "targets")
    weights = as_structure(sample_weights, "sample_weights")
    if inputs is None:
        used = {*field_names(y), *field_names(weights)}
        first = [name for name in (IMAGES, TEXTS) if name in available]
        rest = [name for name in dict.fromkeys([*first, *available]) if name not in used]
        inputs = rest[0] if len(rest) == 1 else rest or None
    roles = Roles(as_structure(inputs, "inputs"), y, weights)
    unknown = [name for name in roles.names if name not in available]
    if unknown:
        raise ValueError(f"The roles name {unknown}, but the fields are {available}.")
    return roles
