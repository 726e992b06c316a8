"""Copies whole files from a store; which stores replace files as a whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_bigdata.errors import StorageError
from keras_bigdata.storage.filesystem import open_filesystem
from keras_bigdata.storage.place import as_place
from keras_bigdata.storage.remote_path import RemotePath
from keras_bigdata.storage.request import (
    TIMEOUT,
    TransferError,
    call_driver,
    request,
)
from keras_bigdata.storage.writable import WRITABLE

# Why other schemes are refused.
_REASONS = {
    "http": "a web server cannot be written",
    "https": "a web server cannot be written",
    "hf": "each file that is written there is a commit of the repository, which keeps all of them",
}

# A transfer that is slower than this many bytes per second counts as stalled.
_SLOWEST = 1_000_000


def output_place(
    value: Any, argument: str, storage_options: Mapping[str, Any] | None = None
) -> Path | RemotePath:
    """Returns the place of files that are replaced as a whole, on this machine or in a store.

    Args:
        value: a path or a URL.
        argument: its name, for the messages.
        storage_options: the options of the driver of a URL. Defaults to `None`.

    Raises:
        TypeError: if it is neither a string nor a path object.
        ValueError: if it is not valid, if the store cannot replace a file atomically, or if there
            are options but no URL.
    """
    place = as_place(value, argument, storage_options)
    if isinstance(place, Path):
        if storage_options is not None:
            raise ValueError(
                f"`storage_options` are for a URL, and `{argument}` is a path on this machine. "
                f"Received: {argument}={str(place)!r}"
            )
        return place
    if place.scheme not in WRITABLE:
        reason = _REASONS.get(
            place.scheme, "it is not known that a file there is either complete or absent"
        )
        raise ValueError(
            f"`{argument}` cannot be written to {place.scheme}://: {reason}. Pass a path on this "
            f"machine, or a URL of {', '.join(f'{each}://' for each in WRITABLE)}. "
            f"Received: {argument}={place.url!r}"
        )
    return place


def download(path: RemotePath, file: str | os.PathLike[str]) -> None:
    """Copies a file of a store to this machine.

    Args:
        path: the file to copy.
        file: the file to write. After an error its content is undefined.

    Raises:
        FileNotFoundError: if there is no such file in the store.
        StorageError: if it cannot be read.
        OSError: if `file` cannot be written.
    """
    size = path.size()

    def send() -> None:
        filesystem = open_filesystem(path.url, path.options)
        source = filesystem._strip_protocol(path.url)
        limit = TIMEOUT + size / _SLOWEST
        call_driver(filesystem, "get_file", source, os.fspath(file), time_limit=limit)
        received = os.stat(file).st_size
        if received != size:
            raise TransferError(f"{received:,} of {size:,} bytes were received")

    request(send, path.url, path.options)


def list_names(directory: RemotePath) -> list[str]:
    """Returns the names of the files in a directory of a store, without its subdirectories.

    Raises:
        StorageError: if it cannot be listed.
    """

    def send() -> list[str]:
        filesystem = open_filesystem(directory.url, directory.options)
        filesystem.invalidate_cache()
        root = filesystem._strip_protocol(directory.url)
        entries = call_driver(filesystem, "ls", root, detail=True)
        names = [entry["name"] for entry in entries if entry["type"] == "file"]
        return [name.rpartition("/")[2] for name in names]

    try:
        return request(send, directory.url, directory.options, "cannot be listed")
    except FileNotFoundError:
        return []


def check_writable(path: RemotePath) -> None:
    """Checks that a file can be written, by writing and deleting a small one with a similar name.

    Raises:
        StorageError: if it cannot.
    """
    probe = path.parent / f".writable-{path.name}"
    probe.write_bytes(b"This file shows that its directory can be written.")
    with contextlib.suppress(StorageError):  # a store may allow to write, and not to delete
        probe.remove()
