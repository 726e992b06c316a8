"""A set of shards behind a URL that one process writes as a whole or not at all."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from keras_bigdata.errors import PackError, StorageError
from keras_bigdata.packing.state.manifest import list_names
from keras_bigdata.progress import Verbose, note
from keras_bigdata.shards.index.shard_index import INDEX_NAME
from keras_bigdata.shards.index.shard_names import shard_number
from keras_bigdata.shards.index.unfinished import LEASES, MARK, WRITING
from keras_bigdata.shards.writing.writer import ShardWriter
from keras_bigdata.shards.writing.writing_mark import mark_of
from keras_bigdata.storage.copies.small_files import remove_files
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.writing.lease import Lease, LeaseHeldError, is_lease_name

# The writer in the mark: if such a writer was killed, its files may be removed.
_WRITER = "capture"


@contextlib.contextmanager
def remote_output(
    place: RemotePath, verbose: Verbose = "auto"
) -> Iterator[Callable[..., ShardWriter]]:
    """Writes a set of shards to a URL, as `output_directory` does to a directory.

    After an exception, the files that were written are removed if the store can still be reached;
    otherwise the next call removes them.

    Args:
        place: the directory of the shards.
        verbose: see `checked_verbose`. Defaults to `"auto"`.

    Yields:
        A function that opens the `ShardWriter`; it takes the same keyword arguments.

    Raises:
        PackError: if something else is there, or if another process is writing.
        StorageError: if the store cannot be reached.
    """
    _remove_leftovers(place, verbose)
    writers: list[ShardWriter] = []

    def open_writer(**options: Any) -> ShardWriter:
        writer = ShardWriter(place, **options)
        writers.append(writer)
        (place / WRITING / MARK).write_bytes(json.dumps({"writer": _WRITER}).encode())
        return writer

    try:
        yield open_writer
        for writer in writers:
            writer.close()
    except BaseException:
        for writer in writers:
            with contextlib.suppress(StorageError):
                writer.mark.check()  # the files of another process stay
                _remove_own_files(place)
        raise
    finally:
        for writer in writers:
            writer.mark.release()


def _remove_leftovers(place: RemotePath, verbose: Verbose) -> None:
    """Removes the files that a killed capture left; refuses any others."""
    names = list(place.list_sizes())
    if all(_is_lease(name) for name in names):
        return  # the writer takes the lease if it has ended
    foreign = [name for name in names if not (_is_own(name) or _is_lease(name))]
    if foreign or mark_of(place) != _WRITER:
        raise PackError(
            f"{place}: the directory holds something else: {list_names(foreign or names)}. "
            "Pass an empty or a new one, or delete it."
        )
    try:
        lease = Lease(place / WRITING / LEASES)
    except LeaseHeldError as error:
        raise PackError(
            f"{place}: is being packed by {error}. Wait for it, or end it first."
        ) from error
    try:
        _remove_own_files(place)
    finally:
        lease.release()
    note(
        f"{place}: removed the files of an interrupted capture. A capture cannot be continued: it "
        "starts over.",
        verbose,
    )


def _remove_own_files(place: RemotePath) -> None:
    """Removes shards, index and mark; the mark last, because it identifies the others."""
    names = [name for name in place.list_sizes() if _is_own(name)]
    mark = f"{WRITING}/{MARK}"
    remove_files([place / name for name in names if name != mark])
    (place / mark).remove()


def _is_own(name: str) -> bool:
    return name in (INDEX_NAME, f"{WRITING}/{MARK}") or shard_number(name) is not None


def _is_lease(name: str) -> bool:
    folder, _, file = name.rpartition("/")
    return folder == f"{WRITING}/{LEASES}" and is_lease_name(file)
