"""Marks the entries of a cache that are on the disk, so that no power cut can have emptied them.

A renamed file of the right size may lose its content in a power cut until it is synced, which takes
as long as the disk needs to write it. A new entry is used at once; a thread syncs it, and removes
its write permission. The content of an entry that still has this permission is compared with the
checksum.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading

from keras_bigdata.child_processes import call_in_forked_child, hold_during_fork
from keras_bigdata.daemon_threads import DaemonThreads
from keras_bigdata.storage.cache import uninherited_descriptors

_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH

_lock = threading.Lock()
_threads: list[DaemonThreads] = []


def is_on_disk(found: os.stat_result) -> bool:
    """Returns whether an entry was marked as being on the disk."""
    return not found.st_mode & _WRITABLE


def mark_as_new(descriptor: int) -> None:
    """Marks an open file as one that may not be on the disk, whatever the umask is."""
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if not mode & stat.S_IWUSR:
        os.fchmod(descriptor, mode | stat.S_IWUSR)


def sync_later(path: str) -> None:
    """Writes an entry to the disk and marks it, in a thread; an error leaves it unmarked."""
    with _lock:
        if not _threads:
            _threads.append(DaemonThreads(1, "keras_bigdata-sync"))
        threads = _threads[0]
    threads.submit(_sync, path)


def _sync(path: str) -> None:
    # The entry is not locked, so it may be removed meanwhile. That is one cause of an error; others
    # are another owner of the file, and a file system without permissions.
    with contextlib.suppress(OSError):
        descriptor = uninherited_descriptors.open_not_inherited(
            path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)
        )
        try:
            os.fsync(descriptor)
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            os.fchmod(descriptor, mode & ~_WRITABLE)
        finally:
            uninherited_descriptors.close(descriptor)


# The thread does not exist in the child.
hold_during_fork(_lock)
call_in_forked_child(_threads.clear)
