"""Creates a lost index again from the shards of a store, by a local copy of them."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from keras_bigdata.errors import ShardError
from keras_bigdata.integrity.rebuild_index import RebuiltIndex, rebuild_index
from keras_bigdata.integrity.set_files import SetFiles
from keras_bigdata.progress import Verbose, track
from keras_bigdata.representation import format_bytes
from keras_bigdata.shards.fields.roles import Roles
from keras_bigdata.shards.index.shard_index import INDEX_NAME, ShardIndex
from keras_bigdata.shards.index.unfinished import unfinished_error
from keras_bigdata.shards.opening.one_set import Reading
from keras_bigdata.storage.copies.fetch import fetch
from keras_bigdata.storage.paths.remote_path import RemotePath


def rebuild_remote_index(
    files: SetFiles,
    roles: Roles,
    like: ShardIndex | None,
    layout: Reading = None,
    *,
    verbose: Verbose = "auto",
) -> RebuiltIndex:
    """Creates a lost index as `rebuild_index` does, from shards of a store.

    They are copied to a temporary directory, because each is read several times.

    Args:
        files: the files of the set.
        roles, like, layout, verbose: as in `rebuild_index`.

    Raises:
        ShardError: as `rebuild_index`, or if the copies do not fit on the disk.
        StorageError: if a file cannot be read.
    """
    directory = files.directory
    assert isinstance(directory, RemotePath)
    unfinished = files.unfinished()
    if unfinished is not None:
        raise unfinished_error(str(directory), unfinished)
    with _copies(files, directory, verbose) as folder:

        def as_url(text: str) -> str:
            return text.replace(str(folder), str(directory))

        try:
            rebuilt = rebuild_index(folder, roles, like, layout, verbose=verbose)
        except ShardError as error:
            raise type(error)(as_url(str(error))) from error
        index = rebuilt.index
        return replace(
            rebuilt,
            index=None if index is None else replace(index, directory=directory),
            faults=[
                replace(fault, file=as_url(fault.file), found=as_url(fault.found))
                for fault in rebuilt.faults
            ],
            notes=[as_url(note) for note in rebuilt.notes],
        )


@contextlib.contextmanager
def _copies(files: SetFiles, directory: RemotePath, verbose: Verbose) -> Iterator[Path]:
    """Yields a temporary directory with the pickles and what remains of the index."""
    sizes = files.sizes or {}
    names = [name for name in (INDEX_NAME, *files.pickles()) if name in sizes]
    needed = sum(sizes[name] for name in names)
    with tempfile.TemporaryDirectory(prefix="keras_bigdata-") as name:
        free = shutil.disk_usage(name).free
        if needed > free:
            raise ShardError(
                f"{directory}: creating the index again needs copies of all shards, "
                f"{format_bytes(needed)}, and {tempfile.gettempdir()} has {format_bytes(free)} "
                "free. Set the environment variable TMPDIR to a directory on a larger disk. "
                "Nothing was changed."
            )
        folder = Path(os.path.realpath(name))
        for each in track(names, len(names), f"Copying {directory}", verbose=verbose):
            target = folder / each
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                fetch(directory / each, descriptor, sizes[each], None)
            finally:
                os.close(descriptor)
        yield folder
