"""The roles of fields: which are inputs, targets and sample weights, in which nesting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

# A field's name, or a tuple or dict of structures.
Structure: TypeAlias = "str | tuple[Structure, ...] | dict[str, Structure]"

# No model nests its inputs this deeply; all functions that visit a structure recurse.
MAX_DEPTH = 32


def as_structure(value: Any, argument: str, depth: int = 0) -> Structure | None:
    """Returns a role, from a user or from JSON, as a structure; lists become tuples.

    Args:
        value: a field's name, or a (nested) tuple, list or dict of names; or `None`.
        argument: name of the argument, for the message.
        depth: nesting of the value. Defaults to `0`.

    Raises:
        ValueError: if the value has another form, is empty, or is nested too deeply.
    """
    if value is None or isinstance(value, str):
        return value
    if depth == MAX_DEPTH:
        raise ValueError(f"`{argument}` must not be nested more than {MAX_DEPTH} deep.")
    if isinstance(value, Mapping) and value:
        return {str(key): _as_inner(item, argument, depth) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes) and value:
        return tuple(_as_inner(item, argument, depth) for item in value)
    raise ValueError(
        f"`{argument}` must be a field's name, or a tuple or dict of names. "
        f"Received: {argument}={value!r}"
    )


def _as_inner(value: Any, argument: str, depth: int) -> Structure:
    structure = as_structure(value, argument, depth + 1)
    if structure is None:
        raise ValueError(
            f"`{argument}` must not hold None: leave the field out instead. "
            f"Received: {argument}={value!r}"
        )
    return structure


def field_names(structure: Structure | None) -> Iterator[str]:
    """Yields the names of the fields in a structure, in order."""
    if structure is None:
        return
    if isinstance(structure, str):
        yield structure
    else:
        for item in structure.values() if isinstance(structure, dict) else structure:
            yield from field_names(item)


def map_structure(structure: Structure, function: Callable[[str], Any]) -> Any:
    """Returns the structure with every name replaced by `function(name)`."""
    if isinstance(structure, str):
        return function(structure)
    if isinstance(structure, dict):
        return {key: map_structure(item, function) for key, item in structure.items()}
    return tuple(map_structure(item, function) for item in structure)


@dataclass(frozen=True, slots=True)
class Roles:
    """The parts that the fields play in a batch.

    Args:
        inputs: a field's name, or a (nested) tuple or dict of names. Defaults to `None`.
        targets: the same, for `y`; `None` for batches without targets. Defaults to `None`.
        sample_weights: the same, for `sample_weight`. Defaults to `None`.
    """

    inputs: Structure | None = None
    targets: Structure | None = None
    sample_weights: Structure | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The fields used, each once, in order of inputs, targets, sample weights."""
        used = (
            *field_names(self.inputs),
            *field_names(self.targets),
            *field_names(self.sample_weights),
        )
        return tuple(dict.fromkeys(used))

    def to_json(self) -> dict[str, Any]:
        """Returns the roles as a dict for JSON."""
        return {
            "inputs": self.inputs,
            "targets": self.targets,
            "sample_weights": self.sample_weights,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Roles:
        """Creates the roles from a dict as `to_json` returns it.

        Raises:
            ValueError: if a role has another form.
        """
        return cls(
            as_structure(value.get("inputs"), "inputs"),
            as_structure(value.get("targets"), "targets"),
            as_structure(value.get("sample_weights"), "sample_weights"),
        )
