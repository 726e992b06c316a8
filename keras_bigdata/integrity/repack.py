"""Shards made anew from the source they were packed from."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from keras_bigdata.errors import PackError
from keras_bigdata.packing.fingerprint import describe_call
from keras_bigdata.packing.pack import (
    default_shard_samples,
    fields_of_first,
    roles_of,
    rows_in_order,
)
from keras_bigdata.packing.plan import cut
from keras_bigdata.packing.resume_state import differences, lock_directory
from keras_bigdata.packing.shard_jobs import Recipe, make_all
from keras_bigdata.packing.sources.images import quiet_pillow
from keras_bigdata.shards.index import UNFINISHED, ShardIndex, ShardInfo
from keras_bigdata.shards.writer import shard_number

# Made here and moved into their places when they are known to be the same.
_STAGE = ".repairing"


def check_source(index: ShardIndex, source: Any, augment: Callable[..., Any] | None) -> None:
    """Refuses what is not the source that the set was packed from.

    Raises:
        PackError: if the index does not say how it was packed, or says otherwise.
    """
    before = {key: index.provenance.get(key) or {} for key in ("source", "arguments")}
    if not all(before.values()):
        raise PackError(
            f"{index.directory}: the index does not name a source (it was written by "
            f"{index.provenance.get('by', 'a ShardWriter')!r}), so no shard can be written "
            "again from one. Restore the shards from a copy, or write the set anew."
        )
    with quiet_pillow():
        call = describe_call(source, {**before["arguments"], "augment": augment})
    changes = differences(before, call)
    if changes:
        raise PackError(
            f"{index.directory}: was packed from another source. {changes}. Pass the same source "
            "and the same `augment`."
        )


def remake(
    index: ShardIndex,
    expected: Sequence[ShardInfo],
    source: Any,
    augment: Callable[..., Any] | None,
    workers: int | None,
) -> dict[str, Path]:
    """Makes some shards again, beside their places, and compares them with what they were.

    Args:
        index: how the set was packed.
        expected: the shards, as the index has (or had) them.
        source, augment: as they were given to `pack`, checked by `check_source`.
        workers: as for `pack`.

    Returns:
        Shard name -> the new file, the same in every byte.

    Raises:
        PackError: if a row cannot be read, or the source gives other bytes now.
    """
    stage = index.directory / _STAGE
    (stage / UNFINISHED).mkdir(parents=True, exist_ok=True)
    (stage / UNFINISHED / "stop").unlink(missing_ok=True)  # of a call that was interrupted
    arguments = index.provenance["arguments"]
    skip = bool(index.provenance.get("skipped"))
    seed = arguments["seed"]
    numbers = sorted({_number(info.name) for info in expected})
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, lock_directory(index.directory, stage / UNFINISHED / "lock"))
        stack.enter_context(quiet_pillow())
        rows = rows_in_order(source, arguments["shuffle"], seed, skip)
        fields = fields_of_first(source, rows, augment, seed, skip)
        recipe = Recipe(
            stage,
            fields,
            roles_of(source, fields),
            seed,
            arguments["variants"],
            augment,
            skip,
            parent=os.getpid(),
        )
        size = arguments["shard_samples"] or default_shard_samples(len(rows), fields)
        records = make_all(source, cut(rows, size), recipe, workers, numbers)
    made = {info.name: info for record in records for info in record.shards}
    other = [info.name for info in expected if made.get(info.name) != info]
    if other:
        shutil.rmtree(stage)
        raise PackError(
            f"{index.directory}: the source gives other bytes now than when it was packed, for "
            f"{', '.join(other[:5])}{', ...' if len(other) > 5 else ''}. Its files or the programs "
            "that read them have changed. Nothing was replaced: restore the shards from a copy, go "
            "on without them, or pack the source anew."
        )
    return {info.name: stage / info.name for info in expected}


def clear_stage(index: ShardIndex) -> None:
    """Removes what `remake` has made beside the wanted shards."""
    shutil.rmtree(index.directory / _STAGE, ignore_errors=True)


def _number(name: str) -> int:
    number = shard_number(name)
    if number is None:
        raise PackError(f"{name}: is no name of a packed shard, so nobody knows its rows.")
    return number[0]
