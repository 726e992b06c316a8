"""Creates a lost index again from the shards, as far as they contain its data."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.integrity.check_pickles import check_pickles, find_other_reading
from keras_bigdata.integrity.rebuild_columns import separate_columns
from keras_bigdata.integrity.rebuild_varlen import find_varlen_fields
from keras_bigdata.integrity.report import Fault
from keras_bigdata.integrity.verify import read_unindexed
from keras_bigdata.packing.calls.pack_records import APPENDED_KEY, pack_records
from keras_bigdata.packing.sources.default_roles import default_roles
from keras_bigdata.progress import Verbose
from keras_bigdata.shards.fields.entries import TEXT_CODEC, Field, format_fields
from keras_bigdata.shards.fields.roles import Roles
from keras_bigdata.shards.fields.standard_fields import IMAGES, LABELS, TEXTS
from keras_bigdata.shards.index.index_checks import check_encoded_sizes
from keras_bigdata.shards.index.index_values import check_metadata, parse_column, parse_field
from keras_bigdata.shards.index.shard_index import FORMAT, INDEX_NAME, ShardIndex, ShardInfo
from keras_bigdata.shards.index.shard_names import shard_number, sort_key
from keras_bigdata.shards.index.unfinished import find_unfinished, unfinished_error
from keras_bigdata.shards.opening.one_set import Reading
from keras_bigdata.shards.opening.pickle_files import pickle_names
from keras_bigdata.shards.opening.removed_shards import split_incomplete
from keras_bigdata.shards.opening.scan import scan_pickles
from keras_bigdata.shards.reading.class_counts import count_in_shards

# Names of the fields of packed images and texts; their roles follow from the names.
_PACKED_FIELDS = {IMAGES, TEXTS, LABELS}


@dataclass(slots=True)
class RebuiltIndex:
    """An index created from shards, and the information that it lacks.

    Args:
        index: the index, not yet saved; `None` if no shard is sound.
        faults: the faults of shards that are not in it. Defaults to `[]`.
        incomplete: shards that are sound, but not in it, because another variant of their rows is
            not. Defaults to `[]`.
        notes: what is uncertain or unknown. Defaults to `[]`.
    """

    index: ShardIndex | None
    faults: list[Fault] = field(default_factory=list)
    incomplete: list[ShardInfo] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def rebuild_index(
    directory: Path,
    roles: Roles,
    like: ShardIndex | None,
    layout: Reading = None,
    *,
    verbose: Verbose = "auto",
) -> RebuiltIndex:
    """Reads all shards and creates an index of those that are sound.

    Args:
        directory: directory of the shards.
        roles: the roles, as far as the user knows them.
        like: the index of another set with the same roles, classes and vocabulary.
        layout: as in `open_shards`, for files that do not have the names of packed shards.
            Defaults to `None`.
        verbose: how progress is shown, as in `track`. Defaults to `"auto"`.

    Raises:
        ShardError: if there are no shards, if the set is not finished, or if the pickles can be
            read in two ways.
    """
    unfinished = find_unfinished(os.listdir(directory))
    if unfinished is not None:
        raise unfinished_error(directory, unfinished)
    names = sorted(pickle_names(directory), key=sort_key)
    if not names:
        raise ShardError(f"{directory}: there are no pickles to create an index from.")
    pickles = read_unindexed(directory, names, False, verbose=verbose)
    faults, _ = check_pickles(pickles, roles.names, "It cannot be used.")
    rebuilt = RebuiltIndex(None, faults)
    faulty = {fault.file for fault in faults}
    sound = [pickle for pickle in pickles if str(pickle.path) not in faulty]
    if not sound:
        return rebuilt
    # Packed shards always hold rows. Other pickles may be samples, one per file.
    is_packed = all(shard_number(pickle.path.name) for pickle in sound)
    if layout is None and not is_packed:
        second_reading = find_other_reading(directory, sound, roles.names)
        if second_reading is not None:
            raise ShardError(": ".join(second_reading))
    former = _salvage_metadata(directory)
    known = {**_fields_like(like), **former.get("fields", {})}
    varlen = find_varlen_fields(sound, known, roles.names, rebuilt.notes)
    scanned = scan_pickles(
        directory,
        [pickle.path.relative_to(directory).as_posix() for pickle in sound],
        used=roles.names,
        layout="columns",
        listed=True,
        known=varlen,
        verbose=verbose,
    )
    infos = [
        replace(
            scanned[number],
            checksum=pickle.checksum,
            variant=sort_key(pickle.path.name)[0],
        )
        for number, pickle in enumerate(sound)
    ]
    variants = 1 + max(sort_key(name)[0] for name in names)
    infos, rebuilt.incomplete = split_incomplete(directory, infos, variants)
    texts = [name for name, each in varlen.items() if each.codec == TEXT_CODEC]
    fields, columns, infos = separate_columns(directory, scanned.fields, infos, like, texts)
    index = ShardIndex.from_shards(
        directory, fields, infos, columns, variants=variants, provenance={"by": "repair"}
    )
    _check_sizes(index)
    _note_missing_numbers(names, rebuilt)
    _add_metadata(index, roles, like, former, rebuilt)
    index.class_counts = count_in_shards(index, verbose=verbose)
    rebuilt.index = index
    return rebuilt


def _check_sizes(index: ShardIndex) -> None:
    """Refuses headers of images that claim more pixels than the files can hold.

    Raises:
        ShardError: if they do. An index with such a field could not be loaded.
    """
    for name, each in index.fields.items():
        if not each.is_encoded:
            continue
        try:
            check_encoded_sizes(index.samples, index.sizes, index.offsets[name], each)
        except ValueError as error:
            raise ShardError(
                f"{index.directory}: no index can be created: {error}. Move the files out of the "
                "directory, or restore them from a copy."
            ) from error


def _add_metadata(
    index: ShardIndex,
    roles: Roles,
    like: ShardIndex | None,
    old: dict[str, Any],
    rebuilt: RebuiltIndex,
) -> None:
    """Adds roles, classes and vocabulary: those of the user, of `like`, or of the old index."""
    candidates = (like.roles if like else None, old.get("roles"))
    earlier_roles = next((each for each in candidates if each is not None), None)
    if any((roles.inputs, roles.targets, roles.sample_weights)):
        index.roles = roles
    elif earlier_roles is not None and set(earlier_roles.names) <= set(index.fields):
        index.roles = earlier_roles
    elif LABELS in index.fields and set(index.fields) <= _PACKED_FIELDS:
        index.roles = default_roles(index.fields)
        rebuilt.notes.append(
            f"the roles are taken from the names of the fields: inputs {index.roles.inputs!r}, "
            f"targets {index.roles.targets!r}. If they were different, pass inputs and targets."
        )
    else:
        rebuilt.notes.append(
            "the roles are lost: pass inputs and targets, here or to ShardSequence. The fields "
            f"are: {format_fields(index.fields)}."
        )
    unknown = [name for name in index.roles.names if name not in index.fields]
    if unknown:
        raise ShardError(
            f"{index.directory}: the roles name {unknown}, but the fields are "
            f"{format_fields(index.fields)}."
        )
    index.classes = like.classes if like else old.get("classes")
    index.vocabulary = like.vocabulary if like else old.get("vocabulary")
    index.provenance |= old.get("provenance", {})
    _number_sources(index)
    for what, value, name in (
        ("the names of the classes", index.classes, LABELS),
        ("the vocabulary", index.vocabulary, TEXTS),
    ):
        if value is None and name in index.fields:
            rebuilt.notes.append(
                f"{what} cannot be read from the shards. Pass a set that has the same as `like`."
            )
    if "source" not in index.provenance:
        rebuilt.notes.append(
            "the record of how the set was packed is lost: the call that packed it will not "
            "recognize it."
        )


def _number_sources(index: ShardIndex) -> None:
    """Sets the number of the pack that wrote each shard, by the records of the packs."""
    try:
        records = pack_records(index)
    except CorruptShardError:
        del index.provenance[APPENDED_KEY]
        return
    numbers = np.asarray([sort_key(name)[1] for name in index.names])
    for record in records[1:]:
        index.source[numbers >= record.first_shard] = record.number


def _salvage_metadata(directory: Path) -> dict[str, Any]:
    """Returns the valid values of an index that is invalid as a whole."""
    try:
        content = json.loads((directory / INDEX_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return {}
    salvaged: dict[str, Any] = {}
    for name, key, kind in (
        ("classes", "classes", list),
        ("vocabulary", "vocabulary", list),
        ("provenance", "made", dict),
    ):
        if isinstance(content.get(key), kind) and _is_valid(name, content[key]):
            salvaged[name] = content[key]
    salvaged["fields"] = _salvage_fields(content)
    try:
        salvaged["roles"] = Roles.from_json(content["roles"])
    except (KeyError, ValueError, AttributeError, TypeError):
        return salvaged
    return salvaged


def _salvage_fields(content: dict[str, Any]) -> dict[str, Field]:
    """Returns the fields and columns whose entries are valid."""
    salvaged = {}
    for key, parse in (("fields", parse_field), ("columns", parse_column)):
        entries = content.get(key)
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            with contextlib.suppress(KeyError, ValueError, TypeError, AttributeError):
                salvaged[name] = parse(name, entry)
    return salvaged


def _fields_like(like: ShardIndex | None) -> dict[str, Field]:
    return {} if like is None else {**like.fields, **like.columns}


def _is_valid(name: str, value: Any) -> bool:
    try:
        check_metadata(**{"provenance": {}, name: value})
    except ValueError:
        return False
    return True


def _note_missing_numbers(names: Sequence[str], rebuilt: RebuiltIndex) -> None:
    """Notes the numbers of shards that have no file."""
    numbers = {sort_key(name)[1] for name in names if shard_number(Path(name).name)}
    missing = sorted(set(range(max(numbers, default=-1) + 1)) - numbers)
    if missing:
        rebuilt.notes.append(
            f"no shard has the numbers {', '.join(map(str, missing[:10]))}"
            f"{', ...' if len(missing) > 10 else ''}: if there were such shards, their rows are "
            "lost."
        )
    if numbers:
        rebuilt.notes.append(
            f"the files do not show whether there were shards after number {max(numbers)}."
        )
