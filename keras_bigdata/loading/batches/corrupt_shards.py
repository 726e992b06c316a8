"""Corrupt shards while training: a record of them, and the rows that replace theirs."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_bigdata.errors import CorruptShardError
from keras_bigdata.loading.order.selected_rows import SelectedRows
from keras_bigdata.loading.order.spawn_keys import SpawnKey
from keras_bigdata.shards.index.shard_index import Int64Array, ShardIndex
from keras_bigdata.storage.paths.place import Place

# Number of draws from all rows before the readable rows are counted. If half of the rows are
# corrupt, the probability that a row is still corrupt after this many draws is 2^-64.
_DRAWS = 64

# Maximum number of corrupt shards that a warning names.
_MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class SkippedShard:
    """A shard whose rows are not served.

    Attributes:
        path: path of the file.
        rows: number of rows in it that would be served.
        error: the reason.
    """

    path: str
    rows: int
    error: str


class CorruptShards:
    """The shards of an index that were found corrupt. Warns once about each, as it is found.

    Thread-safe.

    Args:
        index: the shards.
        counts: int64 array, the number of rows of each shard that are served. Defaults to `None`:
            all of them.
    """

    def __init__(self, index: ShardIndex, counts: Int64Array | None = None) -> None:
        self._index = index
        self._counts = index.samples if counts is None else counts
        self._bad = np.zeros(len(index), bool)
        self._found: dict[int, str] = {}
        self._lock = threading.Lock()
        # A worker process replaces this: it does not warn, but sends the error to its parent.
        self._on_found: Callable[[int, str], None] = self._warn

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def directory(self) -> Place:
        """The directory of the shards."""
        return self._index.directory

    def add(self, shard: int, error: str) -> None:
        """Records that a shard is corrupt."""
        with self._lock:
            if shard in self._found:
                return
            self._found[shard] = error
            self._bad[shard] = True
        self._on_found(shard, error)

    def send_to(self, receive: Callable[[int, str], None]) -> None:
        """Calls a function with each shard that is found corrupt, instead of a warning."""
        self._on_found = receive

    def is_corrupt(self, shards: Int64Array) -> Any:
        """Returns a boolean array that marks the shards that were found corrupt so far."""
        return self._bad[shards]

    def found(self) -> dict[int, SkippedShard]:
        """Returns the corrupt shards by their number."""
        with self._lock:
            found = dict(self._found)
        return {
            shard: SkippedShard(
                str(self._index.path(shard)), int(self._counts[shard]), found[shard]
            )
            for shard in sorted(found)
        }

    def _warn(self, shard: int, error: str) -> None:
        warnings.warn(
            f"{error} The shard is skipped: {int(self._counts[shard])} other rows are "
            "served in place of its rows, until it is repaired and the sequence is created again.",
            stacklevel=2,
        )

    def warn_after_epoch(self, epoch: int) -> None:
        """Warns that an epoch was served without the corrupt shards, if there are any."""
        found = list(self.found().values())
        if not found:
            return
        files = ", ".join(shard.path for shard in found[:_MAX_NAMED])
        more = f" and {len(found) - _MAX_NAMED} more" if len(found) > _MAX_NAMED else ""
        warnings.warn(
            f"Epoch {epoch} was served without {sum(shard.rows for shard in found)} rows, all rows "
            f"of {len(found)} corrupt shards: {files}{more}. Other rows were served in their "
            "place. See `skipped_shards` of the sequence.",
            stacklevel=3,
        )

    def reset_after_fork(self) -> None:
        """Makes the lock usable in a forked child: a thread of the parent may hold it."""
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        # The lock cannot be pickled; the copy warns.
        kept = ("_index", "_counts", "_bad", "_found")
        return {name: self.__dict__[name] for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
        self._on_found = self._warn


def substitute_rows(
    shards: Int64Array,
    rows: Int64Array,
    *,
    corrupt: CorruptShards,
    selected: SelectedRows,
    variant: Int64Array,
    seed: tuple[int, ...],
) -> tuple[Int64Array, Int64Array]:
    """Replaces the rows of corrupt shards in one batch.

    The substitutes come from the readable shards of the same batch, which are open; if the batch
    has no readable shard, from all shards of the variant. The choice depends on the seed and on
    which shards are corrupt, not on when they were found: a draw from a shard that is not yet known
    to be corrupt fails when it is read, and is then repeated.

    Args:
        shards: int64 array, the shard of each row.
        rows: int64 array, the row in that shard.
        corrupt: the record of corrupt shards.
        selected: the rows that substitutes may be.
        variant: int64 array, the shards that substitutes may come from.
        seed: seed, epoch and batch; of a part of a batch also where it begins.

    Returns:
        `(shards, rows)` of the same length.

    Raises:
        CorruptShardError: if every shard is corrupt.
    """
    bad = corrupt.is_corrupt(shards)
    count = int(np.count_nonzero(bad))
    if not count:
        return shards, rows
    bits = np.random.PCG64(
        np.random.SeedSequence(seed[0], spawn_key=(SpawnKey.SUBSTITUTES, *seed[1:]))
    )
    readable = np.unique(shards[~bad])
    if len(readable):
        chosen = _rows_of(readable, selected.counts, bits.random_raw(count))
    else:
        chosen = _rows_of(variant, selected.counts, bits.random_raw(count))
        for _ in range(_DRAWS):
            again = corrupt.is_corrupt(chosen[0])
            if not again.any():
                break
            drawn = _rows_of(variant, selected.counts, bits.random_raw(count))
            chosen = tuple(  # type: ignore[assignment]
                np.where(again, new, old) for new, old in zip(drawn, chosen, strict=True)
            )
        else:
            left = variant[~corrupt.is_corrupt(variant) & (selected.counts[variant] > 0)]
            if not len(left):
                raise CorruptShardError(
                    f"{corrupt.directory}: every shard is corrupt, so no rows can replace theirs. "
                    "The first one: " + next(iter(corrupt.found().values())).error
                )
            chosen = _rows_of(left, selected.counts, bits.random_raw(count))
    shards, rows = shards.copy(), rows.copy()
    shards[bad], rows[bad] = chosen[0], selected.rows(*chosen)
    return shards, rows


def _rows_of(
    candidates: Int64Array, counts: Int64Array, bits: Any
) -> tuple[Int64Array, Int64Array]:
    """Draws a row of some shards for each random number; all rows are equally likely.

    Returns:
        The shard of each row, and its rank among the rows of the shard that are served.
    """
    ends = np.cumsum(counts[candidates])
    places = (bits % np.uint64(ends[-1])).astype(np.int64)
    which = np.searchsorted(ends, places, side="right")
    return candidates[which], places - (ends[which] - counts[candidates[which]])
