"""An index made anew from the shards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from keras_bigdata.errors import ShardError
from keras_bigdata.integrity.check_pickles import BareFile, check_bare
from keras_bigdata.integrity.report import Fault, even_out
from keras_bigdata.integrity.verify import side_by_side
from keras_bigdata.packing.sources.arrays import default_roles
from keras_bigdata.shards.class_counts import count_in_shards
from keras_bigdata.shards.index import (
    FORMAT,
    INDEX_NAME,
    UNFINISHED,
    WRITING,
    ShardIndex,
    ShardInfo,
)
from keras_bigdata.shards.index_json import check_about
from keras_bigdata.shards.roles import Roles
from keras_bigdata.shards.scan import open_shards, pickle_names
from keras_bigdata.shards.writer import shard_number

# The fields of packed pictures and texts, which say by their names what they are for.
_TELLING = {"images", "texts", "labels"}


@dataclass(slots=True)
class Rebuilt:
    """An index made from shards, and what it could not be made of.

    Args:
        index: not yet saved; `None` if no shard is sound.
        faults: of the shards that are not in it.
        set_aside: shards that are sound, but not in it, because another variant of them is not.
        notes: what is not known for sure.
    """

    index: ShardIndex | None
    faults: list[Fault] = field(default_factory=list)
    set_aside: list[ShardInfo] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def rebuild(directory: Path, roles: Roles, like: ShardIndex | None) -> Rebuilt:
    """Reads all shards and makes an index of those that are sound.

    Args:
        directory: of the shards.
        roles: as far as they are given.
        like: the index of another set with the same roles, classes and vocabulary.

    Raises:
        ShardError: if there is nothing to make an index of.
    """
    for state, what in ((UNFINISHED, "`pack`"), (WRITING, "a ShardWriter")):
        if (directory / state).exists():
            raise ShardError(
                f"{directory}: is not whole: {what} was stopped or is at work. "
                + (
                    "Make the same call again, it goes on from there."
                    if state == UNFINISHED
                    else "Delete the directory and write it again."
                )
            )
    names = sorted(pickle_names(directory), key=_place)
    if not names:
        raise ShardError(f"{directory}: there are no pickles here to make an index of.")
    files = list(
        side_by_side(lambda name: BareFile(directory / name, False), names, f"Reading {directory}")
    )
    faults, _ = check_bare(files, roles.names, "It cannot be used.")
    rebuilt = Rebuilt(None, faults)
    bad = {fault.file for fault in faults}
    good = [one for one in files if str(one.path) not in bad]
    if not good:
        return rebuilt
    paths = [one.path for one in good]
    scanned = open_shards(paths, used=roles.names)
    infos = [
        replace(
            scanned[number],
            name=one.path.relative_to(directory).as_posix(),
            checksum=one.checksum,
            variant=_place(one.path.name)[0],
        )
        for number, one in enumerate(good)
    ]
    variants = 1 + max(_place(name)[0] for name in names)
    infos, rebuilt.set_aside = even_out(directory, infos, variants)
    index = ShardIndex.from_shards(
        directory, scanned.fields, infos, variants=variants, provenance={"by": "repair"}
    )
    _tell_gaps(names, rebuilt)
    _fill_in(index, roles, like, rebuilt)
    rebuilt.index = index
    return rebuilt


def _fill_in(index: ShardIndex, roles: Roles, like: ShardIndex | None, rebuilt: Rebuilt) -> None:
    """Roles, classes and vocabulary: given, of the set that this is like, of the old index."""
    old = _salvaged(index.directory)
    names = ("inputs", "targets", "sample_weights")
    given = {name: getattr(roles, name) for name in names}
    known = next(
        (one for one in (like.roles if like else None, old.get("roles")) if one is not None), None
    )
    if any(given.values()):
        index.roles = roles
    elif known is not None and set(known.names) <= set(index.fields):
        index.roles = known
    elif "labels" in index.fields and set(index.fields) <= _TELLING:
        index.roles = default_roles(index.fields)
        rebuilt.notes.append(
            f"the roles are taken from the names of the fields: inputs {index.roles.inputs!r}, "
            f"targets {index.roles.targets!r}. If they were others, give inputs and targets."
        )
    else:
        rebuilt.notes.append(
            f"the roles are lost: give inputs and targets, here or to ShardSequence. The fields "
            f"are: {', '.join(map(str, index.fields.values()))}."
        )
    unknown = [name for name in index.roles.names if name not in index.fields]
    if unknown:
        raise ShardError(
            f"{index.directory}: the roles name {unknown}, but the fields are "
            f"{', '.join(map(str, index.fields.values()))}."
        )
    index.classes = like.classes if like else old.get("classes")
    index.vocabulary = like.vocabulary if like else old.get("vocabulary")
    index.provenance |= old.get("made", {})
    for name, value, where in (
        ("the names of the classes", index.classes, "labels"),
        ("the vocabulary", index.vocabulary, "texts"),
    ):
        if value is None and where in index.fields:
            rebuilt.notes.append(
                f"{name} cannot be known from the shards. A set that has the same (`like`) gives "
                "them."
            )
    if "source" not in index.provenance:
        rebuilt.notes.append(
            "how the set was packed is lost: the call that packed it will not know it again."
        )
    index.class_counts = count_in_shards(index)


def _salvaged(directory: Path) -> dict[str, Any]:
    """What can be believed of an index that makes no sense as a whole."""
    try:
        content = json.loads((directory / INDEX_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return {}
    old: dict[str, Any] = {}
    for name, kind in (("classes", list), ("vocabulary", list), ("made", dict)):
        if isinstance(content.get(name), kind) and _sound(name, content[name]):
            old[name] = content[name]
    try:
        old["roles"] = Roles.from_json(content["roles"])
    except (KeyError, ValueError, AttributeError, TypeError):
        return old
    return old


def _sound(name: str, value: Any) -> bool:
    about = {"classes": None, "class_counts": None, "vocabulary": None, "made": {}, name: value}
    try:
        check_about(**about)
    except ValueError:
        return False
    return True


def _place(name: str) -> tuple[int, int, str]:
    number = shard_number(Path(name).name)
    return (0, 0, name) if number is None else (number[1], number[0], name)


def _tell_gaps(names: Sequence[str], rebuilt: Rebuilt) -> None:
    """Numbers that no shard has: a file that is gone for good."""
    numbers = {_place(name)[1] for name in names if shard_number(Path(name).name)}
    missing = sorted(set(range(max(numbers, default=-1) + 1)) - numbers)
    if missing:
        rebuilt.notes.append(
            f"no shard has the numbers {', '.join(map(str, missing[:10]))}"
            f"{', ...' if len(missing) > 10 else ''}: if there were any, their rows are gone."
        )
    if numbers:
        rebuilt.notes.append(
            f"whether there were shards after number {max(numbers)} cannot be known from the files."
        )
