"""`repair`: what can be done about the faults of a set of shards, and doing it."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.integrity.check_shard import check_content
from keras_bigdata.integrity.rebuild_index import rebuild
from keras_bigdata.integrity.report import Fault, even_out, gone_shards, with_gone
from keras_bigdata.integrity.verify import side_by_side
from keras_bigdata.shards.class_counts import count_in_shards
from keras_bigdata.shards.index import INDEX_NAME, ShardIndex, ShardInfo
from keras_bigdata.shards.roles import Roles, as_structure
from keras_bigdata.shards.writer import shard_number


@dataclass(slots=True)
class Repair:
    """What `repair` has done, or would do.

    Args:
        directory: of the shards.
        steps: what is done, in words, in order.
        gone: shard name -> rows that are served no more, `None` where nobody knows how many.
        notes: what could not be known.
        done: whether it was done, or only planned.
        index: the index as it is then; `None` if nothing is to be done.
    """

    directory: Path
    steps: list[str] = field(default_factory=list)
    gone: dict[str, int | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    done: bool = False
    index: ShardIndex | None = None


def repair(
    directory: str | os.PathLike[str],
    *,
    source: Any = None,
    augment: Callable[..., Any] | None = None,
    workers: int | None = None,
    like: str | os.PathLike[str] | None = None,
    inputs: Any = None,
    targets: Any = None,
    sample_weights: Any = None,
    apply: bool = False,
) -> Repair:
    """Mends a set of shards as far as that is possible. Nothing is deleted.

    - Shards that are missing or damaged are made again from their `source`, if the set was written
      by `pack`. Only they are read. They take their places if they are the same as before in every
      byte, else nothing is changed. Shards that an earlier repair left out come back too.
    - Without a `source` the damaged files move to `quarantine/` in the directory, and the index is
      written without them. It remembers them, so that a source can bring them back.
    - An index that is lost or cannot be read is made anew from the shards. What they do not hold
      (roles, names of the classes, vocabulary, how they were packed) is taken from the arguments,
      from `like`, or from what can still be read of the old index; else `notes` says so.

    At any instant the directory holds a whole index that agrees with its files as well as before:
    a repair that was stopped is made again. Do not run two at a time.

    Args:
        directory: a directory of shards.
        source: what the set was packed from, as it was given to `pack`. Defaults to `None`.
        augment: the same. Defaults to `None`.
        workers: as for `pack`. Defaults to `None`: one for each CPU.
        like: for a lost index, a packed set with the same roles, classes and vocabulary: of a
            validation set that of the training set, say. Defaults to `None`.
        inputs, targets, sample_weights: for a lost index, the roles as in `ShardWriter`. Default
            to `None`.
        apply: whether to do it. Defaults to `False`: only say what would be done.

    Returns:
        A `Repair`: what was done, or would be.

    Raises:
        ShardError: if there is nothing that could be mended, or if the variants would no longer
            have equally many rows.
        PackError: if the source is not the one that was packed, or gives other bytes now.
        OSError: if a file cannot be written or moved; the same call goes on from there.

    Example:

    ```python
    flowers = ImageFolder("flowers/train", size=(128, 128))
    pack(flowers, "shards/flowers")
    ...
    plan = repair("shards/flowers")  # changes nothing
    print(plan.steps, plan.gone)
    repair("shards/flowers", source=flowers, apply=True)
    ```
    """
    folder = Path(os.path.abspath(directory))
    if not folder.is_dir():
        raise ShardError(f"{folder}: there is no such directory. Check the path.")
    roles = Roles(
        as_structure(inputs, "inputs"),
        as_structure(targets, "targets"),
        as_structure(sample_weights, "sample_weights"),
    )
    try:
        index = ShardIndex.load(folder)
    except CorruptShardError:
        return _new_index(folder, roles, None if like is None else ShardIndex.load(like), apply)
    unused = [
        name for name, value in (("like", like), *roles.to_json().items()) if value is not None
    ]
    if unused:
        raise ValueError(
            f"{folder}: the index can be read, so `{unused[0]}` has nothing to do: it is for one "
            "that is lost."
        )
    faults = _faults(index)
    result = Repair(folder, index=index)
    if source is not None:
        _from_source(result, list(faults), source, augment, workers=workers, apply=apply)
    elif faults:
        _without(result, faults, apply=apply)
    return result


def _faults(index: ShardIndex) -> dict[int, Fault]:
    found = side_by_side(
        lambda shard: check_content(index, shard, ""),
        range(len(index)),
        f"Verifying {index.directory}",
    )
    return {shard: fault for shard, fault in enumerate(found) if fault is not None}


def _from_source(
    result: Repair,
    damaged: Sequence[int],
    source: Any,
    augment: Callable[..., Any] | None,
    *,
    workers: int | None,
    apply: bool,
) -> None:
    from keras_bigdata.integrity.repack import Repacker

    index, folder = result.index, result.directory
    assert index is not None
    repacker = Repacker(index, source, augment)
    gone = gone_shards(index)
    wanted = [index[shard] for shard in damaged] + gone
    if not wanted:
        return
    for info in wanted:
        result.steps.append(f"{info.name}: is made again from its source ({info.samples} rows)")
        if (folder / info.name).exists():
            result.steps.append(f"{info.name}: what is there moves to {QUARANTINE}/")
    if not apply:
        return
    made = repacker.write(wanted, workers)
    for name, file in made.items():
        if (folder / name).exists():
            move_to_quarantine(folder, name)
        os.replace(file, folder / name)
    if gone:
        infos = [index[shard] for shard in range(len(index))] + gone
        infos.sort(key=lambda info: (info.variant, shard_number(info.name) or (0, 0), info.name))
        result.index = _like(index, infos, with_gone(index.provenance, []))
        result.index.save()
    repacker.clear()
    result.done = True


def _without(result: Repair, faults: dict[int, Fault], *, apply: bool) -> None:
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
    kept, aside = even_out(folder, sound, index.variants)
    dropped = [index[shard] for shard in faults] + aside
    for fault in faults.values():
        name = Path(fault.file).relative_to(folder).as_posix()
        what = f"{fault.kind}: expected {fault.expected}, found {fault.found}"
        moves = f"; moves to {QUARANTINE}/" if Path(fault.file).exists() else ""
        result.steps.append(f"{name}: leaves the index ({what}){moves}")
    for info in aside:
        result.steps.append(
            f"{info.name}: leaves the index (another variant of its rows is damaged); moves to "
            f"{QUARANTINE}/"
        )
    result.gone = {info.name: info.samples for info in dropped}
    result.steps.append(_new_index_step(kept))
    if index.provenance.get("source"):
        result.notes.append("the same shards can be made again from their source: give it.")
    if not apply:
        return
    made = with_gone(index.provenance, [*gone_shards(index), *dropped])
    result.index = _like(index, kept, made)
    # First: at any instant the index names only files that are there.
    result.index.save()
    _quarantine(folder, [info.name for info in dropped])
    result.done = True


def _new_index(folder: Path, roles: Roles, like: ShardIndex | None, apply: bool) -> Repair:
    rebuilt = rebuild(folder, roles, like)
    if rebuilt.index is None:
        raise ShardError(
            f"{folder}: none of its pickles is sound, so there is nothing to make an index of. The "
            f"first one: {rebuilt.faults[0]}"
        )
    index = rebuilt.index
    result = Repair(folder, notes=rebuilt.notes, index=index)
    if (folder / INDEX_NAME).exists():
        result.steps.append(f"{INDEX_NAME}: is copied to {QUARANTINE}/")
    for fault in rebuilt.faults:
        name = Path(fault.file).relative_to(folder).as_posix()
        result.gone[name] = None
        result.steps.append(
            f"{name}: moves to {QUARANTINE}/ (expected {fault.expected}, found {fault.found})"
        )
    for info in rebuilt.set_aside:
        result.gone[info.name] = info.samples
        result.steps.append(
            f"{info.name}: moves to {QUARANTINE}/ (another variant of its rows is gone)"
        )
    result.steps.append(_new_index_step([index[shard] for shard in range(len(index))]))
    if not apply:
        return result
    if (folder / INDEX_NAME).exists():
        copy_to_quarantine(folder, INDEX_NAME)
    index.save()
    _quarantine(folder, list(result.gone))
    result.done = True
    return result


def _quarantine(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        if (folder / name).exists():
            move_to_quarantine(folder, name)


def _new_index_step(infos: Sequence[ShardInfo]) -> str:
    rows = sum(info.samples for info in infos if not info.variant)
    return f"{INDEX_NAME}: is written anew, with {rows} rows in {len(infos)} shards"


def _like(index: ShardIndex, infos: Sequence[ShardInfo], made: dict[str, Any]) -> ShardIndex:
    """The index of other shards of the same set."""
    new = ShardIndex.from_shards(
        index.directory,
        index.fields,
        infos,
        roles=index.roles,
        classes=index.classes,
        vocabulary=index.vocabulary,
        variants=index.variants,
        provenance=made,
    )
    new.class_counts = count_in_shards(new)
    return new


# Below the directory of the shards. The names in it end in `.quarantined`, so that none is taken
# for a shard.
QUARANTINE = "quarantine"


def move_to_quarantine(directory: Path, name: str) -> Path:
    """Moves a file of the directory into its quarantine; gives where it is now."""
    target = _free_name(directory, name)
    os.rename(directory / name, target)
    return target


def copy_to_quarantine(directory: Path, name: str) -> Path:
    """The same for a file that is about to be replaced at once."""
    target = _free_name(directory, name)
    shutil.copy2(directory / name, target)
    return target


def _free_name(directory: Path, name: str) -> Path:
    place = directory / QUARANTINE / name
    place.parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        target = place.with_name(f"{place.name}{f'-{number}' if number > 1 else ''}.quarantined")
        if not target.exists():
            return target
    raise AssertionError
