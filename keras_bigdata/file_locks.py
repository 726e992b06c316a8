"""Locks of files that the system releases when their process ends, also by a kill."""

from __future__ import annotations

import errno
import os
import socket
import time
from pathlib import Path

# Another descriptor has the lock: flock raises the first or, where locks are emulated, the second,
# and msvcrt.locking the last two. https://man7.org/linux/man-pages/man2/flock.2.html
_TAKEN = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)

# The file system has no locks, or none for this kind of descriptor:
# - ENOLCK: NFS without a lock service; ENOSYS: a FUSE file system that does not implement them;
# - EOPNOTSUPP, ENOTSUP: one number on Linux, two on macOS;
# - EINVAL: no locks of this kind of file;
# - EBADF: NFS locks exclusively only what is open for writing, which a directory cannot be.
_WITHOUT_LOCKS = (
    errno.ENOLCK,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
    errno.ENOTSUP,
    errno.EINVAL,
    errno.EBADF,
)

# Pauses in seconds between attempts to lock: the first, and the longest.
_PAUSES = (0.0005, 0.02)


def try_lock(descriptor: int, *, exclusive: bool) -> bool | None:
    """Locks an open file or directory, or changes the kind of its lock.

    Args:
        descriptor: the file.
        exclusive: whether no other descriptor may have a lock; otherwise they may share it.

    Returns:
        `False` if another descriptor has a lock that excludes this one, `None` if the file system
        or the operating system has no locks.

    Raises:
        OSError: if locking fails for another reason.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError as error:
        return _meaning_of(error)
    return True


def wait_for_lock(descriptor: int, *, exclusive: bool, seconds: float) -> bool | None:
    """Waits until a file is locked, as `try_lock` does; returns `False` after some time.

    It tries repeatedly instead of blocking, because a suspended process keeps its locks.
    """
    deadline = time.monotonic() + seconds
    pause, longest = _PAUSES
    while (locked := try_lock(descriptor, exclusive=exclusive)) is False:
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(2 * pause, longest)
    return locked


def unlock(descriptor: int) -> None:
    """Releases the lock of a descriptor, also for a child that shares it."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise


def lock_file(path: str | os.PathLike[str]) -> int:
    """Locks a file; creates it and its directory if they are missing.

    The lock belongs to the returned descriptor: the system releases it when the descriptor is
    closed or the process ends, also by a kill. On a file system without locks the file is created
    and nothing is locked.

    Returns:
        A file descriptor; `os.close` releases the lock.

    Raises:
        BlockingIOError: if another process holds the lock; `strerror` names that process.
        OSError: if the file cannot be created.
    """
    path = Path(path)
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # the process that held the lock has just removed the directory
            continue
        try:
            locked = _lock_content(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        if locked is False:
            with os.fdopen(descriptor) as file:
                holder = file.read(200) or "another process"
            raise BlockingIOError(errno.EWOULDBLOCK, holder)
        # Between the two calls another process may have removed the file, and created it again.
        if path.exists() and os.path.samestat(os.fstat(descriptor), os.stat(path)):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
            return descriptor
        os.close(descriptor)


def _lock_content(descriptor: int) -> bool | None:
    """Locks a file that is open for writing, on Windows too."""
    try:
        import msvcrt
    except ImportError:
        return try_lock(descriptor, exclusive=True)
    # Locked bytes are unreadable: lock one far past the text.
    os.lseek(descriptor, 1 << 30, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError as error:
        return _meaning_of(error)
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)
    return True


def _meaning_of(error: OSError) -> bool | None:
    """Returns what `try_lock` returns for an error of the system, or raises it."""
    if error.errno in _TAKEN:
        return False
    if error.errno in _WITHOUT_LOCKS:
        return None
    raise error
