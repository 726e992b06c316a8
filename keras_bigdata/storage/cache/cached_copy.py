"""Opens the copy of a remote file in a cache; downloads the file if it is missing."""

from __future__ import annotations

import errno
import os
import time

from keras_bigdata.errors import StorageError
from keras_bigdata.file_descriptors import is_out_of_descriptors
from keras_bigdata.file_locks import try_lock
from keras_bigdata.storage.cache import uninherited_descriptors
from keras_bigdata.storage.cache.cache_directory import Download, cache_directory
from keras_bigdata.storage.cache.cache_entry import entry_name
from keras_bigdata.storage.cache.cache_eviction import NextUse
from keras_bigdata.storage.copies.fetch import fetch
from keras_bigdata.storage.paths.remote_path import CacheSettings, RemotePath

# Seconds in which a download of another process must have written something. After them the file
# is downloaded here too: that process may be suspended.
STALLED_SECONDS = 60.0

_POLL_SECONDS = 0.01

# Times that the directory of the cache may be removed while one file is looked up and downloaded.
_MAX_REMOVED = 5

_FULL = (errno.ENOSPC, errno.EDQUOT)


def open_cached(
    path: RemotePath, cache: CacheSettings, size: int, checksum: int, next_use: NextUse | None
) -> int | None:
    """Returns the descriptor of a complete and checked copy in a cache.

    Args:
        path: the remote file.
        cache: the cache.
        size: expected size in bytes.
        checksum: expected CRC-32.
        next_use: when this process needs the entries again; `None` if that is unknown.

    Returns:
        A descriptor that the caller closes, and that keeps the entry from being removed; `None` if
        no room for the file can be made in the cache.

    Raises:
        CorruptShardError: if the remote file does not exist, or is not the expected one.
        StorageError: if it cannot be read, or if the cache cannot be used, such as on a full disk.
    """
    removed = 0
    while True:
        try:
            return _open_or_download(path, cache, size, checksum, next_use)
        except FileNotFoundError as error:
            # The directory was removed meanwhile, which is allowed at any time.
            removed += 1
            if removed == _MAX_REMOVED:
                raise _failure(cache, path, error) from error
        except OSError as error:
            if is_out_of_descriptors(error):  # the caller closes some, and tries again
                raise
            raise _failure(cache, path, error) from error


def _open_or_download(
    path: RemotePath, cache: CacheSettings, size: int, checksum: int, next_use: NextUse | None
) -> int | None:
    directory = cache_directory(cache.directory)
    name = entry_name(path, size, checksum)
    while True:
        descriptor = directory.open_entry(name, size)
        if descriptor is not None:
            return descriptor
        begun = directory.begin_download(name, size, cache.max_bytes, next_use)
        if begun is None:
            return None
        if isinstance(begun, Download):
            break
        if not _wait(begun):
            return None
    with directory.discarded_on_error(begun):
        while (full := _fill(begun, path, size, checksum)) is not None:
            if not directory.free(name, size, next_use):
                raise full
        return directory.publish(begun)


def _fill(download: Download, path: RemotePath, size: int, checksum: int) -> OSError | None:
    """Downloads a file. Returns the error of a full disk, `None` if the file is complete."""
    try:
        _allocate(download.descriptor, size)
        fetch(path, download.descriptor, size, checksum)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        return error
    return None


def _allocate(descriptor: int, size: int) -> None:
    """Takes the room on the disk, so that a full one is noticed before anything is downloaded."""
    if size and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
    os.ftruncate(descriptor, size)


def _wait(descriptor: int) -> bool:
    """Waits until the download of another process has ended; closes its file.

    Returns:
        Whether it has ended, also by the end of its process; `False` if it has stalled.
    """
    try:
        written, since = -1, time.monotonic()
        while try_lock(descriptor, exclusive=False) is False:
            time.sleep(_POLL_SECONDS)
            changed = os.fstat(descriptor).st_mtime_ns
            if changed != written:
                written, since = changed, time.monotonic()
            elif time.monotonic() - since > STALLED_SECONDS:
                return False
        return True
    finally:
        uninherited_descriptors.close(descriptor)


def _failure(cache: CacheSettings, path: RemotePath, error: OSError) -> StorageError:
    what = f"{cache.directory}: the cache cannot hold a copy of {path} ({error})."
    if error.errno in _FULL:
        return StorageError(
            f"{what} The disk is full, or its quota is used up, and no entry of the cache may be "
            "removed. Pass a smaller `cache_bytes`, free space, or pass another directory as "
            "`cache`."
        )
    if error.errno == errno.EFBIG:
        return StorageError(
            f"{what} A file may not be as large as that here. Raise the limit (ulimit -f), or pass "
            "another directory as `cache`."
        )
    return StorageError(
        f"{what} The directory, and the files that the cache has written to its subdirectory, must "
        "be readable and writable. Change their permissions, remove the subdirectory, or pass "
        "another directory as `cache`."
    )
