"""Keeps the best weights of an earlier training in the same file, if they are better."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path
from typing import Any

from keras_bigdata.callbacks.best_weights.best_weights_file import (
    SUFFIX,
    BestRecord,
    read_record,
    write_best,
)
from keras_bigdata.errors import StorageError
from keras_bigdata.files import atomic_path
from keras_bigdata.storage.copies.transfer import download
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.writing.private_file import private_file


class FormerWeights:
    """Keeps the weights of an earlier training under another name, until a training beats them.

    Args:
        path: the file for the best weights, also behind a URL.
    """

    def __init__(self, path: Path | RemotePath) -> None:
        self._path = path
        self._written: BestRecord | None = None
        self._kept: list[tuple[Path | RemotePath, BestRecord]] = []

    def replace(self, model: Any, record: BestRecord, is_first: bool) -> None:
        """Replaces the file with the weights of a model, and keeps former ones that are better.

        Args:
            model: the model.
            record: the score of its weights.
            is_first: whether this training has written no weights before.

        Raises:
            OSError: if the file cannot be written.
        """
        self.before_replacing(record, is_first=is_first)
        write_best(self._path, model, record)
        self.after_replacing(record)

    def before_replacing(self, record: BestRecord, *, is_first: bool) -> None:
        """Keeps the weights of another training that are about to be replaced, with a warning.

        A file whose score is not better is replaced. One whose score cannot be compared is kept.

        Args:
            record: the score of the weights that will be written.
            is_first: whether this training has written no weights before.

        Raises:
            OSError, StorageError: if the file cannot be kept.
        """
        if not self._path.exists() or not (is_first or self._written):
            return
        try:
            former = read_record(self._path)
        except ValueError:
            self._keep("weights without a score, which another program wrote.", "Pass")
            return
        if former == self._written or not _is_better(former, record):
            return
        is_same = (former.monitor, former.mode) == (record.monitor, record.mode)
        kept = self._keep(
            f"weights of another training with {former.monitor} {former.value:.6g}, which this "
            f"training ({record.monitor} {record.value:.6g} in epoch {record.epoch + 1}) has not "
            "reached.",
            "Pass resume=True to continue from that score, or" if is_same else "Pass",
        )
        self._kept.append((kept, former))

    def after_replacing(self, record: BestRecord) -> None:
        """Removes the weights that were kept in this training and are no longer better."""
        self._written = record
        beaten = [entry for entry in self._kept if not _is_better(entry[1], record)]
        for entry in beaten:
            self._kept.remove(entry)
            _remove(entry[0])

    def _keep(self, description: str, advice: str) -> Path | RemotePath:
        kept = _keep_under_free_name(self._path)
        warnings.warn(
            f"{self._path} held {description} They are kept in {kept}. {advice} another "
            "`filepath` for each training.",
            stacklevel=4,
        )
        return kept


def _is_better(former: BestRecord, record: BestRecord) -> bool:
    """Returns whether the former weights are better, or cannot be compared."""
    if (former.monitor, former.mode) != (record.monitor, record.mode):
        return True
    if record.mode == "min":
        return former.value < record.value
    return former.value > record.value


def _remove(path: Path | RemotePath) -> None:
    if isinstance(path, Path):
        path.unlink(missing_ok=True)
        return
    try:
        path.remove()
    except StorageError as error:
        warnings.warn(f"{error} The file is no longer needed.", stacklevel=5)


def _keep_under_free_name(path: Path | RemotePath) -> Path | RemotePath:
    """Links or copies a file to a name that no file has yet, such as `best.former-1.weights.h5`."""
    number = 1
    while True:
        kept = path.parent / f"{path.name.removesuffix(SUFFIX)}.former-{number}{SUFFIX}"
        number += 1
        if kept.exists():
            continue
        if isinstance(path, RemotePath):
            _copy(path, path.parent / kept.name)
            return kept
        assert isinstance(kept, Path)
        target = Path(os.path.realpath(path))
        try:
            os.link(target, kept)
        except FileExistsError:  # another process was faster
            continue
        except OSError:  # a file system without links
            with atomic_path(kept) as temporary:
                shutil.copy2(target, temporary)
        return kept


def _copy(path: RemotePath, kept: RemotePath) -> None:
    # Some stores copy in the background: the original could be replaced before.
    with private_file(path.name) as local:
        download(path, local)
        kept.upload(local)
