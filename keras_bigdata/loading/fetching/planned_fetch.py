"""Fetches the remote shards of the current window and of the next one, in the plan's order."""

from __future__ import annotations

import contextlib
import itertools
import threading
import weakref
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future

from keras_bigdata.errors import StorageError
from keras_bigdata.file_descriptors import max_open_files
from keras_bigdata.loading.fetching.next_use import NextUseOfPlan, needed_in_process
from keras_bigdata.loading.fetching.shared_downloads import RemoteFile, cached_copy, download
from keras_bigdata.shards.index.shard_index import NO_CHECKSUM, ShardIndex
from keras_bigdata.storage.cache.open_copy import OpenCopy
from keras_bigdata.storage.copies.fetch import CONNECTIONS, PIECE_BYTES
from keras_bigdata.storage.paths.remote_path import RemotePath

# Shards that are downloaded in advance at one time: enough pieces for all connections, twice.
_PIECES = 2 * CONNECTIONS

# Copies that lie in a cache and are kept open; the others are opened again when they are needed.
_MAX_OPEN_IN_CACHE = 64

_numbers = itertools.count(1)


class PlannedFetch:
    """Fetches remote shards before they are needed, and holds those that are in use.

    It holds the copies of the shards of the plan, and of a few that were requested out of order: in
    memory or, with a cache, as open files. Errors of shards that are fetched in advance are raised
    when the shard is opened. Thread-safe.

    Args:
        index: the shards.
    """

    def __init__(self, index: ShardIndex) -> None:
        self._index = index
        self._number = next(_numbers)
        self._lock = threading.Lock()
        self._planned: frozenset[int] = frozenset()
        self._wanted: deque[int] = deque()
        self._futures: dict[int, Future[OpenCopy]] = {}
        # Shards in the cache that are not kept open.
        self._in_cache: set[int] = set()
        self._aside: OrderedDict[int, Future[OpenCopy]] = OrderedDict()
        # Shards that are being read, and by how many reads.
        self._in_use: Counter[int] = Counter()
        self._max_aside = 2
        self._max_open_aside = max(8, max_open_files() // 4)
        self._downloads = 0
        mean = int(index.sizes.mean()) if len(index) else 0
        self._max_downloads = min(max(2, -(-_PIECES * PIECE_BYTES // max(mean, 1))), CONNECTIONS)
        self.next_use: NextUseOfPlan | None = None
        # Number of calls of `close`: now, and when the read of each thread began.
        self._closed = 0
        self._of_thread = threading.local()

    def begin_read(self) -> None:
        """Begins a read of this thread, which ends with `CancelledError` if `close` is called."""
        self._of_thread.closed = self._closed

    @property
    def _was_closed(self) -> bool:
        """Whether `close` was called since the read of this thread began."""
        return getattr(self._of_thread, "closed", self._closed) != self._closed

    def plan(self, shards: Iterable[int]) -> None:
        """Fetches shards in the given order, and drops all others that no read uses."""
        order = [shard for shard in shards if isinstance(self._index.path(shard), RemotePath)]
        with self._lock:
            self._planned = frozenset(order)
            self._max_aside = max(2, min(len(order), self._max_open_aside))
            for shard, future in self._aside.items():
                if shard in self._planned or shard in self._in_use:
                    self._futures.setdefault(shard, future)
            self._aside.clear()
            for shard in self._futures.keys() - self._planned - self._in_use.keys():
                del self._futures[shard]
            self._in_cache &= self._planned
            known = self._futures.keys() | self._in_cache
            self._wanted = deque(shard for shard in order if shard not in known)
        self._start_next()

    def want(self, shards: Sequence[int]) -> None:
        """Starts to fetch shards that a caller waits for, as many as may be open."""
        if self._was_closed:
            return  # `open` raises
        shards = shards[: self._max_open_aside]
        with self._lock:
            self._max_aside = max(self._max_aside, len(shards))
        for shard in shards:
            path = self._index.path(shard)
            if isinstance(path, RemotePath):
                self._future(shard, path)

    @contextlib.contextmanager
    def in_use(self, shards: Sequence[int]) -> Iterator[None]:
        """Keeps the copies of shards while they are read.

        Another thread may move the plan meanwhile: a shard that it dropped was downloaded again.
        """
        with self._lock:
            self._in_use.update(shards)
        try:
            yield
        finally:
            with self._lock:
                self._in_use.subtract(shards)
                for shard in shards:
                    if self._in_use[shard] <= 0:
                        del self._in_use[shard]
                        if shard not in self._planned:
                            self._futures.pop(shard, None)

    def keeps(self, shard: int) -> bool:
        """Returns whether the copy of a shard should stay open."""
        return shard in self._planned or shard in self._aside or shard in self._in_use

    def open(self, shard: int, path: RemotePath) -> OpenCopy:
        """Returns an open copy of a shard, fetched if needed. Waits for it.

        Raises:
            CorruptShardError: if the remote shard is missing, or not the expected one.
            StorageError: if it cannot be read.
            CancelledError: if `close` was called since the read began.
        """
        if self._was_closed:
            raise CancelledError
        future = self._future(shard, path)
        try:
            return future.result()
        except BaseException:
            with self._lock:  # the next request tries again
                for held in (self._futures, self._aside):
                    if held.get(shard) is future:
                        del held[shard]
            raise

    def is_here(self, shard: int) -> bool:
        """Returns whether a shard can be opened without a request."""
        path = self._index.path(shard)
        if not isinstance(path, RemotePath):
            return True
        with self._lock:
            future = self._futures.get(shard) or self._aside.get(shard)
            if shard in self._in_cache or (future is not None and future.done()):
                return True
        # A download that has begun may be about to find it in the cache.
        copy = cached_copy(self._file(shard, path))
        if copy is not None and future is None:
            done: Future[OpenCopy] = Future()
            done.set_result(copy)
            with self._lock:
                self._hold(shard, done)
        return copy is not None

    def have_arrived(self, shards: Iterable[int]) -> bool:
        """Returns whether shards that are fetched are all here."""
        with self._lock:
            futures = [self._futures.get(shard) for shard in shards]
        return all(future is not None and future.done() for future in futures)

    def close(self) -> None:
        """Stops fetching in advance and drops all copies. Shards can still be opened.

        What is being downloaded is completed and then dropped.
        """
        with self._lock:
            self._closed += 1
            self._planned = frozenset()
            self._wanted.clear()
            self._futures.clear()
            self._in_cache.clear()
            self._aside.clear()
        if self.next_use is not None:
            self.next_use.forget()

    # ---- Downloads

    def _file(self, shard: int, path: RemotePath) -> RemoteFile:
        checksum, size = int(self._index.checksums[shard]), int(self._index.sizes[shard])
        if checksum == NO_CHECKSUM:
            # Another index may mean another file of this name and size.
            return RemoteFile(path, size, None, path.cache, self._number)
        return RemoteFile(path, size, checksum, path.cache)

    def _future(self, shard: int, path: RemotePath) -> Future[OpenCopy]:
        """Returns the future of a shard that is needed now."""
        with self._lock:
            future = self._futures.get(shard) or self._aside.get(shard)
            if future is None or _is_out_of_date(future):
                future = download(self._file(shard, path), needed_in_process)
                self._hold(shard, future)
        return future

    def _hold(self, shard: int, future: Future[OpenCopy]) -> None:
        if shard in self._planned:
            self._futures[shard] = future
            self._in_cache.discard(shard)
            return
        self._aside[shard] = future
        while len(self._aside) > self._max_aside:
            self._aside.popitem(last=False)

    def _start_next(self) -> None:
        """Starts downloads in the plan's order, as many as may run at one time."""
        # A copy that is open already is finished at once, in this thread, which goes on here.
        if getattr(self._of_thread, "starts", False):
            return
        self._of_thread.starts = True
        try:
            while self._start_one():
                pass
        finally:
            self._of_thread.starts = False

    def _start_one(self) -> bool:
        """Starts the next download. Returns whether there may be another one to start."""
        while True:
            with self._lock:
                if not self._wanted or self._downloads >= self._max_downloads:
                    return False
                shard = self._wanted.popleft()
                path = self._index.path(shard)
                if shard in self._futures or not isinstance(path, RemotePath):
                    continue
                future = download(self._file(shard, path), needed_in_process)
                self._futures[shard] = future
                self._downloads += 1
            self._watch(shard, future)
            return True

    def _watch(self, shard: int, future: Future[OpenCopy]) -> None:
        # A weak reference: nothing is fetched for an object that is not used any more.
        this = weakref.ref(self)

        def finished(done: Future[OpenCopy]) -> None:
            fetch = this()
            if fetch is not None:
                fetch._finished(shard, done)

        future.add_done_callback(finished)

    def _finished(self, shard: int, done: Future[OpenCopy]) -> None:
        with self._lock:
            self._downloads -= 1
            path = self._index.path(shard)
            if (
                isinstance(path, RemotePath)
                and path.cache is not None
                and self._futures.get(shard) is done
                and len(self._futures) > _MAX_OPEN_IN_CACHE
                and done.exception() is None
            ):
                del self._futures[shard]
                self._in_cache.add(shard)
        self._start_next()


def _is_out_of_date(future: Future[OpenCopy]) -> bool:
    """Returns whether a download in advance has failed, and may succeed now."""
    return future.done() and isinstance(future.exception(), StorageError | OSError)
