"""The files of a set of shards, as they lie there."""

from __future__ import annotations

import os
from pathlib import Path

from keras_bigdata.errors import ShardError
from keras_bigdata.files import TEMPORARY_PREFIX
from keras_bigdata.shards.index import INDEX_NAME
from keras_bigdata.shards.scan import is_pickle


def pickles(directory: Path) -> list[str]:
    """Names of the pickles below a directory, but not of those in sets of their own."""
    return [name for name in _files(directory) if is_pickle(Path(name).name)]


def leftovers(directory: Path) -> list[str]:
    """Names of temporary files that killed writers have left."""
    return [name for name in _files(directory) if Path(name).name.startswith(TEMPORARY_PREFIX)]


def _files(directory: Path) -> list[str]:
    found = []
    seen: set[str] = set()
    for folder, folders, files in os.walk(directory, onerror=_raise, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link back up
            folders.clear()
            continue
        seen.add(real)
        if folder != str(directory) and INDEX_NAME in files:
            folders.clear()
            continue
        folders[:] = [name for name in folders if name[0] != "."]
        found += [Path(folder, name).relative_to(directory).as_posix() for name in files]
    return sorted(found)


def _raise(error: OSError) -> None:
    raise ShardError(f"{error.filename}: cannot be listed ({error.strerror}).") from error
