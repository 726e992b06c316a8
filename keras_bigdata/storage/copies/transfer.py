"""Copies files from a store, lists them, and checks whether one can be written."""

from __future__ import annotations

import contextlib
import os

from keras_bigdata.errors import StorageError
from keras_bigdata.storage.paths.remote_path import MIN_RATE, RemotePath
from keras_bigdata.storage.requests.request import (
    TIMEOUT,
    TransferError,
    call_driver,
    request,
)
from keras_bigdata.storage.urls.filesystem import open_filesystem


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
        limit = TIMEOUT + size / MIN_RATE
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


def probe_writable(path: RemotePath) -> None:
    """Checks that a file can be written, by writing and deleting a small one with a similar name.

    Raises:
        StorageError: if it cannot.
    """
    probe = path.parent / f".writable-{path.name}"
    probe.write_bytes(b"This file shows that its directory can be written.")
    with contextlib.suppress(StorageError):  # a store may allow to write, and not to delete
        probe.remove()
