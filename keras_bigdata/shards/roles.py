"""Which fields are inputs, targets and sample weights, in which nesting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

# A field's name, or a tuple or dict of structures.
Structure: TypeAlias = "str | tuple[Structure, ...] | dict[str, Structure]"

# No model nests its inputs as deep; everything that walks them recurses.
MAX_DEPTH = 32


def as_structure(value: Any, argument: str, depth: int = 0) -> Structure | None:
    """Checks a role given by a user or read from JSON; lists become tuples."""
    if value is None or isinstance(value, str):
        return value
    if depth == MAX_DEPTH:
        raise ValueError(f"`{argument}` must not be nested more than {MAX_DEPTH} deep.")
    if isinstance(value, Mapping) and value:
        return {str(key): _required(item, argument, depth) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes) and value:
        return tuple(_required(item, argument, depth) for item in value)
    raise ValueError(
        f"`{argument}` must be a field's name, or a tuple or dict of names. "
        f"Received: {argument}={value!r}"
    )


def _required(value: Any, argument: str, depth: int) -> Structure:
    structure = as_structure(value, argument, depth + 1)
    if structure is None:
        raise ValueError(
            f"`{argument}` must not hold None: leave the field out instead. "
            f"Received: {argument}={value!r}"
        )
    return structure


def names(structure: Structure | None) -> Iterator[str]:
    """The fields that a structure names, in order."""
    if structure is None:
        return
    if isinstance(structure, str):
        yield structure
    else:
        for item in structure.values() if isinstance(structure, dict) else structure:
            yield from names(item)


def fill(structure: Structure, lookup: Callable[[str], Any]) -> Any:
    """The structure with every name replaced by what `lookup` gives for it."""
    if isinstance(structure, str):
        return lookup(structure)
    if isinstance(structure, dict):
        return {key: fill(item, lookup) for key, item in structure.items()}
    return tuple(fill(item, lookup) for item in structure)


@dataclass(frozen=True, slots=True)
class Roles:
    """The part that each field plays in a batch.

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
        used = (*names(self.inputs), *names(self.targets), *names(self.sample_weights))
        return tuple(dict.fromkeys(used))

    def to_json(self) -> dict[str, Any]:
        return {
            "inputs": self.inputs,
            "targets": self.targets,
            "sample_weights": self.sample_weights,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Roles:
        return cls(
            as_structure(value.get("inputs"), "inputs"),
            as_structure(value.get("targets"), "targets"),
            as_structure(value.get("sample_weights"), "sample_weights"),
        )
