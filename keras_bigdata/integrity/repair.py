"""Repairs a set of shards as far as that is possible: `repair`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_bigdata.arguments import checked_bool
from keras_bigdata.errors import CorruptShardError, PackError, ShardError
from keras_bigdata.integrity.quarantine import QUARANTINE, Quarantine, check_not_web_server
from keras_bigdata.integrity.rebuild_index import rebuild_index
from keras_bigdata.integrity.rebuild_remote_index import rebuild_remote_index
from keras_bigdata.integrity.report import Fault, Repair
from keras_bigdata.integrity.set_files import SetFiles, checked_directory, list_files
from keras_bigdata.integrity.verify import find_faults
from keras_bigdata.progress import Verbose, checked_verbose, summarize
from keras_bigdata.shards.fields.roles import Roles, as_structure
from keras_bigdata.shards.index.shard_index import INDEX_NAME, ShardIndex, ShardInfo
from keras_bigdata.shards.index.shard_names import shard_number
from keras_bigdata.shards.opening.one_set import Reading, checked_layout
from keras_bigdata.shards.opening.removed_shards import (
    removed_shards,
    split_incomplete,
    with_removed,
)
from keras_bigdata.shards.reading.class_counts import count_in_shards
from keras_bigdata.storage.paths.place import absolute_place, check_options_used


def repair(
    directory: str | os.PathLike[str],
    *,
    storage_options: Mapping[str, Any] | None = None,
    source: Any = None,
    augment: Callable[..., Any] | None = None,
    workers: int | None = None,
    like: str | os.PathLike[str] | None = None,
    inputs: Any = None,
    targets: Any = None,
    sample_weights: Any = None,
    layout: Reading = None,
    dry_run: bool = True,
    verbose: Verbose = "auto",
) -> Repair:
    """Repairs a set of shards as far as that is possible. Nothing is deleted.

    - Shards that are missing or damaged are packed again from their `source`, if the set was
      written by `pack`. Only their rows are read. The new files replace the damaged ones if they
      are the same as before in every byte; otherwise nothing is changed. Shards that an earlier
      repair removed are packed again too. If rows were appended, each call packs the shards of one
      of the sources, and `notes` names the others that are needed.
    - Without a `source` the damaged files move to `quarantine/` in the directory, and the index is
      written without them. The index records them, so that they can be packed again from a source.
    - An index that is lost or cannot be read is created again from the shards. What they do not
      contain (roles, names of the classes, vocabulary, how they were packed, the number that pads
      rows of any length, whether images of one size were files) is taken from the arguments, from
      `like`, or from the readable part of the old index; `notes` lists what is
      missing.

    At any instant the directory holds a complete index that agrees with its files at least as well
    as before the repair. If a repair was stopped, the same call completes it. Do not run two
    repairs at a time.

    Behind a URL, damaged files are copied to `quarantine/` within the store, the index is written
    by one request, and only then they are removed from their former place. To create a lost index,
    all shards are copied to a temporary directory. A web server is only read, so nothing can be
    repaired there.

    Args:
        directory: a directory of shards, or its URL.
        storage_options: options of the fsspec driver of the URLs. Defaults to `None`.
        source: the source that the set was packed from, as it was passed to `pack`. Defaults to
            `None`.
        augment: the function that was passed to `pack`. Defaults to `None`.
        workers: as for `pack`. Defaults to `None`: one for each CPU.
        like: for a lost index, a packed set (directory or URL) with the same roles, classes and
            vocabulary; for a validation set, for example, its training set. Defaults to `None`.
        inputs, targets, sample_weights: for a lost index, the roles as in `ShardWriter`. Default
            to `None`.
        layout: for a lost index of files that do not have the names of packed shards: how they
            are read, as in `ShardSequence`. Defaults to `None`.
        dry_run: whether to only plan the repair and change nothing. Defaults to `True`.
        verbose: `0` for no output; `1` for a progress bar or `2` for lines, and a summary on
            stderr; `"auto"` for progress only if it takes long. Defaults to `"auto"`.

    Returns:
        A `Repair`: the steps that were carried out, or are planned. `print(...)` lists them.

    Raises:
        ShardError: if nothing can be repaired, or if the variants would no longer have the same
            number of rows.
        PackError: if the source is not one that was packed, if only shards of other sources are
            damaged, or if it now returns different bytes.
        StorageError: if a URL cannot be read or written.
        OSError: if a file cannot be written or moved; the same call continues from there.
        ValueError: if `like`, `layout` or a role is passed although the index can be read.

    Example:

    ```python
    flowers = ImageFolder("flowers/train", size=(128, 128))
    pack(flowers, "shards/flowers")
    ...
    plan = repair("shards/flowers")  # changes nothing
    print(plan.steps, plan.removed)
    repair("shards/flowers", source=flowers, dry_run=False)
    ```
    """
    dry_run = checked_bool(dry_run, "dry_run")
    layout = checked_layout(layout)
    verbose = checked_verbose(verbose)
    folder = checked_directory(directory, "directory", storage_options)
    like_place = None if like is None else absolute_place(like, "like", storage_options)
    check_options_used(storage_options, folder, like_place)
    check_not_web_server(folder)
    files = list_files(folder)
    roles = Roles(
        as_structure(inputs, "inputs"),
        as_structure(targets, "targets"),
        as_structure(sample_weights, "sample_weights"),
    )
    try:
        index = ShardIndex.load(folder)
    except CorruptShardError:
        like_index = None if like_place is None else ShardIndex.load(like_place)
        result = _restore_index(files, roles, like_index, layout, dry_run=dry_run, verbose=verbose)
    else:
        unused = [
            name
            for name, value in (("like", like), ("layout", layout), *roles.to_json().items())
            if value is not None
        ]
        if unused:
            raise ValueError(
                f"{folder}: the index can be read, so `{unused[0]}` has no effect: it is for an "
                "index that is lost."
            )
        faults = find_faults(index, files, "", verbose=verbose)
        result = Repair(folder, index=index)
        if source is not None:
            damaged = [index[shard] for shard in faults]
            _pack_again(
                result,
                files,
                damaged,
                source,
                augment,
                workers=workers,
                dry_run=dry_run,
                verbose=verbose,
            )
        elif faults:
            _remove_damaged(result, files, faults, dry_run=dry_run, verbose=verbose)
    summarize(result.summary(), verbose)
    return result


def _pack_again(
    result: Repair,
    files: SetFiles,
    damaged: Sequence[ShardInfo],
    source: Any,
    augment: Callable[..., Any] | None,
    *,
    workers: int | None,
    dry_run: bool,
    verbose: Verbose,
) -> None:
    """Packs damaged and removed shards again from their source."""
    from keras_bigdata.integrity.repack import Repacker

    index = result.index
    assert index is not None
    repacker = Repacker(index, source, augment)
    quarantine = Quarantine(files)
    removed = removed_shards(index)
    lost, others = repacker.own_shards([*damaged, *removed])
    if others and not lost:
        raise PackError(
            f"{index.directory}: no shard of this source is damaged. {'. '.join(others)}."
        )
    result.notes += [f"{each}." for each in others]
    if not lost:
        return
    for info in lost:
        result.steps.append(f"{info.name}: is packed again from its source ({info.samples} rows)")
        if files.exists(info.name):
            result.steps.append(f"{info.name}: the damaged file moves to {QUARANTINE}/")
    if dry_run:
        return
    new_files = repacker.write(lost, workers)
    for name, file in new_files.items():
        quarantine.set_aside(name)
        repacker.put_in_place(name, file)
    restored = [info for info in removed if info in lost]
    if restored:
        infos = [index[shard] for shard in range(len(index))] + restored
        infos.sort(key=lambda info: (info.variant, shard_number(info.name) or (0, 0), info.name))
        rest = [info for info in removed if info not in restored]
        provenance = with_removed(index.provenance, rest)
        result.index = _with_shards(index, infos, provenance, verbose=verbose)
        result.index.save()
    repacker.clear()
    result.done = True


def _remove_damaged(
    result: Repair,
    files: SetFiles,
    faults: dict[int, Fault],
    *,
    dry_run: bool,
    verbose: Verbose,
) -> None:
    """Removes damaged shards from the index and moves their files to the quarantine."""
    index, folder = result.index, result.directory
    assert index is not None
    sound = [index[shard] for shard in range(len(index)) if shard not in faults]
    if not sound:
        first = next(iter(faults.values()))
        raise ShardError(
            f"{folder}: none of the {len(index)} shards is sound ({first.file}: expected "
            f"{first.expected}, found {first.found}). Nothing was changed. Restore them from a "
            "copy, or write the set again."
        )
    kept, incomplete = split_incomplete(folder, sound, index.variants)
    removed = [index[shard] for shard in faults] + incomplete
    for shard, fault in faults.items():
        name = index.names[shard]
        reason = f"{fault.kind}: expected {fault.expected}, found {fault.found}"
        moves = f"; moves to {QUARANTINE}/" if files.exists(name) else ""
        result.steps.append(f"{name}: is removed from the index ({reason}){moves}")
    for info in incomplete:
        result.steps.append(
            f"{info.name}: is removed from the index (another variant of its rows is damaged); "
            f"moves to {QUARANTINE}/"
        )
    result.removed = {info.name: info.samples for info in removed}
    result.steps.append(_describe_new_index(kept))
    if index.provenance.get("source"):
        result.notes.append("the same shards can be packed again from their source: pass it.")
    if dry_run:
        return
    provenance = with_removed(index.provenance, [*removed_shards(index), *removed])
    result.index = _with_shards(index, kept, provenance, verbose=verbose)
    names = [info.name for info in removed]
    quarantine = Quarantine(files)
    quarantine.prepare(names)
    # Before the files are moved: at any instant the index names only files that exist.
    result.index.save()
    result.notes += quarantine.move(names)
    result.done = True


def _restore_index(
    files: SetFiles,
    roles: Roles,
    like: ShardIndex | None,
    layout: Reading,
    *,
    dry_run: bool,
    verbose: Verbose,
) -> Repair:
    """Creates a lost index from the sound shards and moves the others to the quarantine."""
    folder = files.directory
    if isinstance(folder, Path):
        rebuilt = rebuild_index(folder, roles, like, layout, verbose=verbose)
    else:
        rebuilt = rebuild_remote_index(files, roles, like, layout, verbose=verbose)
    if rebuilt.index is None:
        raise ShardError(
            f"{folder}: none of its pickles is sound, so that no index can be created. The first "
            f"one: {rebuilt.faults[0]}"
        )
    index = rebuilt.index
    result = Repair(folder, notes=rebuilt.notes, index=index)
    if files.exists(INDEX_NAME):
        result.steps.append(f"{INDEX_NAME}: is copied to {QUARANTINE}/")
    for fault in rebuilt.faults:
        name = fault.file.removeprefix(str(folder)).lstrip("/\\").replace(os.sep, "/")
        result.removed[name] = None
        result.steps.append(
            f"{name}: moves to {QUARANTINE}/ (expected {fault.expected}, found {fault.found})"
        )
    for info in rebuilt.incomplete:
        result.removed[info.name] = info.samples
        result.steps.append(
            f"{info.name}: moves to {QUARANTINE}/ (another variant of its rows is lost)"
        )
    result.steps.append(_describe_new_index([index[shard] for shard in range(len(index))]))
    if dry_run:
        return result
    names = list(result.removed)
    quarantine = Quarantine(files)
    quarantine.prepare(names, kept=[INDEX_NAME])
    index.save()
    result.notes += quarantine.move(names)
    result.done = True
    return result


def _describe_new_index(infos: Sequence[ShardInfo]) -> str:
    rows = sum(info.samples for info in infos if not info.variant)
    return f"{INDEX_NAME}: is written again, with {rows} rows in {len(infos)} shards"


def _with_shards(
    index: ShardIndex,
    infos: Sequence[ShardInfo],
    provenance: dict[str, Any],
    *,
    verbose: Verbose,
) -> ShardIndex:
    """Returns the index of other shards of the same set."""
    new = ShardIndex.from_shards(
        index.directory,
        index.fields,
        infos,
        index.columns,
        roles=index.roles,
        classes=index.classes,
        vocabulary=index.vocabulary,
        variants=index.variants,
        provenance=provenance,
    )
    new.class_counts = count_in_shards(new, verbose=verbose)
    return new
