"""Whole columns of small fields, kept while they are likely to be used again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy.typing as npt


class Columns:
    """Least recently used columns, bounded in bytes; each is loaded by one thread only."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[tuple[int, str], Future[npt.NDArray[Any]]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[int, str], load: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
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
            column = load()
        except BaseException as error:
            with self._lock:
                self._entries.pop(key, None)
            entry.set_exception(error)
            raise
        entry.set_result(column)
        with self._lock:
            self._bytes += column.nbytes
            while self._bytes > self._max_bytes and len(self._entries) > 1:
                oldest = next(iter(self._entries))
                if not self._entries[oldest].done():
                    break
                self._bytes -= self._entries.pop(oldest).result().nbytes
        return column
