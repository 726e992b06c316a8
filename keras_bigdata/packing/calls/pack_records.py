"""The records of the packs that wrote a set: the first one, and those that were appended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras_bigdata.errors import CorruptShardError
from keras_bigdata.shards.index.shard_index import INDEX_NAME, ShardIndex
from keras_bigdata.shards.index.shard_names import shard_number
from keras_bigdata.shards.opening.removed_shards import removed_shards

# Key of the packs that were appended, in order, in `ShardIndex.provenance`.
APPENDED_KEY = "appended"


@dataclass(frozen=True, slots=True, eq=False)
class PackRecord:
    """The record of one pack in an index.

    Args:
        number: the number of the pack, as in `ShardInfo.source`.
        first_shard: number of the first shard of its plan in the directory.
        content: the fingerprint of the call, as `Fingerprint.content`, and the `skipped` rows.
    """

    number: int
    first_shard: int
    content: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Returns the record of an appended pack for the provenance."""
        return {"number": self.number, "first_shard": self.first_shard, **self.content}

    def describe(self) -> str:
        """Returns a short description of the source."""
        source = self.content.get("source")
        entries = source if isinstance(source, Mapping) else {}
        parts = [
            f"{name}: {entries[name]}"
            for name in ("kind", "folder", "file", "rows")
            if isinstance(entries.get(name), str | int)
        ]
        order = "packed first" if self.number == 0 else f"appended as number {self.number}"
        return f"the source that was {order} ({', '.join(parts) or 'unknown'})"


def pack_records(index: ShardIndex) -> list[PackRecord]:
    """Returns the records of all packs of a set; none if the index does not name its source.

    Raises:
        CorruptShardError: if the list of appended packs is damaged.
    """
    provenance = dict(index.provenance)
    appended = provenance.pop(APPENDED_KEY, [])
    # `capture` records a source too, but no arguments of `pack`.
    if not provenance.get("source") or not isinstance(provenance.get("arguments"), Mapping):
        return []
    records = [PackRecord(0, 0, provenance)]
    for entry in appended if isinstance(appended, list) else [None]:
        content = dict(entry) if isinstance(entry, Mapping) else {}
        number, first_shard = content.pop("number", None), content.pop("first_shard", None)
        if (
            type(number) is not int
            or type(first_shard) is not int
            or number <= records[-1].number
            or first_shard < records[-1].first_shard
            or not isinstance(content.get("skipped"), list)
        ):
            raise CorruptShardError(
                f"{index.directory / INDEX_NAME}: the list of appended packs is damaged. Restore "
                "the index from a copy."
            )
        records.append(PackRecord(number, first_shard, content))
    return records


def written_names(index: ShardIndex) -> set[str]:
    """Returns the names of the index and of all shards that it names, also of removed ones."""
    return {INDEX_NAME, *index.names, *(info.name for info in removed_shards(index))}


def next_shard(index: ShardIndex) -> int:
    """Returns the smallest number that is larger than those of all shards."""
    numbers = [shard_number(name) for name in written_names(index)]
    return 1 + max((number[0] for number in numbers if number is not None), default=-1)
