"""The corrupt shards of several sets, as one record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_bigdata.loading.batches.corrupt_shards import CorruptShards, SkippedShard


class CorruptShardsOfSets(CorruptShards):
    """The corrupt shards of several sets, numbered consecutively over all sets.

    Args:
        records: the record of each set, which its own sequence uses too.
        lengths: number of shards of each set.
    """

    def __init__(self, records: Sequence[CorruptShards], lengths: Sequence[int]) -> None:
        self.records = list(records)
        self._starts = np.cumsum([0, *lengths])

    def __bool__(self) -> bool:
        return any(self.records)

    def add(self, shard: int, error: str) -> None:
        """Records that a shard is corrupt."""
        number = int(np.searchsorted(self._starts, shard, side="right")) - 1
        self.records[number].add(shard - int(self._starts[number]), error)

    def found(self) -> dict[int, SkippedShard]:
        """Returns the corrupt shards by their number."""
        return {
            int(start) + shard: skipped
            for start, record in zip(self._starts, self.records, strict=False)
            for shard, skipped in record.found().items()
        }

    def send_to(self, receive: Callable[[int, str], None]) -> None:
        """Calls a function with each shard that is found corrupt, instead of a warning."""
        for start, record in zip(self._starts.tolist(), self.records, strict=False):
            record.send_to(_renumbered(receive, start))

    def warn_after_epoch(self, epoch: int) -> None:
        """Warns that an epoch was served without the corrupt shards, if there are any."""
        for record in self.records:
            record.warn_after_epoch(epoch)

    def reset_after_fork(self) -> None:
        """Makes the locks usable in a forked child."""
        for record in self.records:
            record.reset_after_fork()

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def _renumbered(receive: Callable[[int, str], None], start: int) -> Callable[[int, str], None]:
    return lambda shard, error: receive(start + shard, error)
