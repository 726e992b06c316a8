"""Recycled memory for batches.

Fresh large arrays are page-faulted every time, which alone halves the rate of a whole `fit`.
TensorFlow and JAX take 64-byte-aligned memory on the CPU without copying it, and hold a reference
while they use it. So a block of memory is used again once its last view is dead, and never before.
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
SMALL_BYTES = 32 * 1024


def aligned_empty(nbytes: int) -> npt.NDArray[np.uint8]:
    """Returns uninitialized memory that starts at a multiple of 64 bytes."""
    block = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -block.ctypes.data % ALIGNMENT
    return block[start : start + nbytes]


class BufferPool:
    """Blocks of memory that return to the pool when nothing refers to them any more.

    Args:
        max_free: maximum number of free blocks of each size to keep.
        allocate: function that receives a number of bytes and returns a block of that size: any
            object with the buffer protocol. Defaults to `aligned_empty`.
    """

    def __init__(self, max_free: int, allocate: Callable[[int], Any] = aligned_empty) -> None:
        self._allocate = allocate
        # A bounded deque: appending to a full one drops the block at its other end.
        self._free: defaultdict[int, deque[Any]] = defaultdict(lambda: deque(maxlen=max_free))

    def take(self, nbytes: int) -> tuple[npt.NDArray[np.uint8], Any]:
        """Returns a byte array and its block, which is free again when the array is dead.

        Every view of the array holds the array and not the block: NumPy follows the chain of bases
        only up to the first object that is not an ndarray, here the memoryview.
        """
        free = self._free[nbytes]
        try:
            block = free.pop()
        except IndexError:
            block = self._allocate(nbytes)
        array = np.frombuffer(memoryview(block), np.uint8, nbytes)
        # The callback can run in any thread at any moment, so it must only append.
        weakref.finalize(array, free.append, block).atexit = False
        return array, block

    def empty(
        self, count: int, shape: tuple[int, ...], dtype: np.dtype[Any], capacity: int
    ) -> npt.NDArray[Any]:
        """Returns an uninitialized array of shape `(count, *shape)`.

        Args:
            count: number of rows.
            shape: shape of one row.
            dtype: NumPy dtype.
            capacity: number of rows that the block has room for. Arrays of different `count` share
                blocks if their capacity is equal.
        """
        row_bytes = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        if capacity * row_bytes < SMALL_BYTES or dtype.kind in "OV":
            return np.empty((count, *shape), dtype)
        array, _ = self.take(capacity * row_bytes)
        return array[: count * row_bytes].view(dtype).reshape(count, *shape)
