"""Operations on files: paths, atomic replacement, and walking directories."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Every temporary name starts with this, so that leftovers of a killed process can be recognized.
TEMPORARY_PREFIX = ".tmp-"

# A text is a URL if it begins with a scheme of at least two letters, because "C:/data" is a path on
# Windows, and one slash, because `pathlib` replaces two slashes by one. After the scheme of a known
# store, a slash is not needed: "gs:bucket/x" is a mistyped URL. A directory of that name can be
# passed as "./gs:bucket/x".
_URL = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]+::)*[A-Za-z][A-Za-z0-9+.-]+:/"
    r"|(?:s3a?|gc?s|az|abfss?|hf|https?):(?=.)",
    re.IGNORECASE,
)

# Number of times that `replace_file` tries to write a file.
_ATTEMPTS = 5

_TEMPORARY_NAME = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}[0-9a-f]{{8}}-(.+)", re.DOTALL)


def local_path(path: Any, argument: str) -> Path:
    """Returns a path on this machine as a `pathlib.Path`.

    Args:
        path: the value that was passed: a string or a path object.
        argument: name of the argument, for the messages.

    Raises:
        TypeError: if it is neither a string nor a path object.
        ValueError: if it is empty, a URL, or begins with `~`, which only a shell replaces. As a
            path, `"s3://bucket/x"` would be the directory `s3:` in the current one.
    """
    try:
        text = os.fspath(path)
    except TypeError:
        text = None
    if not isinstance(text, str):
        raise TypeError(
            f"`{argument}` must be a path, as a string or a pathlib.Path. "
            f"Received: {argument}={path!r:.200} of type {type(path).__name__}"
        )
    if not text or "\0" in text:
        raise ValueError(f"`{argument}` must be a path. Received: {argument}={text!r}")
    if is_url(text):
        raise ValueError(
            f"`{argument}` must be a path on this machine, not a URL: URLs are for sets of shards "
            "(`Shards`, `pack`, `verify`) and for what callbacks write, not for sources and "
            "tables. Copy the files, or mount the store as a directory. "
            f"Received: {argument}={text!r}"
        )
    if re.match(r"~(?:[/\\]|$)", text):
        raise ValueError(
            f"`{argument}` begins with '~', which only a shell replaces by the home directory. "
            f"Pass os.path.expanduser({text!r}), or './{text}' for a name that begins with '~'. "
            f"Received: {argument}={text!r}"
        )
    return Path(path)


def is_url(text: str) -> bool:
    """Returns whether a text is a URL, such as `s3://bucket/x`, and not a path."""
    return _URL.match(text) is not None


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Replaces a file atomically by a temporary file that the block writes.

    The block writes and closes the temporary file. Then the file is synced to disk, renamed to
    `path`, and the directory is synced, so that at any instant, a power cut included, `path` is
    either the old file or the complete new one. If the block raises an exception, the temporary
    file is removed and `path` is unchanged. The temporary name keeps all suffixes
    (`.tmp-1a2b3c4d-a.weights.h5`), for writers that choose a format by them. A symbolic link at
    `path` stays a link.

    Args:
        path: the file to write; its directory must exist.

    Yields:
        The temporary name, a `pathlib.Path` in the same directory.

    Raises:
        FileNotFoundError: if the block did not write the file.
        OSError: if the file cannot be synced or renamed.

    Example:

    ```python
    from keras_bigdata.files import atomic_path

    with atomic_path("scores.json") as temporary:
        temporary.write_text("[0.5, 0.75]")
    ```
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}-{target.name}")
    try:
        yield temporary
        if not temporary.exists():
            raise FileNotFoundError(
                f"Nothing was written to {temporary}, which is to replace {target}."
            )
        _keep_mode(temporary, target)
        _sync(temporary)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_directory(target.parent)


def replace_file(path: str | os.PathLike[str], write: Callable[[Path], None]) -> None:
    """Replaces a file atomically, as `atomic_path` does, while other processes may do the same.

    Another process that starts to save to this name may remove the temporary file of this one as
    a leftover (see `remove_leftovers`). The file is then written again.

    Args:
        path: the file to write; its directory must exist.
        write: function that writes the file whose name it receives.

    Raises:
        OSError: if the file cannot be written.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            with atomic_path(path) as temporary:
                try:
                    write(temporary)
                except OSError as error:
                    # HDF5 raises various errors for a file that vanishes while it is opened.
                    if temporary.exists():
                        raise
                    raise FileNotFoundError(str(temporary)) from error
            return
        except FileNotFoundError:
            if not Path(os.path.realpath(path)).parent.is_dir():
                raise
    with atomic_path(path) as temporary:
        write(temporary)


