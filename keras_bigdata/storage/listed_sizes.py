"""The sizes of remote files, with one listing for all files of a directory."""

from __future__ import annotations

import threading
import time

from keras_bigdata.child_processes import call_in_forked_child
from keras_bigdata.storage.remote_path import RemotePath
from keras_bigdata.storage.url import WEB_SCHEMES

# Seconds after which a listing is made again.
_LIFETIME = 30.0

# Directories whose listings are kept.
_MAX_LISTINGS = 8

_lock = threading.Lock()
_listings: dict[RemotePath, tuple[float, dict[str, int]]] = {}


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
        StorageError: if it is unknown.
    """
    if not has_listing(path):
        return path.size()
    directory = path.parent
    with _lock:
        made, sizes = _listings.get(directory, (0.0, {}))
        if not made or time.monotonic() - made > _LIFETIME:
            sizes = directory.list_sizes()
            _listings.pop(directory, None)
            _listings[directory] = (time.monotonic(), sizes)
            while len(_listings) > _MAX_LISTINGS:
                _listings.pop(next(iter(_listings)))
    size = sizes.get(path.name)
    # A file that is not in the listing may have been written since.
    return path.size() if size is None else size
