"""Reading one stretch of a file into many places at once: `preadv`, called with addresses.

`os.preadv` wants a Python object for each place. Thousands of them for each window take their time
and, being tracked by the garbage collector, bring on full collections, which take 150 ms in a
process that has loaded TensorFlow: with them every third epoch ran at 0.55 of the speed.
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

# Places as preadv takes them (struct iovec): a row of (address, bytes) each.
Places: TypeAlias = npt.NDArray[np.uint64]

# Linux and macOS refuse more places in one call.
_MOST_PLACES = 1024


def _libc_preadv() -> Callable[..., int] | None:
    if ctypes.sizeof(ctypes.c_void_p) != 8 or os.name != "posix":
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "preadv", None)
    if function is not None:
        function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64]
        function.restype = ctypes.c_ssize_t
    return function


_preadv = _libc_preadv()
_seek_lock = threading.Lock()


def read_into(fd: int, places: Places, offset: int) -> int:
    """Fills the places, one after the other, from the file at `offset`.

    Whoever calls keeps the memory behind the addresses alive.

    Returns:
        The bytes read: fewer than the places have if the file ends before.

    Raises:
        OSError: if the file cannot be read.
    """
    total = 0
    for first in range(0, len(places), _MOST_PLACES):
        part = places[first : first + _MOST_PLACES]
        size = int(part[:, 1].sum())
        done = 0
        while done < size:
            count = _read(fd, _after(part, done) if done else part, offset + total)
            if not count:
                return total
            done += count
            total += count
    return total


def _read(fd: int, places: Places, offset: int) -> int:
    if _preadv is None:
        return _read_one(fd, places, offset)
    places = np.ascontiguousarray(places)
    while True:
        count = _preadv(fd, places.ctypes.data, len(places), offset)
        if count >= 0:
            return count
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))


def _read_one(fd: int, places: Places, offset: int) -> int:
    """Without preadv: Windows."""
    address, size = places[0].tolist()
    with _seek_lock:
        os.lseek(fd, offset, os.SEEK_SET)
        data = os.read(fd, size)
    ctypes.memmove(address, data, len(data))
    return len(data)


def _after(places: Places, done: int) -> Places:
    """What is left to be filled after `done` bytes."""
    ends = np.cumsum(places[:, 1])
    number = int(np.searchsorted(ends, done, side="right"))
    left = places[number:].copy()
    skipped = np.uint64(done) - (ends[number] - places[number, 1])
    left[0, 0] += skipped
    left[0, 1] -= skipped
    return left
