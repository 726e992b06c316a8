"""Rows that two sets of shards have in common: training data in a validation set."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import ShardError
from keras_bigdata.progress import track
from keras_bigdata.shards.index import ShardIndex
from keras_bigdata.shards.pickles import read_columns

# Rows whose digests are sorted at one time: some 250 MB (measured with 3 to 12 million rows).
_AT_ONCE = 1_000_000
_MOST_PARTS = 1024

# Pairs that are named.
_SHOWN = 20

_RECORD = np.dtype([("a", "<u8"), ("b", "<u8"), ("shard", "<i8"), ("row", "<i8")])

Records = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Rows of one set that are in the other too.

    Args:
        rows: how many.
        pairs: of the first of them `(file, row, file in the other set, row there)`.
    """

    rows: int
    pairs: list[tuple[str, int, str, int]]


def find_duplicates(
    first: ShardIndex,
    second: ShardIndex,
    fields: Sequence[str],
    shards: tuple[Sequence[int], Sequence[int]],
    trust: bool = False,
) -> Duplicates:
    """Compares rows by 128 bits of BLAKE2b over the bytes of all fields named.

    The digests (32 bytes a row, with where it is) go to temporary files, cut by their value so
    that a million or so at a time are sorted: memory is that of a few shards and some 250 MB (more
    than that only above a billion rows), however many rows there are.

    Args:
        first: a set.
        second: another one.
        fields: names of the fields that have to be equal.
        shards: which shards of each are looked at.
        trust: load pickles that would have to run code. Defaults to `False`.

    Raises:
        ShardError: if the sets do not have these fields alike, or a shard cannot be read.
    """
    for name in fields:
        one, other = first.fields.get(name), second.fields.get(name)
        if one is None or other is None or one != other:
            raise ShardError(
                f"{first.directory} and {second.directory} cannot be compared by {name!r}: it is "
                f"{one or 'not there'} and {other or 'not there'}. Name the fields to compare by."
            )
    rows = sum(int(index.samples.sum()) for index in (first, second))
    parts = min(_MOST_PARTS, -(-rows // _AT_ONCE) or 1)
    count, pairs = 0, []
    with tempfile.TemporaryDirectory(prefix="keras_bigdata-") as folder:
        for side, (index, chosen) in enumerate(zip((first, second), shards, strict=True)):
            _write(Path(folder), side, index, chosen, fields=fields, parts=parts, trust=trust)
        for part in range(parts):
            sides = [_read(Path(folder, f"{side}-{part}")) for side in range(2)]
            here, found = _common(*sides)
            count += here
            pairs += found
    named = sorted((one["shard"], one["row"], two["shard"], two["row"]) for one, two in pairs)
    return Duplicates(
        count,
        [
            (str(first.path(int(a))), int(b), str(second.path(int(c))), int(d))
            for a, b, c, d in named[:_SHOWN]
        ],
    )


def _write(
    folder: Path,
    side: int,
    index: ShardIndex,
    shards: Sequence[int],
    *,
    fields: Sequence[str],
    parts: int,
    trust: bool,
) -> None:
    def digests(shard: int) -> Records:
        return _digests(index.path(shard), shard, fields, trust)

    with ThreadPoolExecutor(2) as pool:
        try:
            results = _ahead(pool, digests, shards)
            for records in track(results, len(shards), f"Comparing {index.directory}"):
                part_of = records["a"] % np.uint64(parts)
                order = np.argsort(part_of, kind="stable")
                bounds = np.searchsorted(part_of[order], np.arange(parts + 1))
                for part in np.flatnonzero(np.diff(bounds)).tolist():
                    # Not kept open: there may be more of them than a process may have.
                    with open(folder / f"{side}-{part}", "ab") as file:
                        records[order[bounds[part] : bounds[part + 1]]].tofile(file)
        finally:
            pool.shutdown(cancel_futures=True)


def _ahead(pool: ThreadPoolExecutor, work: Any, items: Sequence[int]) -> Iterator[Records]:
    """Like `pool.map`, but no more than four at a time, whose results wait in memory."""
    pending = [pool.submit(work, item) for item in items[:4]]
    for item in [*items[4:], *[None] * len(pending)]:
        yield pending.pop(0).result()
        if item is not None:
            pending.append(pool.submit(work, item))


def _digests(path: Path, shard: int, fields: Sequence[str], trust: bool) -> Records:
    columns = read_columns(path, fields, trust)
    rows = len(next(iter(columns.values())))
    as_bytes = [
        column.reshape(rows, -1).view(np.uint8) for column in columns.values() if column.size
    ]
    records = np.zeros(rows, _RECORD)
    records["shard"], records["row"] = shard, np.arange(rows)
    digests = bytearray()
    for row in range(rows):
        digest = blake2b(digest_size=16)
        for column in as_bytes:
            digest.update(column[row])
        digests += digest.digest()
    values = np.frombuffer(digests, "<u8").reshape(rows, 2)
    records["a"], records["b"] = values[:, 0], values[:, 1]
    return records


def _read(path: Path) -> Records:
    return np.fromfile(path, _RECORD) if path.exists() else np.zeros(0, _RECORD)


def _common(first: Records, second: Records) -> tuple[int, list[tuple[Any, Any]]]:
    """How many records of the first are in the second, and pairs of some of them."""
    both = np.concatenate((first, second))
    order = np.lexsort((both["b"], both["a"]))
    a, b = both["a"][order], both["b"][order]
    group = np.cumsum(np.concatenate(([False], (a[1:] != a[:-1]) | (b[1:] != b[:-1]))))
    of_first = order < len(first)
    groups = int(group[-1]) + 1 if len(group) else 0
    in_first = np.bincount(group[of_first], minlength=groups)
    in_second = np.bincount(group[~of_first], minlength=groups)
    shared = (in_first > 0) & (in_second > 0)
    if not shared.any():
        return 0, []
    mine = order[of_first & shared[group]]
    mine_group = group[of_first & shared[group]]
    theirs = order[~of_first & shared[group]]
    theirs_group = group[~of_first & shared[group]]
    place = np.searchsorted(theirs_group, mine_group)
    some = np.argsort(mine, kind="stable")[:_SHOWN]
    return len(mine), [(both[mine[i]], both[theirs[place[i]]]) for i in some.tolist()]
