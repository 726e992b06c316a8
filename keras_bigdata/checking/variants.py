"""Augmented copies of the data keep equally many rows, whatever is taken out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from keras_bigdata.errors import ShardError
from keras_bigdata.shards.index import ShardInfo
from keras_bigdata.shards.writer import shard_number


def even_out(
    directory: Path, infos: Sequence[ShardInfo], variants: int
) -> tuple[list[ShardInfo], list[ShardInfo]]:
    """Takes out shards whose other variants are gone.

    Args:
        directory: of the shards.
        infos: the shards that are sound.
        variants: number of variants there have been.

    Returns:
        `(kept, set aside)`, in the order given.

    Raises:
        ShardError: if the variants differ in length all the same.
    """
    if variants == 1:
        return list(infos), []
    there: defaultdict[int, set[int]] = defaultdict(set)
    for info in infos:
        there[_number(info)].add(info.variant)
    kept = [info for info in infos if len(there[_number(info)]) == variants]
    rows = [
        sum(info.samples for info in kept if info.variant == variant) for variant in range(variants)
    ]
    if len(set(rows)) > 1 or not kept:
        raise ShardError(
            f"{directory}: the {variants} variants would have {rows} rows, and must have equally "
            "many. Nothing was changed. Restore the damaged shards from a copy, or write the set "
            "again."
        )
    return kept, [info for info in infos if len(there[_number(info)]) != variants]


def _number(info: ShardInfo) -> int:
    number = shard_number(info.name)
    return -1 if number is None else number[0]
