"""The sizes of remote files, with one listing for a directory; and which files were replaced."""

from __future__ import annotations

import threading
import time

from keras_bigdata.child_processes import call_in_forked_child
from keras_bigdata.errors import CorruptShardError
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.urls.url import WEB_SCHEMES

# Seconds after which a listing is made again.
_LIFETIME = 30.0

# Directories whose listings are kept.
_MAX_LISTINGS = 8

# Name -> size, version.
_Listing = dict[str, tuple[int, str]]
# Directory, `set_version`.
_Set = tuple[RemotePath, int | None]

_lock = threading.Lock()
_listings: dict[RemotePath, tuple[float, _Listing]] = {}

# Directory and `set_version` -> name -> version of the file when it was first seen.
_first_versions: dict[_Set, dict[str, str]] = {}


def has_listing(path: RemotePath) -> bool:
    """Returns whether the files of a store can be listed."""
    return path.scheme not in WEB_SCHEMES


def _reset() -> None:
    """Forgets the listings in a forked child, where no thread would release the lock."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _listings.clear()


call_in_forked_child(_reset)


def listed_size(path: RemotePath) -> int:
    """Returns the size of a file in bytes, at most half a minute old.

    Raises:
        FileNotFoundError: if there is no such file.
        CorruptShardError: if the file was replaced after it was first seen as one of its set.
        StorageError: if the size is unknown.
    """
    directory = path.parent
    found = None
    with _lock:
        if has_listing(path):
            found = _listing(directory, _LIFETIME).get(path.name)
    if found is None:
        # A file that is not in the listing may have been written since.
        found = path.size_and_version()
    with _lock:
        _check_version(directory, path.name, found[1])
    return found[0]


def check_unchanged(directory: RemotePath, name: str) -> str:
    """Checks that no file whose size was looked up was replaced since, with a new listing.

    Web servers have no listings: there, nothing is checked.

    Args:
        directory: the directory of a set, as its index has it.
        name: name of another file of it.

    Returns:
        The version of that file; empty if it is unknown.

    Raises:
        CorruptShardError: if a file was replaced or removed.
        StorageError: if the directory cannot be listed.
    """
    if not has_listing(directory):
        return (directory / name).size_and_version()[1]
    with _lock:
        listing = _listing(directory, 0.0)
        for each in list(_first_versions.get((directory, directory.set_version), ())):
            _check_version(directory, each, listing.get(each, (0, "removed"))[1])
    return listing.get(name, (0, ""))[1]


def _listing(directory: RemotePath, lifetime: float) -> _Listing:
    listed_at, files = _listings.get(directory, (0.0, {}))
    if not listed_at or time.monotonic() - listed_at > lifetime:
        files = directory.list_files()
        _listings.pop(directory, None)
        _listings[directory] = (time.monotonic(), files)
        while len(_listings) > _MAX_LISTINGS:
            _listings.pop(next(iter(_listings)))
    return files


def _check_version(directory: RemotePath, name: str, version: str) -> None:
    seen = _first_versions.setdefault((directory, directory.set_version), {})
    while len(_first_versions) > _MAX_LISTINGS:
        _first_versions.pop(next(iter(_first_versions)))
    if seen.setdefault(name, version) != version:
        raise CorruptShardError(
            f"{directory / name}: the file was replaced while the set is in use. If the set was "
            "packed again, open it again; otherwise restore the file."
        )
