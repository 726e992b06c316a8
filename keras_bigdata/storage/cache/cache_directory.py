"""The directory of a cache: looks up entries, reserves room, publishes and removes files.

Everything that changes the directory happens under a lock of the directory, which all processes
take; opening an entry needs no lock of it. An open entry has a shared lock of its file, a download
an exclusive one of its temporary file. So each process sees which entries are in use, and which
temporary files a killed process has left.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Iterable, Iterator

from keras_bigdata.checksum import descriptor_checksum
from keras_bigdata.child_processes import call_in_forked_child
from keras_bigdata.file_locks import try_lock, unlock, wait_for_lock
from keras_bigdata.storage.cache import uninherited_descriptors
from keras_bigdata.storage.cache.cache_account import CacheAccount
from keras_bigdata.storage.cache.cache_entry import (
    SUBDIRECTORY,
    folder_of,
    parse_entry,
    temporary_name,
)
from keras_bigdata.storage.cache.cache_eviction import NextUse, eviction_order
from keras_bigdata.storage.cache.cache_sync import is_on_disk, mark_as_new, sync_later

# Maximum time in seconds to wait for the lock of the directory, which is held for milliseconds:
# only a process that is suspended holds it longer.
LOCK_SECONDS = 30.0

# Age in seconds of a temporary file that no process writes any more, where there are no locks.
_OLD = 24 * 3600.0

# When room is made, this share of the cache is freed too, so that the entries, of which there may
# be 100,000, are not sorted for each download.
_SPARE = 0.01

_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Download:
    """A file that is being downloaded into the cache, and the room that it reserves.

    Args:
        name: name of the entry.
        path: its temporary file.
        descriptor: that file, open and exclusively locked.
    """

    __slots__ = ("descriptor", "name", "path")

    def __init__(self, name: str, path: str, descriptor: int) -> None:
        self.name = name
        self.path = path
        self.descriptor = descriptor


class CacheDirectory:
    """One directory of a cache in this process. All its methods may be called by several threads.

    Args:
        directory: the directory that the user chose. All files lie in a subdirectory of it, and
            only files there with the names of entries are ever removed.
    """

    def __init__(self, directory: str) -> None:
        self.root = os.path.join(directory, SUBDIRECTORY)
        self._account = CacheAccount(self.root)
        self._lock = threading.Lock()
        # Inodes of entries that this process knows to be whole, although they are not on the disk.
        self._whole: set[int] = set()

    def open_entry(self, name: str, size: int) -> int | None:
        """Returns an open and locked entry, and notes that it was used; `None` if it is missing.

        An entry whose content a power cut or another program has changed is removed.

        Raises:
            OSError: if it cannot be read.
        """
        path = self._path(name)
        try:
            descriptor = uninherited_descriptors.open_not_inherited(path, _READ)
        except FileNotFoundError:
            return None
        try:
            # Others lock it for an instant only, to see whether it may be removed.
            wait_for_lock(descriptor, exclusive=False, seconds=LOCK_SECONDS)
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise FileExistsError(0, "something that is not a file has its name", path)
            if found.st_nlink and self._is_whole(name, size, found, descriptor):
                with contextlib.suppress(OSError):  # a file of another user, or read-only
                    os.utime(descriptor)
                return uninherited_descriptors.inherit(descriptor)
        except BaseException:
            uninherited_descriptors.close(descriptor)
            raise
        uninherited_descriptors.close(descriptor)
        if found.st_nlink:
            self._remove_damaged(name, found)
        return None

    def _is_whole(self, name: str, size: int, found: os.stat_result, descriptor: int) -> bool:
        """Returns whether an open entry has its content."""
        if found.st_size != size:
            return False
        # The checksum is compared once per process, for file systems without permissions.
        if is_on_disk(found) or found.st_ino in self._whole:
            return True
        parsed = parse_entry(name)
        if parsed is None or descriptor_checksum(descriptor, size) != parsed.checksum:
            return False
        self._whole.add(found.st_ino)
        sync_later(self._path(name))
        return True

    def begin_download(
        self, name: str, size: int, max_bytes: int | None, next_use: NextUse | None
    ) -> Download | int | None:
        """Reserves room for an entry, for which others are removed as needed.

        Returns:
            The download, which the caller fills and publishes; or the temporary file of another
            process or thread that downloads the same entry, open for reading, which the caller
            closes (`uninherited_descriptors.close`); or `None` if no room may be made.

        Raises:
            OSError: if the directory cannot be changed.
        """
        with self._locked() as locked:
            if not locked:
                return None
            folder = os.path.dirname(self._path(name))
            os.makedirs(folder, exist_ok=True)
            self._account.refresh()
            other = self._remove_leftovers(name)
            if other is not None:
                return other
            if os.path.lexists(self._path(name)):  # created after the caller looked it up
                return uninherited_descriptors.open_not_inherited(self._path(name), _READ)
            if max_bytes is not None and not self._make_room(name, size, max_bytes, next_use):
                return None
            path = os.path.join(folder, temporary_name(name))
            descriptor = uninherited_descriptors.open_not_inherited(
                path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            )
            download = Download(name, path, descriptor)
            with self.discarded_on_error(download):
                try_lock(descriptor, exclusive=True)
                mark_as_new(descriptor)
            return download

    def free(self, name: str, size: int, next_use: NextUse | None) -> bool:
        """Removes entries because the disk is full. Returns whether any was removed.

        Args:
            name: the entry for which there was no room.
            size: bytes to free, if possible.
            next_use: what this process needs.
        """
        with self._locked() as locked:
            if not locked:
                return False
            self._account.refresh()
            return self._remove_entries(self._order(name, next_use), size) > 0

    def publish(self, download: Download) -> int:
        """Makes a complete download an entry. Returns its descriptor, which the caller closes."""
        with self._locked(), contextlib.suppress(FileNotFoundError):
            # The descriptor is right also if something else has removed the file.
            os.rename(download.path, self._path(download.name))
        try_lock(download.descriptor, exclusive=False)
        self._whole.add(os.fstat(download.descriptor).st_ino)
        sync_later(self._path(download.name))
        return uninherited_descriptors.inherit(download.descriptor)

    @contextlib.contextmanager
    def discarded_on_error(self, download: Download) -> Iterator[None]:
        """Removes a download if the block raises an exception."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(download.path)
            uninherited_descriptors.close(download.descriptor)
            raise

    def _path(self, name: str) -> str:
        return os.path.join(self.root, folder_of(name), name)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[bool]:
        """Locks the directory; yields `False` if another process does not release it."""
        with self._lock:
            os.makedirs(self.root, exist_ok=True)
            descriptor = uninherited_descriptors.open_not_inherited(self.root, os.O_RDONLY)
            try:
                locked = wait_for_lock(descriptor, exclusive=True, seconds=LOCK_SECONDS)
                yield locked is not False
            finally:
                unlock(descriptor)
                uninherited_descriptors.close(descriptor)

    # ---- All of the following happens under the lock of the directory

    def _remove_leftovers(self, name: str) -> int | None:
        """Removes the temporary files of ended processes.

        Returns:
            The temporary file of a running download of the entry, open; `None` if there is none.
        """
        other = None
        for folder, temporary in self._account.temporaries():
            path = os.path.join(self.root, folder, temporary)
            try:
                descriptor = uninherited_descriptors.open_not_inherited(path, _READ)
            except FileNotFoundError:
                self._account.forget(folder, temporary)
                continue
            except OSError:  # of another user
                continue
            try:
                locked = try_lock(descriptor, exclusive=True)
                if locked is None:
                    locked = time.time() - os.fstat(descriptor).st_mtime > _OLD
                elif not locked and other is None and temporary.endswith(f"-{name}"):
                    other, descriptor = descriptor, -1
                if locked:
                    self._unlink(folder, temporary)
            finally:
                if descriptor >= 0:
                    uninherited_descriptors.close(descriptor)
        return other

    def _make_room(self, name: str, size: int, max_bytes: int, next_use: NextUse | None) -> bool:
        """Removes entries until another one fits. Returns whether it does."""
        too_much = self._account.bytes + size - max_bytes
        if too_much <= 0:
            return True
        if size > max_bytes:
            return False
        order = self._order(name, next_use)
        unused: list[str] = []
        free = 0
        while free < too_much:
            each = next(order, None)
            if each is None:
                # There is not enough room, so only the bytes above the limit are removed: the limit
                # was larger before.
                self._remove_entries(unused, too_much - size)
                return False
            if self._is_unused(each):
                unused.append(each)
                free += _size(each)
        self._remove_entries(unused, free)
        spare = int(max_bytes * _SPARE) - (free - too_much)
        for each in order:
            spare -= _size(each)
            if spare < 0:
                break
            self._remove_entries([each], 1)
        return self._account.bytes + size <= max_bytes

    def _order(self, name: str, next_use: NextUse | None) -> Iterator[str]:
        entries = list(self._account.entries())
        return eviction_order(entries, name, next_use, self._used_at, time.time())

    def _used_at(self, name: str) -> float:
        try:
            return os.stat(self._path(name)).st_mtime
        except OSError:
            return 0.0

    def _remove_entries(self, names: Iterable[str], wanted: int) -> int:
        """Removes unused entries until `wanted` bytes are free, if possible. Returns the bytes."""
        removed = 0
        for name in names:
            if removed >= wanted:
                break
            if self._is_unused(name) and self._unlink(folder_of(name), name):
                removed += _size(name)
        return removed

    def _is_unused(self, name: str) -> bool:
        """Returns whether no process has an entry open; `True` where there are no locks."""
        try:
            descriptor = uninherited_descriptors.open_not_inherited(self._path(name), _READ)
        except FileNotFoundError:
            return True
        except OSError:  # of another user, or not a file: not removed
            return False
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return False
            return try_lock(descriptor, exclusive=True) is not False
        finally:
            uninherited_descriptors.close(descriptor)

    def _unlink(self, folder: str, file: str) -> bool:
        try:
            os.unlink(os.path.join(self.root, folder, file))
        except FileNotFoundError:
            pass
        except OSError:  # of another user, or open on Windows
            return False
        self._account.forget(folder, file)
        return True

    def _remove_damaged(self, name: str, found: os.stat_result) -> None:
        with self._locked(), contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.stat(self._path(name), follow_symlinks=False), found):
                os.unlink(self._path(name))


def _size(name: str) -> int:
    parsed = parse_entry(name)
    return 0 if parsed is None else parsed.size


_directories: dict[str, CacheDirectory] = {}


def cache_directory(directory: str) -> CacheDirectory:
    """Returns the object for a directory, one per process."""
    # `setdefault` is atomic: all threads receive the same object.
    return _directories.get(directory) or _directories.setdefault(
        directory, CacheDirectory(directory)
    )


# A lock that another thread had at the fork would never be released in the child.
call_in_forked_child(_directories.clear)
