"""Files that are replaced whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

# Every temporary name starts with this, so that leftovers of a killed process can be told apart.
TEMPORARY_PREFIX = ".tmp-"

_ATTEMPTS = 5


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file name beside `path` that takes its place when the block ends well.

    The block writes and closes the file of that name. Then the file is synced to disk, renamed to
    `path` and the directory is synced, so that at any instant, a power cut included, `path` is
    either what it was or the complete new file. If the block raises, the temporary file is removed
    and `path` is untouched. The temporary name keeps all suffixes (`.tmp-1a2b3c4d-a.weights.h5`),
    for writers that choose a format by them. A link at `path` stays a link.

    Args:
        path: the file to write; its directory must exist.

    Returns:
        A context manager that gives the temporary name, a `pathlib.Path` in the same directory.

    Raises:
        FileNotFoundError: if the block ends without having written the file.
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
                f"Nothing was written to {temporary}, which was to become {target}."
            )
        _sync(temporary)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_directory(target.parent)


def replace_file(path: str | os.PathLike[str], write: Callable[[Path], None]) -> None:
    """Replaces a file at once, as `atomic_path` does, where other processes may do so too.

    Another process that begins to save to this name takes the temporary file of this one for a
    leftover. Then it is written again.

    Args:
        path: the file to write; its directory must exist.
        write: writes the file of the name it is given.

    Raises:
        OSError: if the file cannot be written.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            with atomic_path(path) as temporary:
                try:
                    write(temporary)
                except OSError as error:
                    # HDF5 says anything of a file that vanishes while it is opened.
                    if temporary.exists():
                        raise
                    raise FileNotFoundError(str(temporary)) from error
            return
        except FileNotFoundError:
            if not Path(os.path.realpath(path)).parent.is_dir():
                raise
    with atomic_path(path) as temporary:
        write(temporary)


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Removes the temporary files that killed writers of `path` left beside it.

    Of a file that another process may be writing at the same time only if that one uses
    `replace_file`.
    """
    target = Path(os.path.realpath(path))
    for entry in target.parent.glob(f"{TEMPORARY_PREFIX}*"):
        if entry.name[len(TEMPORARY_PREFIX) + 8 :] == f"-{target.name}":
            with contextlib.suppress(OSError):
                entry.unlink()


def _sync(path: Path) -> None:
    # Windows syncs only what is open for writing.
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_directory(directory: Path) -> None:
    if os.name == "nt":  # there a directory cannot be opened, and a rename needs no sync
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
