"""A directory of shards that one process writes, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from keras_bigdata.errors import PackError
from keras_bigdata.files import TEMPORARY_PREFIX
from keras_bigdata.packing.resume_state import SHARD_NAME, lock_directory
from keras_bigdata.shards.index import INDEX_NAME, WRITING
from keras_bigdata.shards.writer import ShardWriter

# In the marker that a `ShardWriter` keeps: what is there may be removed if its writer is dead.
_MARK = b" (capture)"


@contextlib.contextmanager
def whole_directory(directory: Path) -> Iterator[Callable[..., ShardWriter]]:
    """Gives a function that makes the `ShardWriter`; its index is written when the block ends.

    After an error, an interrupt included, nothing of it stays. What a kill has left there is
    removed by the next call. The directory is not touched before the writer is made.

    Raises:
        PackError: if the directory holds something else, or is being written.
    """
    _remove_leftovers(directory)
    made = not directory.exists()
    writers: list[ShardWriter] = []
    with contextlib.ExitStack() as lock:

        def open_writer(**about: object) -> ShardWriter:
            writer = ShardWriter(directory, **about)  # type: ignore[arg-type]
            writers.append(writer)
            descriptor = lock_directory(directory, directory / WRITING)
            lock.callback(os.close, descriptor)
            os.write(descriptor, _MARK)
            return writer

        try:
            yield open_writer
            if os.name == "nt":  # there a file that is open cannot be removed
                lock.close()
            for writer in writers:
                writer.close()
        except BaseException:
            if writers:
                _remove(directory, lock)
                if made:
                    with contextlib.suppress(OSError):
                        directory.rmdir()
            raise


def _remove_leftovers(directory: Path) -> None:
    """Empties a directory that a capture which was killed has left; refuses any other content."""
    if directory.exists() and not directory.is_dir():
        raise PackError(f"{directory}: is a file. Name a directory.")
    held = sorted(entry.name for entry in directory.iterdir()) if directory.exists() else []
    if not held:
        return
    others = [name for name in held if not _is_own(name)]
    marker = directory / WRITING
    if others or not (marker.exists() and _MARK in marker.read_bytes()):
        shown = ", ".join((others or held)[:5])
        more = ", ..." if len(others or held) > 5 else ""
        raise PackError(
            f"{directory}: the directory holds something else: {shown}{more}. Name an empty or a "
            "new one, or delete it."
        )
    with contextlib.ExitStack() as lock:
        lock.callback(os.close, lock_directory(directory, marker))
        _remove(directory, lock)
    print(
        f"{directory}: removed what an interrupted capture had left. A capture cannot be "
        "continued: it starts over.",
        file=sys.stderr,
    )


def _remove(directory: Path, lock: contextlib.ExitStack) -> None:
    for entry in directory.iterdir():
        if _is_own(entry.name) and entry.name != WRITING:
            entry.unlink(missing_ok=True)
    lock.close()
    (directory / WRITING).unlink(missing_ok=True)


def _is_own(name: str) -> bool:
    return (
        name in (WRITING, INDEX_NAME)
        or name.startswith(TEMPORARY_PREFIX)
        or SHARD_NAME.fullmatch(name) is not None
    )
