"""The files in the directory of a set, on this machine or in a store, listed once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_bigdata.errors import ShardError
from keras_bigdata.shards.index.shard_index import INDEX_NAME
from keras_bigdata.shards.index.unfinished import Unfinished, find_unfinished
from keras_bigdata.shards.opening.pickle_files import (
    has_index,
    missing_path_error,
    names_among,
    pickle_names,
    pickles_among,
    temporary_among,
    temporary_names,
)
from keras_bigdata.shards.shards import Shards
from keras_bigdata.storage.paths.listed_sizes import has_listing
from keras_bigdata.storage.paths.place import absolute_place, check_options_used
from keras_bigdata.storage.paths.remote_path import RemotePath


@dataclass(frozen=True, slots=True)
class SetFiles:
    """The files of one directory.

    Args:
        directory: the directory.
        sizes: of a directory of a store, name -> size of each file below it, as they were listed.
            `None` for a directory of this machine, and of a web server, which has no listings.
    """

    directory: Path | RemotePath
    sizes: Mapping[str, int] | None = None

    @property
    def is_listed(self) -> bool:
        """Whether the names of the files are known."""
        return isinstance(self.directory, Path) or self.sizes is not None

    def pickles(self) -> list[str]:
        """Returns the names of the pickles, without those of sets below the directory."""
        if isinstance(self.directory, Path):
            return pickle_names(self.directory)
        return pickles_among(names_among(self.sizes or ()))

    def temporary(self) -> list[str]:
        """Returns the names of the temporary files that killed writers have left."""
        if isinstance(self.directory, Path):
            return temporary_names(self.directory)
        return temporary_among(names_among(self.sizes or ()))

    def has_index(self) -> bool:
        """Returns whether there is an index, as far as that is known without a listing."""
        if isinstance(self.directory, Path):
            return has_index(self.directory)
        return self.sizes is None or INDEX_NAME in self.sizes

    def unfinished(self) -> Unfinished | None:
        """Returns the writer that has not finished, or `None`."""
        if isinstance(self.directory, Path):
            return find_unfinished(os.listdir(self.directory))
        return find_unfinished({name.partition("/")[0] for name in self.sizes or ()})

    def exists(self, name: str) -> bool:
        """Returns whether there is a file of this name."""
        if isinstance(self.directory, Path):
            return os.path.exists(self.directory / name)
        if self.sizes is not None:
            return name in self.sizes
        return (self.directory / name).exists()


def checked_directory(
    directory: Any, argument: str, storage_options: Mapping[str, Any] | None = None
) -> Path | RemotePath:
    """Returns the absolute path of a directory that exists and may be entered, or a URL.

    Args:
        directory: the path or URL.
        argument: its name, for the messages.
        storage_options: the options of the driver of a URL. Defaults to `None`.

    Raises:
        ShardError: if it does not exist, or may not be entered.
        TypeError: if it is not a path, such as a `Shards`.
        ValueError: if it is not a valid URL.
    """
    if isinstance(directory, Shards):
        raise TypeError(
            f"`{argument}` must be the path of a directory: whole files are checked, not selected "
            f"rows. Pass each directory by itself. Received: {argument}={directory!r}"
        )
    place = absolute_place(directory, argument, storage_options)
    if isinstance(place, RemotePath):
        return place
    if not os.path.isdir(place):
        raise missing_path_error(place, "directory")
    has_index(place)  # raises if the directory may not be entered
    return place


def checked_directories(
    first: Any, argument: str, second: Any, second_argument: str, storage_options: Any
) -> tuple[Path | RemotePath, Path | RemotePath | None]:
    """Returns two directories as `checked_directory` does; the second may be `None`.

    Raises:
        ValueError: if there are options, and neither directory is a URL.
    """
    one = checked_directory(first, argument, storage_options)
    two = None if second is None else checked_directory(second, second_argument, storage_options)
    check_options_used(storage_options, one, two)
    return one, two


def list_files(directory: Path | RemotePath) -> SetFiles:
    """Lists the files of a directory, with one listing in a store.

    Raises:
        ShardError: if there is nothing at a URL.
        StorageError: if the store cannot be reached.
    """
    if isinstance(directory, Path) or not has_listing(directory):
        return SetFiles(directory)
    sizes = directory.list_sizes()
    if not sizes:
        raise ShardError(f"{directory}: there are no files at this URL. Check it.")
    return SetFiles(directory, sizes)
