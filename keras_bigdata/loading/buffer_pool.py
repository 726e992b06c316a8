"""Recycled memory for batches.

Fresh large arrays are page-faulted every time, which alone halves the rate of the whole
`fit`; TensorFlow and JAX take 64-byte-aligned memory without copying it and hold a reference
as long as they use it. So a block is handed out again once its last view is dead, never before.
"""

from __future__ import annotations

import weakref
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

ALIGNMENT = 64

# Smaller arrays are cheaper to allocate than to track.
SMALL = 32 * 1024


def aligned(nbytes: int) -> npt.NDArray[np.uint8]:
    """Uninitialised memory that starts at a multiple of 64 bytes."""
    block = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -block.ctypes.data % ALIGNMENT
    return block[start : start + nbytes]


class BufferPool:
    """Blocks of memory that come back when nothing refers to them any more.

    Args:
        keep: free blocks of one size to keep for the next use.
        allocate: makes a block (any object with the buffer protocol) of so many bytes.
            Defaults to `aligned`.
    """

    def __init__(self, keep: int, allocate: Callable[[int], Any] = aligned) -> None:
        self._allocate = allocate
        # A bounded deque: appending to a full one drops the block at its other end.
        self._free: defaultdict[int, deque[Any]] = defaultdict(lambda: deque(maxlen=keep))

    def take(self, nbytes: int) -> tuple[npt.NDArray[np.uint8], Any]:
        """A byte array and the block below it, which is free again when the array is dead.

        Every view of the array holds the array itself and not the block: NumPy follows
        the chain of bases only up to the first that is no ndarray, here the memoryview.
        """
        free = self._free[nbytes]
        try:
            block = free.pop()
        except IndexError:
            block = self._allocate(nbytes)
        array = np.frombuffer(memoryview(block), np.uint8, nbytes)
        # The callback can run in any thread at any moment: it must do nothing but append.
        weakref.finalize(array, free.append, block).atexit = False
        return array, block

    def rows(self, count: int, shape: tuple[int, ...], dtype: np.dtype[Any], most: int) -> Any:
        """An array of `count` rows, in a block that has room for `most` of them."""
        row_bytes = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        if most * row_bytes < SMALL or dtype.kind in "OV":
            return np.empty((count, *shape), dtype)
        array, _ = self.take(most * row_bytes)
        return array[: count * row_bytes].view(dtype).reshape(count, *shape)
