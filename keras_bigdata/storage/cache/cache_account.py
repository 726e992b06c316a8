"""The entries of a cache, and their size in bytes."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from keras_bigdata.storage.cache.cache_entry import downloaded_entry, parse_entry

_FOLDER = re.compile(r"[0-3][0-9a-f]")

# The modification time of a directory has a resolution of 10 ms or better, on a few file systems of
# 2 seconds. If a directory was changed less than these many seconds before it was listed, a later
# change may have the same modification time.
_RESOLUTION = 0.05
_COARSE_RESOLUTION = 2.5


@dataclass(slots=True)
class _Folder:
    """A folder as it was when it was listed.

    Args:
        time_ns: time of its last change; -1 if another change may have the same time.
        entries: name -> size in bytes.
        temporaries: name of an unfinished download -> size in bytes of the finished file.
        bytes: total size of both.
    """

    time_ns: int = -1
    entries: dict[str, int] = field(default_factory=dict)
    temporaries: dict[str, int] = field(default_factory=dict)
    bytes: int = 0


class CacheAccount:
    """The entries of a cache and their sizes, without reading directories that did not change.

    The sizes are part of the names. An unfinished download counts with its whole size, so its name
    reserves the space. Files with other names do not count, and are not changed.

    Args:
        root: the directory that holds the folders of the cache.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._folders: dict[str, _Folder] = {}

    def refresh(self) -> None:
        """Lists the folders that were changed since the last call, by any process.

        Raises:
            OSError: if one cannot be listed.
        """
        with os.scandir(self._root) as found:
            paths = {entry.name: entry.path for entry in found if _FOLDER.fullmatch(entry.name)}
        folders = {}
        for name, path in paths.items():
            known = self._folders.get(name) or _Folder()
            now = time.time()
            try:
                time_ns = os.stat(path).st_mtime_ns
                if time_ns != known.time_ns:
                    known = _listed(path, known, time_ns if _is_past(time_ns, now) else -1)
            except (FileNotFoundError, NotADirectoryError):  # removed, or a file of the user
                continue
            folders[name] = known
        self._folders = folders

    @property
    def bytes(self) -> int:
        """Total size in bytes."""
        return sum(folder.bytes for folder in self._folders.values())

    def entries(self) -> Iterator[tuple[str, int]]:
        """Yields the name and size of each entry."""
        return itertools.chain.from_iterable(
            folder.entries.items() for folder in self._folders.values()
        )

    def temporaries(self) -> list[tuple[str, str]]:
        """Returns the folder and name of each unfinished download."""
        return [
            (name, file) for name, folder in self._folders.items() for file in folder.temporaries
        ]

    def forget(self, folder: str, file: str) -> None:
        """Removes a deleted file from the account."""
        known = self._folders.get(folder)
        if known is None:
            return
        for files in (known.entries, known.temporaries):
            with contextlib.suppress(KeyError):
                known.bytes -= files.pop(file)


def _is_past(time_ns: int, now: float) -> bool:
    """Returns whether a change at `now` or later will have another modification time."""
    resolution = _RESOLUTION if time_ns % 1_000_000 else _COARSE_RESOLUTION
    return time_ns / 1e9 < now - resolution


def _listed(path: str, known: _Folder, time_ns: int) -> _Folder:
    folder = _Folder(time_ns)
    for file in os.listdir(path):
        size = known.entries.get(file)
        if size is not None or (size := _size_of(file)) is not None:
            folder.entries[file] = size
        elif (entry := downloaded_entry(file)) is not None:
            folder.temporaries[file] = _size_of(entry) or 0
    folder.bytes = sum(folder.entries.values()) + sum(folder.temporaries.values())
    return folder


def _size_of(name: str) -> int | None:
    parsed = parse_entry(name)
    return None if parsed is None else parsed.size
