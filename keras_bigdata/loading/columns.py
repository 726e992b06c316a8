"""Whole columns of shards, kept while they are likely to be used again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeAlias

import numpy.typing as npt

Key: TypeAlias = "tuple[int, str | None]"
Entry: TypeAlias = "dict[str, npt.NDArray[Any]]"


class Columns:
    """Least recently used columns, bounded in bytes; each is loaded by one thread only.

    An entry is a column of a shard, or all that a shard is decoded to.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[Key, Future[Entry]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key, load: Callable[[], Entry]) -> Entry:
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
                mine = False
            else:
                entry = self._entries[key] = Future()
                mine = True
        if not mine:
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
            self._bytes += _size(columns)
            while self._bytes > self._max_bytes and len(self._entries) > 1:
                oldest = next(iter(self._entries))
                if not self._entries[oldest].done():
                    break
                self._bytes -= _size(self._entries.pop(oldest).result())
        return columns


def _size(entry: Entry) -> int:
    return sum(column.nbytes for column in entry.values())
