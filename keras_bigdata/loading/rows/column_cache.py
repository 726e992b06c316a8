"""Whole columns of shards, cached while they are likely to be used again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeAlias

import numpy.typing as npt

# Shard and field; the field is `None` for all columns of a decoded shard.
Key: TypeAlias = "tuple[int, str | None]"
Entry: TypeAlias = "dict[str, npt.NDArray[Any]]"


class ColumnCache:
    """The most recently used columns, bounded in bytes. Each one is loaded by one thread only.

    An entry is one column of a shard, or all columns of a decoded shard.

    Args:
        max_bytes: maximum size of all columns; one entry is kept in any case.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[Key, Future[Entry]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key, load: Callable[[], Entry]) -> Entry:
        """Returns an entry; calls `load` if it is not in the cache."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
                is_loader = False
            else:
                entry = self._entries[key] = Future()
                is_loader = True
        if not is_loader:
            return entry.result()
        try:
            columns = load()
        except BaseException as error:
            with self._lock:
                self._entries.pop(key, None)
            entry.set_exception(error)
            raise
        entry.set_result(columns)
        with self._lock:
            self._bytes += _nbytes(columns)
            while self._bytes > self._max_bytes and len(self._entries) > 1:
                oldest = next(iter(self._entries))
                if not self._entries[oldest].done():
                    break
                self._bytes -= _nbytes(self._entries.pop(oldest).result())
        return columns


def _nbytes(entry: Entry) -> int:
    return sum(column.nbytes for column in entry.values())
