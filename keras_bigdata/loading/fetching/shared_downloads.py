"""Downloads of remote shards in this process: one of each at a time, whatever needs it."""

from __future__ import annotations

import threading
import weakref
from concurrent.futures import Future
from dataclasses import dataclass

from keras_bigdata.child_processes import call_in_forked_child, hold_during_fork
from keras_bigdata.daemon_threads import DaemonThreads
from keras_bigdata.errors import StorageError
from keras_bigdata.file_descriptors import is_out_of_descriptors
from keras_bigdata.storage.cache.cache_directory import cache_directory
from keras_bigdata.storage.cache.cache_entry import entry_name
from keras_bigdata.storage.cache.cache_eviction import NextUse
from keras_bigdata.storage.cache.open_copy import OpenCopy, open_copy
from keras_bigdata.storage.paths.remote_path import CacheSettings, RemotePath

# Maximum number of shards that are downloaded at one time. The pieces of all of them share the
# connections of the process (`storage.copies.fetch`).
_MAX_DOWNLOADS = 16


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A remote file as the index knows it.

    Attributes:
        path: the file.
        size: size in bytes.
        checksum: CRC-32; `None` if it is unknown.
        cache: the cache of the path, which decides where a copy lies.
        owner: number of the only object that may use the copy, since without a checksum nothing
            distinguishes it from another file that had the same URL and size. Defaults to 0: any.
    """

    path: RemotePath
    size: int
    checksum: int | None
    cache: CacheSettings | None
    owner: int = 0


_lock = threading.Lock()
hold_during_fork(_lock)
_running: dict[RemoteFile, Future[OpenCopy]] = {}
_open: weakref.WeakValueDictionary[RemoteFile, OpenCopy] = weakref.WeakValueDictionary()
_threads: DaemonThreads | None = None


def download(file: RemoteFile, next_use: NextUse) -> Future[OpenCopy]:
    """Returns the future of an open copy of a file: the one that exists, or that is on its way.

    Args:
        file: the file.
        next_use: when entries of the cache are needed again, as `open_copy` takes it.
    """
    global _threads  # noqa: PLW0603 - one pool per process
    with _lock:
        future = _running.get(file)
        if future is not None:
            return future
        copy = _open.get(file)
        if copy is not None:
            future = Future()
            future.set_result(copy)
            return future
        if _threads is None:
            _threads = DaemonThreads(_MAX_DOWNLOADS, "keras_bigdata-shard")
        future = _running[file] = _threads.submit(_download, file, next_use)
    future.add_done_callback(lambda done: _finish(file, done))
    return future


def cached_copy(file: RemoteFile) -> OpenCopy | None:
    """Returns a copy that lies on this machine already: open, or in the cache; `None` without."""
    with _lock:
        copy = _open.get(file)
    if copy is not None or file.cache is None or file.checksum is None:
        return copy
    directory = cache_directory(file.cache.directory)
    name = entry_name(file.path, file.size, file.checksum)
    try:
        descriptor = directory.open_entry(name, file.size)
    except OSError:  # what is wrong with the cache is an error when the shard is opened
        return None
    return None if descriptor is None else OpenCopy(file.path, descriptor)


def _download(file: RemoteFile, next_use: NextUse) -> OpenCopy:
    try:
        return open_copy(file.path, file.size, file.checksum, next_use)
    except OSError as error:
        if is_out_of_descriptors(error):  # some are closed, and it is tried again
            raise
        raise StorageError(
            f"{file.path}: its copy of {file.size:,} bytes cannot be held in memory ({error}). "
            "Pass Shards(url, cache=directory) to keep copies on a disk, or fewer `window_shards`."
        ) from error


def _finish(file: RemoteFile, done: Future[OpenCopy]) -> None:
    with _lock:
        if _running.get(file) is done:
            del _running[file]
        if not done.cancelled() and done.exception() is None:
            _open[file] = done.result()


def _reset_after_fork() -> None:
    """Leaves threads and downloads to the parent. Its open copies can be read by a child."""
    global _threads  # noqa: PLW0603
    _threads = None
    _running.clear()


call_in_forked_child(_reset_after_fork)
