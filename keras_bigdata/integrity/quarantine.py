"""Moves files that are no longer used into a folder of the set. Nothing is deleted."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from keras_bigdata.errors import ShardError, StorageError
from keras_bigdata.integrity.set_files import SetFiles
from keras_bigdata.storage.paths.remote_path import RemotePath

# Subdirectory of the shards' directory for files that are no longer used. Their names end in
# `.quarantined`, so that none is taken for a shard.
QUARANTINE = "quarantine"

# Schemes of stores that are only read.
_READ_ONLY = ("http", "https")


class Quarantine:
    """The files of a set that are no longer used.

    In a directory they are renamed. A store cannot rename, so they are copied before the index is
    written: if the store refuses the copy, the repair ends before anything else was changed. They
    are removed from their former place after the index was written.

    Args:
        files: the files of the set.
    """

    def __init__(self, files: SetFiles) -> None:
        self._files = files
        self._copies: dict[str, RemotePath] = {}

    def prepare(self, names: Sequence[str], *, kept: Sequence[str] = ()) -> None:
        """Copies the files that `move` will move within a store, and files that stay in place.

        Args:
            names: the files that `move` will be called with; those that do not exist are left out.
            kept: files that stay in place and are replaced afterwards. They are copied in a
                directory too.

        Raises:
            StorageError: if the store refuses it. Nothing was changed but the copies.
        """
        directory = self._files.directory
        for name in kept:
            if self._files.exists(name):
                self._copy(name)
        if isinstance(directory, Path):
            return
        for name in names:
            if self._files.exists(name):
                self._copies[name] = self._copy_remote(directory / name, name)

    def move(self, names: Sequence[str]) -> list[str]:
        """Moves files that `prepare` was called with; those that do not exist are left out.

        Returns:
            A sentence about each file that could not be removed from its former place.
        """
        directory = self._files.directory
        if isinstance(directory, Path):
            for name in names:
                if os.path.exists(directory / name):
                    os.rename(directory / name, _free_name(directory, name))
            return []
        left = []
        for name in names:
            if name not in self._copies:
                continue
            try:
                (directory / name).call("cannot be removed", "rm_file")
            except FileNotFoundError:
                continue
            except StorageError as error:
                left.append(
                    f"{directory / name}: was copied to {self._copies[name]}, and could not be "
                    f"removed; the index does not name it any more ({error})"
                )
        return left

    def set_aside(self, name: str) -> None:
        """Moves a file that is replaced next; in a store, copies it, as it is replaced atomically.

        A file that does not exist is left out.
        """
        if isinstance(self._files.directory, Path):
            self.move([name])
        elif self._files.exists(name):
            self._copy_remote(self._files.directory / name, name)

    def _copy(self, name: str) -> None:
        directory = self._files.directory
        if isinstance(directory, Path):
            shutil.copy2(directory / name, _free_name(directory, name))
        else:
            self._copy_remote(directory / name, name)

    def _copy_remote(self, path: RemotePath, name: str) -> RemotePath:
        """Copies a file within the store, and checks the size of the copy."""
        names = (
            f"{QUARANTINE}/{name}{f'-{number}' if number > 1 else ''}.quarantined"
            for number in itertools.count(1)
        )
        target = next(each for each in names if not self._files.exists(each))
        assert isinstance(self._files.directory, RemotePath)
        copy = self._files.directory / target
        path.call("cannot be copied", "cp_file", copy.driver_path())
        if copy.size() != path.size():
            raise StorageError(
                f"{copy}: is a copy of another size than {path}. Nothing else was changed."
            )
        return copy


def check_not_web_server(directory: Path | RemotePath) -> None:
    """Checks that a set is not on a web server, where nothing can be written.

    Raises:
        ShardError: if it is.
    """
    if isinstance(directory, RemotePath) and directory.scheme in _READ_ONLY:
        raise ShardError(
            f"{directory}: is on a web server, which is only read. Repair the set where it is "
            "written: a directory, or the URL of an object store."
        )


def _free_name(directory: Path, name: str) -> Path:
    """Returns an unused path in the quarantine, and creates its directory."""
    place = directory / QUARANTINE / name
    place.parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        path = place.with_name(f"{place.name}{f'-{number}' if number > 1 else ''}.quarantined")
        if not path.exists():
            return path
    raise AssertionError
