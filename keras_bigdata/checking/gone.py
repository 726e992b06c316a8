"""Shards that an earlier repair has left out, which the index remembers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from keras_bigdata.errors import CorruptShardError
from keras_bigdata.shards.index import INDEX_NAME, ShardIndex, ShardInfo
from keras_bigdata.shards.writer import shard_number

# In `ShardIndex.made`.
GONE = "gone"


def gone_shards(index: ShardIndex) -> list[ShardInfo]:
    """What they were.

    Raises:
        CorruptShardError: if the index says nonsense, or names files elsewhere.
    """
    try:
        gone = [ShardInfo(**entry) for entry in index.made.get(GONE, [])]
        sound = all(shard_number(info.name) and info.samples >= 0 for info in gone)
    except (TypeError, AttributeError):
        sound, gone = False, []
    if not sound:
        raise CorruptShardError(
            f"{index.directory / INDEX_NAME}: the list of shards that were left out is damaged. "
            "Restore the index from a copy."
        )
    return gone


def with_gone(made: dict[str, Any], gone: Iterable[ShardInfo]) -> dict[str, Any]:
    """How the set was made, with what is left out of it."""
    listed = [asdict(info) for info in gone]
    rest = {name: value for name, value in made.items() if name != GONE}
    return {**rest, GONE: listed} if listed else rest
