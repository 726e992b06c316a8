"""Reads one stretch of a file into many places in memory: `preadv`, called with addresses.

`os.preadv` takes a Python object for each place. Thousands of these objects for each window cost
time. The garbage collector tracks them, so they also cause full collections, which take 150 ms in a
process that has imported TensorFlow: every third epoch then ran at 0.55 of the speed.
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

# Places as preadv takes them (struct iovec): uint64 array of shape `(places, 2)`, the address and
# the number of bytes of each.
Places: TypeAlias = npt.NDArray[np.uint64]

# IOV_MAX of Linux and macOS.
_MAX_PLACES = 1024


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
    """Fills places in memory, one after the other, from a file.

    The caller must keep the memory at the addresses alive.

    Args:
        fd: descriptor of the file.
        places: uint64 array of shape `(places, 2)`.
        offset: byte position in the file.

    Returns:
        The number of bytes read: fewer than the places hold if the file ends before.

    Raises:
        OSError: if the file cannot be read.
    """
    total = 0
    for first in range(0, len(places), _MAX_PLACES):
        part = places[first : first + _MAX_PLACES]
        size = int(part[:, 1].sum())
        done = 0
        while done < size:
            count = _read(fd, _rest(part, done) if done else part, offset + total)
            if not count:
                return total
            done += count
            total += count
    return total


def _read(fd: int, places: Places, offset: int) -> int:
    if _preadv is None:
        return _read_first(fd, places, offset)
    places = np.ascontiguousarray(places)
    while True:
        count = _preadv(fd, places.ctypes.data, len(places), offset)
        if count >= 0:
            return count
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))


def _read_first(fd: int, places: Places, offset: int) -> int:
    """Fills the first place, on systems without preadv, such as Windows."""
    address, size = places[0].tolist()
    with _seek_lock:
        os.lseek(fd, offset, os.SEEK_SET)
        data = os.read(fd, size)
    ctypes.memmove(address, data, len(data))
    return len(data)


def _rest(places: Places, done: int) -> Places:
    """Returns the places that are left to be filled after `done` bytes."""
    ends = np.cumsum(places[:, 1])
    number = int(np.searchsorted(ends, done, side="right"))
    rest = places[number:].copy()
    filled = np.uint64(done) - (ends[number] - places[number, 1])
    rest[0, 0] += filled
    rest[0, 1] -= filled
    return rest
