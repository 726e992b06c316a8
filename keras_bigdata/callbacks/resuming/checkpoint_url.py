"""The checkpoints behind a URL: each is uploaded in one piece from a temporary local file."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from keras_bigdata.callbacks.resuming import checkpoint_file
from keras_bigdata.callbacks.resuming.checkpoint_directory import CheckpointDirectory
from keras_bigdata.callbacks.resuming.checkpoint_file import EncodedDocument
from keras_bigdata.callbacks.resuming.checkpoint_owner import CheckpointOwner
from keras_bigdata.callbacks.resuming.checkpoints import Checkpoints
from keras_bigdata.storage.copies.transfer import download, list_names
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.writing.private_file import private_file

# The share of its duration for which an upload counts as processor time of the training. With the
# default interval, which is 100 times that, uploads take at most a tenth of the time.
_UPLOAD_COST = 0.1


class CheckpointURL(Checkpoints):
    """Checkpoints that are objects of a store.

    The put of a numbered checkpoint makes it the newest one: a store shows an object complete or
    not at all. Names that are listed are never taken from a cache of the driver.

    Args:
        path: the directory.
    """

    path: RemotePath

    def __init__(self, path: RemotePath) -> None:
        super().__init__(path)
        self._owner = CheckpointOwner(path)
        self._upload_seconds = 0.0

    def _acquire(self) -> None:
        self._owner.claim()

    def _release(self) -> None:
        self._owner.release()

    def _names(self) -> list[str]:
        return list_names(self.path)

    def _read_file(self, name: str) -> Any:
        with private_file(name) as file:
            download(self.path / name, file)
            return checkpoint_file.read(file, self.path / name)

    def _write_file(self, name: str, encoded: EncodedDocument) -> None:
        with private_file(name) as file:
            checkpoint_file.write_unsynced(file, encoded)
            self._owner.check()
            start = time.perf_counter()
            (self.path / name).upload(file)
            self._upload_seconds = time.perf_counter() - start

    def _remove_file(self, name: str) -> None:
        (self.path / name).remove()

    def _write(self, name: str, encoded: EncodedDocument) -> None:
        super()._write(name, encoded)
        self.write_seconds = max(self.write_seconds, self._upload_seconds * _UPLOAD_COST)


def checkpoints_in(place: Path | RemotePath) -> Checkpoints:
    """Returns the checkpoints of a directory or of a URL.

    Raises:
        ValueError: if the place is a file on this machine.
    """
    if isinstance(place, RemotePath):
        return CheckpointURL(place)
    if place.exists() and not place.is_dir():
        raise ValueError(
            f"`directory` must be a directory, not a file. Received: directory={str(place)!r}"
        )
    return CheckpointDirectory(Path(os.path.realpath(place)))
