"""Copies a whole remote file into an open local one, or into memory: in parallel, checked."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np

from keras_bigdata.checksum import crc32, descriptor_checksum
from keras_bigdata.child_processes import hold_during_fork
from keras_bigdata.daemon_threads import DaemonThreads
from keras_bigdata.errors import CorruptShardError
from keras_bigdata.storage.copies.memory import Memory
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.requests.request import IncompleteError

# Bytes of one request: large enough for the rate of one connection, small enough for several
# connections to share a shard.
PIECE_BYTES = 8 * 2**20

# Number of requests at one time in a process.
CONNECTIONS = 8

# Times that a file is fetched again because its checksum differs.
_CHECKSUM_ATTEMPTS = 3

_lock = threading.Lock()
hold_during_fork(_lock)
_pools: dict[int, DaemonThreads] = {}


def fetch(path: RemotePath, target: int | Memory, size: int, checksum: int | None) -> None:
    """Fills an open file, or memory, with the content of a remote file.

    Args:
        path: the remote file.
        target: descriptor of an empty local file, open for reading and writing, or a uint8 array of
            the expected size.
        size: expected size in bytes.
        checksum: expected CRC-32; `None` if it is unknown.

    Raises:
        CorruptShardError: if the remote file does not exist, or if its content is not the expected
            one, also when fetched again.
        StorageError: if it cannot be read.
        OSError: if the local file cannot be written, such as on a full disk.
    """
    try:
        for attempt in range(_CHECKSUM_ATTEMPTS):
            if attempt:
                time.sleep(0.2 * attempt)
            received = _Received(target)
            try:
                _fetch_pieces(path, received, size)
            except IncompleteError:
                if path.size() == size:
                    raise
                break
            if checksum is None or received.checksum == checksum:
                return
        actual = path.size()
    except FileNotFoundError as error:
        raise CorruptShardError(
            f"{path}: there is no such file. If the set was packed again, open it again; "
            "otherwise restore the file."
        ) from error
    if actual != size:
        raise CorruptShardError(
            f"{path}: has {actual:,} bytes, expected {size:,} from the index: it was replaced or "
            "cut short. If the set was packed again, open it again; otherwise restore the file."
        )
    raise CorruptShardError(
        f"{path}: the content has another CRC-32 than the index records, in "
        f"{_CHECKSUM_ATTEMPTS} attempts. The file is damaged or was replaced. If the set was "
        "packed again, open it again; otherwise restore the file."
    )


class _Received:
    """Writes the pieces of a file at their positions, and computes the CRC-32 of all of them.

    A piece is added to the checksum as soon as all pieces before it have been added, mostly from
    the memory in which it was received: reading the file again would cost as much as writing it.

    Args:
        target: as for `fetch`.

    Attributes:
        checksum: CRC-32 of the pieces without a gap from the first byte on.
    """

    def __init__(self, target: int | Memory) -> None:
        self.checksum = 0
        self._target = target
        self._lock = threading.Lock()
        self._end = 0
        self._is_advancing = False
        # Start of a piece that waits for those before it -> its end and its bytes. Only the first
        # ones keep their bytes, so that memory does not hold a whole file while one piece is late.
        self._waiting: dict[int, tuple[int, bytes | None]] = {}

    def add(self, start: int, data: bytes) -> None:
        """Writes a piece that begins at a position of the file. Thread-safe."""
        _write(self._target, data, start)
        with self._lock:
            keeps_bytes = start == self._end or len(self._waiting) < CONNECTIONS
            self._waiting[start] = (start + len(data), data if keeps_bytes else None)
            if self._is_advancing:
                return
            self._is_advancing = True
        del data
        self._advance()

    def _advance(self) -> None:
        while True:
            with self._lock:
                begin = self._end
                stop, data = self._waiting.pop(begin, (begin, None))
                if stop == begin:
                    self._is_advancing = False
                    return
            if data is not None:
                checksum = crc32(data, self.checksum)
            elif isinstance(self._target, int):
                checksum = descriptor_checksum(
                    self._target, stop, begin=begin, checksum=self.checksum
                )
            else:
                checksum = crc32(self._target[begin:stop], self.checksum)
            with self._lock:
                self.checksum, self._end = checksum, stop


def _write(target: int | Memory, data: bytes, start: int) -> None:
    if not isinstance(target, int):
        target[start : start + len(data)] = np.frombuffer(data, np.uint8)
        return
    view = memoryview(data)
    done = 0
    while done < len(view):
        done += os.pwrite(target, view[done:], start + done)


def _fetch_pieces(path: RemotePath, received: _Received, size: int) -> None:
    step = size if path.ignores_ranges else PIECE_BYTES

    def copy(start: int) -> None:
        received.add(start, path.read_range(start, min(start + step, size)))

    starts = range(0, size, max(step, 1))
    if len(starts) <= 1:
        for start in starts:
            copy(start)
        return
    pieces = [submit(copy, start) for start in starts]
    try:
        for piece in pieces:
            piece.result()
    finally:
        # No thread may write to the target after it was closed by the caller.
        for piece in pieces:
            if not piece.cancel():
                piece.exception()


def submit(function: Callable[[int], None], start: int) -> Future[None]:
    """Runs a function in one of the threads of this process that send requests."""
    with _lock:
        pool = _pools.get(os.getpid())
        if pool is None:
            _pools.clear()
            pool = _pools[os.getpid()] = DaemonThreads(CONNECTIONS, "keras_bigdata-fetch")
    return pool.submit(function, start)
