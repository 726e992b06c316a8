"""What a check has found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.shards.index import INDEX_NAME, ShardIndex, ShardInfo
from keras_bigdata.shards.writer import shard_number


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it should be.

    Args:
        file: path of the file (or directory).
        kind: one of `"missing"`, `"unreadable"`, `"size"`, `"checksum"`, `"structure"`, `"extra"`,
            `"index"`, `"unfinished"`, `"duplicates"`.
        expected: what should be there.
        found: what is there.
        remedy: what to do.
    """

    file: str
    kind: str
    expected: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return (
            f"{self.file}: {self.kind}: expected {self.expected}, found {self.found}. {self.remedy}"
        )


@dataclass(slots=True)
class Report:
    """What `verify` found.

    Args:
        directory: what was checked.
        faults: all that is wrong, in order of the files. Defaults to `[]`.
        notes: what is worth knowing and no fault. Defaults to `[]`.
        shards: files that were read. Defaults to `0`.
        rows: rows in the shards without a fault. Defaults to `0`.
        nbytes: bytes that were read. Defaults to `0`.
        seconds: how long it took. Defaults to `0.0`.
        duplicates: of the first rows that are in both sets `(file, row, file in the other set, row
            there)`. Defaults to `[]`.
    """

    directory: Path
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    shards: int = 0
    rows: int = 0
    nbytes: int = 0
    seconds: float = 0.0
    duplicates: list[tuple[str, int, str, int]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there is no fault."""
        return not self.faults


# In `ShardIndex.made`.
GONE = "gone"


def gone_shards(index: ShardIndex) -> list[ShardInfo]:
    """What they were.

    Raises:
        CorruptShardError: if the index says nonsense, or names files elsewhere.
    """
    try:
        gone = [ShardInfo(**entry) for entry in index.provenance.get(GONE, [])]
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
        there[_number_of(info)].add(info.variant)
    kept = [info for info in infos if len(there[_number_of(info)]) == variants]
    rows = [
        sum(info.samples for info in kept if info.variant == variant) for variant in range(variants)
    ]
    if len(set(rows)) > 1 or not kept:
        raise ShardError(
            f"{directory}: the {variants} variants would have {rows} rows, and must have equally "
            "many. Nothing was changed. Restore the damaged shards from a copy, or write the set "
            "again."
        )
    return kept, [info for info in infos if len(there[_number_of(info)]) != variants]


def _number_of(info: ShardInfo) -> int:
    number = shard_number(info.name)
    return -1 if number is None else number[0]
