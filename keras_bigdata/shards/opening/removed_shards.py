"""Shards that a repair removed: the index records them, and all variants stay equally long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.shards.index.shard_index import INDEX_NAME, ShardIndex, ShardInfo
from keras_bigdata.shards.index.shard_names import shard_number
from keras_bigdata.storage.paths.place import Place

# Key of the removed shards in `ShardIndex.provenance`.
REMOVED_KEY = "gone"


def removed_shards(index: ShardIndex) -> list[ShardInfo]:
    """Returns the entries of the shards that repairs have removed from the index.

    Raises:
        CorruptShardError: if the list is damaged, or names files outside of the directory.
    """
    try:
        removed = [ShardInfo(**entry) for entry in index.provenance.get(REMOVED_KEY, [])]
        valid = all(shard_number(info.name) and info.samples >= 0 for info in removed)
    except (TypeError, AttributeError):
        valid, removed = False, []
    if not valid:
        raise CorruptShardError(
            f"{index.directory / INDEX_NAME}: the list of removed shards is damaged. Restore the "
            "index from a copy."
        )
    return removed


def with_removed(provenance: dict[str, Any], removed: Iterable[ShardInfo]) -> dict[str, Any]:
    """Returns a provenance that lists exactly these shards as removed."""
    entries = [asdict(info) for info in removed]
    rest = {name: value for name, value in provenance.items() if name != REMOVED_KEY}
    return {**rest, REMOVED_KEY: entries} if entries else rest


def split_incomplete(
    directory: Place, infos: Sequence[ShardInfo], variants: int
) -> tuple[list[ShardInfo], list[ShardInfo]]:
    """Separates the shards that lack another variant, so that all variants stay equally long.

    Args:
        directory: directory of the shards, for the message.
        infos: the shards without a fault.
        variants: number of variants in the whole set.

    Returns:
        `(complete, incomplete)`, in the order of `infos`.

    Raises:
        ShardError: if the variants of the complete shards differ in length.
    """
    if variants == 1:
        return list(infos), []
    variants_of: defaultdict[int, set[int]] = defaultdict(set)
    for info in infos:
        variants_of[_number(info)].add(info.variant)
    complete = [info for info in infos if len(variants_of[_number(info)]) == variants]
    rows = [
        sum(info.samples for info in complete if info.variant == variant)
        for variant in range(variants)
    ]
    if len(set(rows)) > 1 or not complete:
        raise ShardError(
            f"{directory}: the {variants} variants would have {rows} rows, but must have the same "
            "number. Nothing was changed. Restore the damaged shards from a copy, or write the set "
            "again."
        )
    return complete, [info for info in infos if len(variants_of[_number(info)]) != variants]


def _number(info: ShardInfo) -> int:
    number = shard_number(info.name)
    return -1 if number is None else number[0]
