"""The roles of fields that are passed to a validation, completed by those of each set."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from keras_bigdata.shards.fields.roles import Roles, Structure, as_structure
from keras_bigdata.shards.fields.standard_fields import LABELS
from keras_bigdata.shards.shards import Shards
from keras_bigdata.storage.urls.url import is_remote


@dataclass(frozen=True)
class RequestedRoles:
    """The roles that were passed, which a set may complete.

    Args:
        inputs, sample_weights: names of fields, or `None` if they were not passed.
        targets: the same; `None` for no targets, "auto" if they were not passed.
    """

    inputs: Structure | None
    targets: Structure | None
    sample_weights: Structure | None

    @classmethod
    def check(cls, inputs: Any, targets: Any, sample_weights: Any) -> RequestedRoles:
        """Returns the roles after checking the arguments.

        Raises:
            ValueError: if one is not a name, or a tuple or dict of names.
        """
        return cls(
            as_structure(inputs, "inputs"),
            as_structure(targets, "targets"),
            as_structure(sample_weights, "sample_weights"),
        )

    @property
    def were_passed(self) -> bool:
        """Whether any role names a field."""
        targets = None if self.targets == "auto" else self.targets
        return any(role is not None for role in (self.inputs, targets, self.sample_weights))

    def complete(self, known: Roles) -> Roles:
        """Returns all roles: those that were passed, else those of a set.

        Args:
            known: the roles in the index of the set; empty if it has none.
        """
        targets = self.targets
        if targets == "auto":
            targets = known.targets if known.inputs is not None else LABELS
        weights = self.sample_weights or known.sample_weights
        if targets is None and self.sample_weights is None:
            weights = None
        return Roles(self.inputs or known.inputs, targets, weights)


def check_roles_are_used(roles: RequestedRoles, sets: Iterable[Any]) -> None:
    """Checks that there is a set whose fields the roles may name.

    Raises:
        ValueError: if there is none, so that the roles would be ignored.
    """
    if roles.were_passed and not any(is_path(data) or isinstance(data, Mapping) for data in sets):
        raise ValueError(
            "`inputs`, `targets` and `sample_weights` name fields of directories of shards and of "
            "dicts of arrays, and none of the sets is one. Pass them to ShardSequence, or leave "
            f"them out. Received: inputs={roles.inputs!r}, targets={roles.targets!r}, "
            f"sample_weights={roles.sample_weights!r}"
        )


def is_path(data: Any) -> bool:
    """Returns whether a set is the path of a directory of shards, or a `Shards`."""
    return isinstance(data, (str, os.PathLike, Shards))


def is_remote_path(data: Any) -> bool:
    """Returns whether a set is the URL of a directory of shards that is not on this machine."""
    return isinstance(data, str) and is_remote(data)


def check_options_are_used(storage_options: Mapping[str, Any] | None, sets: Iterable[Any]) -> None:
    """Checks that there is a URL, if options of a driver were passed.

    Raises:
        ValueError: if there is none, so that they would be ignored.
    """
    if storage_options is not None and not any(map(is_remote_path, sets)):
        raise ValueError(
            "`storage_options` are for sets that are URLs, and none of the sets is one. Leave them "
            "out; a `Shards` has options of its own."
        )