def temporary_target(name: str) -> str | None:
    """Returns the name of the file that a temporary file of `atomic_path` was to replace.

    Returns:
        `None` for any other name, also if it begins with `TEMPORARY_PREFIX`: such a file was not
        written by this package, and must not be removed.
    """
    match = _TEMPORARY_NAME.fullmatch(name)
    return None if match is None else match[1]


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Removes the temporary files that killed writers of `path` left in its directory.

    If another process may write `path` at the same time, it must use `replace_file`.
    """
    target = Path(os.path.realpath(path))
    for entry in target.parent.glob(f"{TEMPORARY_PREFIX}*"):
        if temporary_target(entry.name) == target.name:
            with contextlib.suppress(OSError):
                entry.unlink()


def drop_from_page_cache(fd: int, size: int) -> bool:
    """Drops a file from the page cache. Returns whether four positions in it are not cached.

    Args:
        fd: descriptor of the file, open for reading.
        size: its size in bytes.
    """
    if not hasattr(os, "posix_fadvise") or not hasattr(os, "RWF_NOWAIT"):
        return False
    with contextlib.suppress(OSError):  # a read-only file system
        os.fsync(fd)  # pages that are not written yet cannot be dropped
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    for position in (0, size // 4, size // 2, max(0, size - 1)):
        try:
            os.preadv(fd, [bytearray(1)], position, os.RWF_NOWAIT)
        except BlockingIOError:  # not in the page cache
            continue
        except OSError:  # the file system does not support RWF_NOWAIT
            return False
        return False
    return True


def check_regular_file(path: str | os.PathLike[str]) -> None:
    """Refuses to open a pipe, which may never deliver anything, or a device, which may never end.

    Raises:
        OSError: if the path is not a regular file, or does not exist; `strerror` has the reason.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    kind = "a named pipe" if stat.S_ISFIFO(mode) else "a device or a socket"
    raise OSError(errno.EINVAL, f"it is {kind}, not a regular file", os.fspath(path))


def walk_directory(
    directory: str | os.PathLike[str],
    *,
    follow_links: bool = True,
    error: type[Exception] = OSError,
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Lists a directory and its subdirectories, in a fixed order.

    Works like `os.walk`, but a directory that cannot be listed is an error instead of being
    skipped silently, hidden directories are not entered, and a link to a directory that was listed
    before is not followed again.

    Args:
        directory: the directory to start from.
        follow_links: whether links to directories are followed. Defaults to `True`.
        error: class of the exception to raise. Defaults to `OSError`.

    Yields:
        `(folder, names of its folders, names of its files)`, each list sorted. Hidden names are
        included. Folders that the caller removes from the first list are not entered.

    Raises:
        error: if a directory cannot be listed.
    """

    def fail(reason: OSError) -> None:
        raise error(f"{reason.filename}: cannot be listed ({reason.strerror}).") from reason

    listed: set[str] = set()
    for folder, folders, names in os.walk(directory, onerror=fail, followlinks=follow_links):
        real = os.path.realpath(folder)
        if real in listed:
            folders.clear()
            continue
        listed.add(real)
        folders.sort()
        yield folder, folders, sorted(names)
        folders[:] = [name for name in folders if not name.startswith(".")]


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Returns a key that sorts names by the numbers in them: 1, 2, 10 and not 1, 10, 2."""
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def _keep_mode(temporary: Path, target: Path) -> None:
    """Copies the permissions of the file that is replaced to the new file."""
    with contextlib.suppress(FileNotFoundError):
        temporary.chmod(stat.S_IMODE(target.stat().st_mode))


def _sync(path: Path) -> None:
    # Windows syncs only files that are open for writing.
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_directory(directory: Path) -> None:
    if os.name == "nt":  # Windows cannot open a directory, and a rename needs no sync
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
