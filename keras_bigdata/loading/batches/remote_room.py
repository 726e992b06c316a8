"""How many bytes of remote shards may be held at one time, in memory or in a cache."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_bigdata.loading.fetching.coming_shards import ComingShards, Horizon
from keras_bigdata.loading.order.selected_rows import SelectedRows
from keras_bigdata.machine_limits import total_memory
from keras_bigdata.shards.index.shard_index import Int64Array, ShardIndex
from keras_bigdata.storage.cache.cache_bytes import check_cache_bytes
from keras_bigdata.storage.paths.place import cache_of
from keras_bigdata.storage.paths.remote_path import CacheSettings, RemotePath

if TYPE_CHECKING:
    from keras_bigdata.loading.batches.batch_loader import LoaderConfig

# Share of the memory of the machine that shards may take.
_MEMORY_SHARE = 0.5


class RemoteRoom:
    """The part of a horizon that is fetched in advance and held.

    Args:
        index: the shards.
        used: int64 array, the shards that have selected rows.
        coming: their order.
    """

    def __init__(self, index: ShardIndex, used: Int64Array, coming: ComingShards) -> None:
        self._sizes = index.sizes
        cache = cache_of(index.directory)
        self._max_bytes = memory_limit() if cache is None else cache.max_bytes
        # If any batch may need any shard, all are held, or they would be fetched again and again.
        total = int(index.sizes[used].sum())
        fits = cache is None and total <= memory_limit()
        self._all = used.tolist() if fits and not coming.is_local else []

    def fitting(self, horizon: Horizon) -> list[int]:
        """Returns the shards to hold, in the order in which they are fetched."""
        shards = list(dict.fromkeys((*horizon.shards, *self._all)))
        if self._max_bytes is None:
            return shards
        total = np.cumsum(self._sizes[shards])
        return shards[: max(1, int(np.searchsorted(total, self._max_bytes, side="right")))]


def check_room(configs: Sequence[LoaderConfig], processes: int = 1) -> None:
    """Checks that the shards of two windows can be held at one time.

    Args:
        configs: what is loaded of each set.
        processes: number of processes of which each holds shards; 0 for this one. Defaults to `1`.

    Raises:
        ValueError: if the cache is too small; without a cache, if memory is too small.
    """
    processes = max(processes, 1)
    memory = memory_limit() // processes
    needed: dict[CacheSettings | None, int] = {}
    balanced = None
    for config in configs:
        index = config.index
        if isinstance(index.directory, Path):
            continue
        cache = cache_of(index.directory)
        selected = SelectedRows(index, config.selection)
        windows = [_two_windows(config, shards) for shards in selected.variants]
        needed[cache] = needed.get(cache, 0) + max(int(each.sum()) for each in windows)
        used = np.flatnonzero(selected.counts)
        total = int(index.sizes[used].sum())
        if cache is None and config.balance is not None and total > memory:
            balanced = config
    for cache, size in needed.items():
        if cache is not None:
            check_cache_bytes(cache, size)
        elif size > memory:
            raise ValueError(_too_little_memory(configs, size, processes))
    if balanced is not None:
        warnings.warn(
            f"{balanced.index.directory}: with `balance` each class goes through the shards on its "
            "own, so a shard is needed several times in an epoch, and all shards do not fit into "
            "memory: they are downloaded again each time. Keep them on a disk with "
            "Shards(url, cache=directory).",
            stacklevel=5,
        )


def memory_limit() -> int:
    """Returns how many bytes of shards may lie in memory: half of that of this machine."""
    return int(total_memory() * _MEMORY_SHARE)


def _two_windows(config: LoaderConfig, shards: Int64Array) -> Int64Array:
    """Returns the sizes of the largest shards of two windows of one variant."""
    index = config.index
    if not isinstance(index.directory, RemotePath):
        remote = [s for s in shards.tolist() if isinstance(index.path(s), RemotePath)]
        shards = np.array(remote, np.int64)
    sizes = np.sort(index.sizes[shards])[::-1]
    if config.shuffle == "global" and config.balance is None:
        return sizes
    window = config.window_shards if config.shuffle == "window" else 1
    return sizes[: 2 * window]


def _too_little_memory(configs: Sequence[LoaderConfig], size: int, processes: int) -> str:
    what, other = _held_and_remedy(configs)
    return (
        f"{configs[0].index.directory}: {what} take {size:,} bytes, which are held in memory "
        f"without a cache{f', in each of {processes} processes' if processes > 1 else ''}; half of "
        f"the memory of this machine is {memory_limit():,} bytes. Keep them on a disk with "
        f"Shards(url, cache=directory), or pass {other}."
    )


def _held_and_remedy(configs: Sequence[LoaderConfig]) -> tuple[str, str]:
    """Returns what is held at one time, and an argument that reduces it, for messages."""
    if any(each.shuffle == "global" for each in configs):
        return 'any batch of shuffle="global" needs any shard: all of them', 'shuffle="window"'
    return "the shards of two windows, the current one and the next,", "fewer `window_shards`"
