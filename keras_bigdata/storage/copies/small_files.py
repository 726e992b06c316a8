"""Reads or removes many small files at the same time."""

from __future__ import annotations

from collections.abc import Sequence

from keras_bigdata.storage.copies.fetch import submit
from keras_bigdata.storage.paths.remote_path import RemotePath


def read_files(paths: Sequence[RemotePath]) -> list[bytes | None]:
    """Returns the contents of files; `None` for one that does not exist.

    Raises:
        StorageError: if one cannot be read.
    """
    contents: list[bytes | None] = [None] * len(paths)

    def read(number: int) -> None:
        try:
            contents[number] = paths[number].read_bytes()
        except FileNotFoundError:
            contents[number] = None

    for each in [submit(read, number) for number in range(len(paths))]:
        each.result()
    return contents


def remove_files(paths: Sequence[RemotePath]) -> None:
    """Removes files.

    Raises:
        StorageError: if one cannot be removed.
    """

    def remove(number: int) -> None:
        paths[number].remove()

    for each in [submit(remove, number) for number in range(len(paths))]:
        each.result()
