"""Reads columns of the coming shards of a remote set in threads."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np

from keras_bigdata.bounded_map import bounded_map
from keras_bigdata.shards.index.shard_index import DECODED, ShardIndex

Item = TypeVar("Item")
Result = TypeVar("Result")

# Requests at one time: with 20 ms for each, 800 shards per second.
THREADS = 16

# Results that are read, or wait, at one time; fewer if their columns take more memory than this.
_PENDING = 32
MAX_BYTES = 256 * 2**20


def map_ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    index: ShardIndex,
    names: Iterable[str],
) -> Iterator[Result]:
    """Yields `function(item)` for each item, in order; ahead of the consumer for a remote set.

    A store takes tens of milliseconds for the smallest request: 10,000 shards one after the other
    take minutes. A local set is read as it is needed, in the thread of the consumer.

    Args:
        function: reads columns of one shard; called by several threads at a time.
        items: the arguments with which it is called, one at a time.
        index: the shards.
        names: the columns that it reads, whose size bounds how far ahead they are read.

    Yields:
        The results. The first one is read alone: many consumers need no more.
    """
    if isinstance(index.directory, Path):
        yield from map(function, items)
        return
    rest = iter(items)
    for item in itertools.islice(rest, 1):
        yield function(item)
    pending = max(1, min(_PENDING, MAX_BYTES // max(1, largest_bytes(index, names))))
    yield from bounded_map(function, rest, threads=min(THREADS, pending), pending=pending)


def largest_bytes(index: ShardIndex, names: Iterable[str]) -> int:
    """Returns about how many bytes some columns take in the shard where they take most."""
    total = np.zeros(len(index), np.int64)
    for name in names:
        field = index.fields.get(name) or index.columns.get(name)
        if field is None:  # the column "source", which is not in the files
            continue
        places = [index.offsets[name], *([index.row_offsets[name]] if field.is_varlen else [])]
        if field.is_varlen:
            size = _bytes_until_next(index, name)
        else:
            size = index.samples * field.row_bytes
        decoded = np.any([place == DECODED for place in places], axis=0)
        total += np.where(decoded, index.sizes, size)
    return int(total.max(initial=0))


def _bytes_until_next(
    index: ShardIndex, name: str
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Returns the bytes from the values of a column to the next array in the index, or the end."""
    start = index.offsets[name]
    ends = index.sizes
    for other in (*index.offsets.values(), *index.row_offsets.values()):
        ends = np.where((other > start) & (other < ends), other, ends)
    return ends - start
