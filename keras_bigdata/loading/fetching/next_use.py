"""How soon this process needs the shards that lie in a cache, computed from the plans."""

from __future__ import annotations

import math
import threading
import weakref

from keras_bigdata.child_processes import hold_during_fork
from keras_bigdata.loading.fetching.coming_shards import ComingShards, Horizon
from keras_bigdata.shards.index.shard_index import NO_CHECKSUM, Int64Array, ShardIndex
from keras_bigdata.storage.cache.cache_entry import entry_name
from keras_bigdata.storage.paths.remote_path import RemotePath

# Replaced, never changed: a thread that goes through it acquires no lock.
_plans: tuple[weakref.ref[NextUseOfPlan], ...] = ()
_lock = threading.Lock()
hold_during_fork(_lock)


def needed_in_process(name: str) -> float:
    """Returns in how many batches this process needs an entry of a cache again.

    Args:
        name: name of the entry.

    Returns:
        0.0 for the current window and the next one of any sequence that is being read, infinity
        for an entry that none of them needs.
    """
    plans = [plan for reference in _plans if (plan := reference()) is not None]
    return min((plan.needed_in(name) for plan in plans), default=math.inf)


class NextUseOfPlan:
    """How soon one sequence needs its shards.

    The cache calls it while it is locked, from any thread, so it acquires no lock. It is called
    only when the cache is full; then the order of an epoch is computed once.

    Args:
        index: the shards.
        coming: their order.
    """

    def __init__(self, index: ShardIndex, coming: ComingShards) -> None:
        self._index = index
        self._coming = coming
        self._horizon: Horizon | None = None
        self._shards: dict[str, int] | None = None
        self._computed: tuple[Horizon, Int64Array] | None = None

    def move_to(self, horizon: Horizon) -> None:
        """Sets what is in use."""
        if self._horizon is None:
            _register(self)
        self._horizon = horizon

    def forget(self) -> None:
        """Records that nothing is in use any more."""
        self._horizon = None

    def needed_in(self, name: str) -> float:
        """Returns in how many batches an entry is needed; infinity if it is not."""
        horizon = self._horizon
        if horizon is None:
            return math.inf
        if self._shards is None:
            self._shards = self._names()
        shard = self._shards.get(name)
        if shard is None:
            return math.inf
        computed = self._computed
        if computed is None or computed[0] is not horizon:
            rows = self._coming.needed_in(horizon.first, len(self._index))
            rows[list(horizon.shards)] = 0
            computed = self._computed = (horizon, rows)
        rows_until = int(computed[1][shard])
        return math.inf if rows_until < 0 else rows_until / self._coming.batch_size

    def _names(self) -> dict[str, int]:
        """Returns the number of each shard by the name of its entry in the cache."""
        names = {}
        for shard, (size, checksum) in enumerate(
            zip(self._index.sizes.tolist(), self._index.checksums.tolist(), strict=True)
        ):
            path = self._index.path(shard)
            if isinstance(path, RemotePath) and checksum != NO_CHECKSUM:
                names[entry_name(path, size, checksum)] = shard
        return names


def _register(plan: NextUseOfPlan) -> None:
    global _plans  # noqa: PLW0603
    with _lock:
        others = [each for each in _plans if each() not in (None, plan)]
        _plans = (*others, weakref.ref(plan))
