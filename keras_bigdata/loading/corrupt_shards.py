"""Corrupt shards while training: what is known of them, and which rows stand in for theirs."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_bigdata.errors import CorruptShardError
from keras_bigdata.shards.index import Int64Array, ShardIndex

# First part of the spawn key of the choice of substitutes; plan.py has 0 to 2, loader.py 3.
_SUBSTITUTES = 4

# Draws from all rows before the healthy ones are counted: with one shard in two corrupt the odds
# that any is left after so many are 2^-64.
_DRAWS = 64

# Corrupt shards that a warning names.
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class SkippedShard:
    """A shard whose rows are not served.

    Args:
        path: of the file.
        rows: how many rows it has.
        error: what is wrong with it.
    """

    path: str
    rows: int
    error: str


class CorruptShards:
    """The shards of an index that were found corrupt, each told once as soon as it is found.

    Thread-safe.

    Args:
        index: the shards.
    """

    def __init__(self, index: ShardIndex) -> None:
        self._index = index
        self._bad = np.zeros(len(index), bool)
        self._found: dict[int, str] = {}
        self._lock = threading.Lock()
        # In a worker process: told to nobody there, but sent to the parent.
        self.on_found: Callable[[int, str], None] = self._warn

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, shard: int, error: str) -> None:
        """Notes that a shard is corrupt."""
        with self._lock:
            if shard in self._found:
                return
            self._found[shard] = error
            self._bad[shard] = True
        self.on_found(shard, error)

    def among(self, shards: Int64Array) -> Any:
        """Which of some shards are corrupt, as far as that is known."""
        return self._bad[shards]

    def known(self) -> dict[int, SkippedShard]:
        """What was found, by the number of the shard."""
        with self._lock:
            found = dict(self._found)
        return {
            shard: SkippedShard(
                str(self._index.path(shard)), int(self._index.samples[shard]), found[shard]
            )
            for shard in sorted(found)
        }

    def _warn(self, shard: int, error: str) -> None:
        warnings.warn(
            f"{error} It is left out, and {int(self._index.samples[shard])} other rows are served "
            "in place of its rows, until it is repaired and the sequence is made again.",
            stacklevel=2,
        )

    def tell(self, epoch: int) -> None:
        """Warns that an epoch, which is over, was served without them; not if there are none."""
        found = list(self.known().values())
        if not found:
            return
        files = ", ".join(shard.path for shard in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        warnings.warn(
            f"Epoch {epoch} was served without {sum(shard.rows for shard in found)} rows, all rows "
            f"of {len(found)} corrupt shards: {files}{more}. Others were served in their place. "
            "See `skipped_shards` of the sequence.",
            stacklevel=3,
        )

    def forked(self) -> None:
        """In a forked child: the lock may have been held by a thread that stayed behind."""
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        # The bound method would come back as that of the copy in any case.
        kept = ("_index", "_bad", "_found")
        return {name: self.__dict__[name] for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
        self.on_found = self._warn


def substitute(
    shards: Int64Array,
    rows: Int64Array,
    *,
    corrupt: CorruptShards,
    index: ShardIndex,
    variant: Int64Array,
    seed: tuple[int, int, int],
) -> tuple[Int64Array, Int64Array]:
    """The rows of one batch, with others in place of those of corrupt shards.

    They come from the healthy shards of the same batch, which are open; where there is none, from
    all shards of the variant. The choice depends on the seed and on which shards are corrupt, not
    on when that was found: a draw from a shard that is not yet known to be corrupt fails in reading
    and is then made again.

    Args:
        shards: the shard of each row.
        rows: the row in that shard.
        corrupt: the shards that are known to be corrupt.
        index: all shards.
        variant: the shards that may stand in.
        seed: seed, epoch and batch.

    Raises:
        CorruptShardError: if no shard is left.
    """
    bad = corrupt.among(shards)
    count = int(np.count_nonzero(bad))
    if not count:
        return shards, rows
    bits = np.random.PCG64(
        np.random.SeedSequence(seed[0], spawn_key=(_SUBSTITUTES, seed[1], seed[2]))
    )
    healthy = np.unique(shards[~bad])
    if len(healthy):
        chosen = _rows_of(healthy, index, bits.random_raw(count))
    else:
        chosen = _rows_of(variant, index, bits.random_raw(count))
        for _ in range(_DRAWS):
            again = corrupt.among(chosen[0])
            if not again.any():
                break
            drawn = _rows_of(variant, index, bits.random_raw(count))
            chosen = tuple(  # type: ignore[assignment]
                np.where(again, new, old) for new, old in zip(drawn, chosen, strict=True)
            )
        else:
            left = variant[~corrupt.among(variant) & (index.samples[variant] > 0)]
            if not len(left):
                raise CorruptShardError(
                    f"{index.directory}: every shard is corrupt, so nothing can stand in for their "
                    "rows. The first one: " + next(iter(corrupt.known().values())).error
                )
            chosen = _rows_of(left, index, bits.random_raw(count))
    shards, rows = shards.copy(), rows.copy()
    shards[bad], rows[bad] = chosen
    return shards, rows


def _rows_of(candidates: Int64Array, index: ShardIndex, bits: Any) -> tuple[Int64Array, Int64Array]:
    """For each random number a row of some shards: all rows are equally likely."""
    ends = np.cumsum(index.samples[candidates])
    places = (bits % np.uint64(ends[-1])).astype(np.int64)
    which = np.searchsorted(ends, places, side="right")
    return candidates[which], places - (ends[which] - index.samples[candidates[which]])
