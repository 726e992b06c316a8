"""Joins the indexes of several directories of shards to the index of one set."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_bigdata.errors import ShardError
from keras_bigdata.representation import list_some, shorten
from keras_bigdata.shards.index.shard_index import Field, Int64Array, ShardIndex
from keras_bigdata.shards.reading.class_counts import add_counts
from keras_bigdata.storage.paths.joined_places import JoinedPlaces
from keras_bigdata.storage.paths.place import Place, urls_of

_FIELDS = "the fields"

# Number of equal values that a message shows of each list before the first difference.
_BEFORE = 2


def join_indexes(indexes: Sequence[ShardIndex]) -> ShardIndex:
    """Returns the index of one set that holds the shards of several directories.

    The set has the metadata columns that all of them have. The shards keep their order, those of
    the first directory first, in each variant. Their names in the joined index are absolute paths.

    Args:
        indexes: one index for each directory.

    Raises:
        ShardError: if two of them are the same directory, or if they differ in fields, roles,
            classes, vocabulary or number of variants.
    """
    first = indexes[0]
    if len(indexes) == 1:
        return first
    places: dict[str, ShardIndex] = {}
    for index in indexes:
        directory = index.directory
        place = os.path.realpath(directory) if isinstance(directory, Path) else str(directory)
        if place in places:
            raise ShardError(
                f"{index.directory} and {places[place].directory} are the same directory: its rows "
                "would be served twice in each epoch. Pass it once."
            )
        places[place] = index
    for index in indexes[1:]:
        difference = _find_difference(first, index)
        if difference is not None:
            what, one, other = difference
            raise ShardError(
                f"{first.directory} and {index.directory} cannot be joined to one set: {what} "
                f"differ. They are {one} in {first.directory} and {other} in {index.directory}. "
                "Pack one of them again like the other (classes= and vocabulary= take its "
                "ShardIndex), or pass one of them."
            )
    columns = {
        name: column
        for name, column in first.columns.items()
        if all(index.columns.get(name) == column for index in indexes)
    }
    return replace(
        first,
        directory=_common_root([index.directory for index in indexes]),
        names=[str(index.path(shard)) for index in indexes for shard in range(len(index))],
        samples=np.concatenate([index.samples for index in indexes]),
        sizes=np.concatenate([index.sizes for index in indexes]),
        offsets={
            name: np.concatenate([index.offsets[name] for index in indexes])
            for name in (*first.fields, *columns)
        },
        columns=columns,
        row_offsets={
            name: np.concatenate([index.row_offsets[name] for index in indexes])
            for name, each in {**first.fields, **columns}.items()
            if each.is_varlen
        },
        source=np.concatenate(_number_sources(indexes)),
        checksums=np.concatenate([index.checksums for index in indexes]),
        variant=np.concatenate([index.variant for index in indexes]),
        class_counts=add_counts([index.class_counts for index in indexes]),
        provenance={"by": "join", "directories": [str(index.directory) for index in indexes]},
        mtimes_ns=_join_times(indexes),
        skipped_fields={
            name: reason
            for index in reversed(indexes)
            for name, reason in index.skipped_fields.items()
        }
        | _missing_columns(indexes, columns),
    )


def _common_root(directories: Sequence[Place]) -> Place:
    """Returns a root to which absolute names are added."""
    local = [place for place in directories if isinstance(place, Path)]
    if len(local) == len(directories):
        return Path(os.path.commonpath(local))
    remote = itertools.chain.from_iterable(map(urls_of, directories))
    return JoinedPlaces(tuple(remote), len(local))


def _number_sources(indexes: Sequence[ShardIndex]) -> list[Int64Array]:
    """Returns the number of the pack of each shard, with other numbers for each directory."""
    numbers, first = [], 0
    for index in indexes:
        numbers.append(index.source + first)
        first += int(index.source.max(initial=0)) + 1
    return numbers


def _missing_columns(indexes: Sequence[ShardIndex], columns: Mapping[str, Field]) -> dict[str, str]:
    """Returns why a metadata column of some of the directories is not one of the whole set."""
    names = {name for index in indexes for name in index.columns} - columns.keys()
    missing = {}
    for name in sorted(names):
        place = next((i for i in indexes if name not in i.columns), None)
        missing[name] = (
            "it holds numbers in some of the directories, and texts in others"
            if place is None
            else f"{place.directory} does not have it"
        )
    return missing


def _join_times(indexes: Sequence[ShardIndex]) -> Any:
    """Returns the times of scanned files; 0 for those that are unknown."""
    if all(index.mtimes_ns is None for index in indexes):
        return None
    return np.concatenate(
        [
            np.zeros(len(index), np.int64) if index.mtimes_ns is None else index.mtimes_ns
            for index in indexes
        ]
    )


def _find_difference(first: ShardIndex, second: ShardIndex) -> tuple[str, str, str] | None:
    """Returns the property in which two sets differ, and its text in both; `None` if they agree."""
    for (what, one), (_, other) in zip(_properties(first), _properties(second), strict=True):
        if one == other:
            continue
        if what == _FIELDS:
            return what, _list_others(one, other), _list_others(other, one)
        if isinstance(one, list) and isinstance(other, list):
            return what, *_list_from_difference(one, other)
        return what, shorten(one), shorten(other)
    return None


def _properties(index: ShardIndex) -> Iterator[tuple[str, Any]]:
    yield _FIELDS, sorted(map(str, index.fields.values()))
    roles = index.roles.to_json()
    yield "the roles", [f"{role}={structure!r}" for role, structure in roles.items()]
    yield "the classes", index.classes
    yield "the words of the vocabulary", index.vocabulary
    yield "the numbers of variants", index.variants


def _list_others(fields: list[str], others: list[str]) -> str:
    """Returns the fields that are not among the others, as text."""
    return shorten(", ".join(field for field in fields if field not in others) or "no others", 500)


def _list_from_difference(one: list[Any], other: list[Any]) -> tuple[str, str]:
    """Returns both lists as texts that begin shortly before the first difference."""
    pairs = enumerate(zip(one, other, strict=False))
    number = next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))
    start = max(0, number - _BEFORE)
    skipped = f"... ({start:,} equal), " if start else ""
    texts = [f"[{skipped}{list_some(names[start:])}] ({len(names):,})" for names in (one, other)]
    return texts[0], texts[1]
