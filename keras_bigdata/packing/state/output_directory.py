"""A directory of shards that one process writes as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from keras_bigdata.errors import PackError
from keras_bigdata.packing.state.local_pack import is_temporary_file, lock_directory
from keras_bigdata.packing.state.manifest import list_names
from keras_bigdata.packing.state.remote_output import remote_output
from keras_bigdata.progress import Verbose, note
from keras_bigdata.shards.index.shard_index import INDEX_NAME
from keras_bigdata.shards.index.shard_names import shard_number
from keras_bigdata.shards.index.unfinished import WRITING
from keras_bigdata.shards.writing.writer import ShardWriter
from keras_bigdata.storage.paths.remote_path import RemotePath

# In the mark of the `ShardWriter`: if a writer with this mark was killed, its files may be removed.
_MARK = b" (capture)"


@contextlib.contextmanager
def output_directory(
    directory: Path | RemotePath, verbose: Verbose = "auto"
) -> Iterator[Callable[..., ShardWriter]]:
    """Writes a set of shards; its index is written when the block ends.

    After an exception, also `KeyboardInterrupt`, nothing that was written remains. Files that a
    killed process left there are removed by the next call. The directory is not changed before the
    writer is opened.

    Args:
        directory: folder for the shards, or a place in a store.
        verbose: see `checked_verbose`. Defaults to `"auto"`.

    Yields:
        A function that opens the `ShardWriter` of the directory; it takes the same keyword
        arguments.

    Raises:
        PackError: if the directory holds something else, or is being written.
    """
    if isinstance(directory, RemotePath):
        with remote_output(directory, verbose) as open_remote_writer:
            yield open_remote_writer
        return
    _remove_leftovers(directory, verbose)
    is_new = not directory.exists()
    writers: list[ShardWriter] = []
    with contextlib.ExitStack() as lock:

        def open_writer(**options: object) -> ShardWriter:
            writer = ShardWriter(directory, **options)  # type: ignore[arg-type]
            writers.append(writer)
            descriptor = lock_directory(directory, directory / WRITING)
            lock.callback(os.close, descriptor)
            os.write(descriptor, _MARK)
            return writer

        try:
            yield open_writer
            if os.name == "nt":  # Windows cannot remove a file that is open
                lock.close()
            for writer in writers:
                writer.close()
        except BaseException:
            if writers:
                _remove_own_files(directory, lock)
                if is_new:
                    with contextlib.suppress(OSError):
                        directory.rmdir()
            raise


def _remove_leftovers(directory: Path, verbose: Verbose) -> None:
    """Removes the files that a killed capture left in a directory; refuses any other content."""
    if directory.exists() and not directory.is_dir():
        raise PackError(f"{directory}: is a file. Name a directory.")
    names = [entry.name for entry in directory.iterdir()] if directory.exists() else []
    if not names:
        return
    foreign = [name for name in names if not _is_own(name)]
    marker = directory / WRITING
    if foreign or not (marker.exists() and _MARK in marker.read_bytes()):
        raise PackError(
            f"{directory}: the directory holds something else: {list_names(foreign or names)}. "
            "Pass an empty or a new one, or delete it."
        )
    with contextlib.ExitStack() as lock:
        lock.callback(os.close, lock_directory(directory, marker))
        _remove_own_files(directory, lock)
    note(
        f"{directory}: removed the files of an interrupted capture. A capture cannot be "
        "continued: it starts over.",
        verbose,
    )


def _remove_own_files(directory: Path, lock: contextlib.ExitStack) -> None:
    for entry in directory.iterdir():
        if _is_own(entry.name) and entry.name != WRITING:
            entry.unlink(missing_ok=True)
    lock.close()
    (directory / WRITING).unlink(missing_ok=True)


def _is_own(name: str) -> bool:
    return (
        name in (WRITING, INDEX_NAME) or is_temporary_file(name) or shard_number(name) is not None
    )
