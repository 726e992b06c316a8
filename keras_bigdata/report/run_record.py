"""The record of a training in its directory."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_bigdata.errors import BigDataError
from keras_bigdata.files import replace_file
from keras_bigdata.storage.paths.place import as_place
from keras_bigdata.storage.paths.remote_path import RemotePath

VERSION = 1
FILE = "run.json"

_SECTIONS = ("data", "order", "model", "software")


def write_run(directory: Path | RemotePath, document: Mapping[str, Any]) -> None:
    """Replaces the record in a directory; it is complete at any instant.

    Raises:
        OSError, StorageError: if it cannot be written.
    """
    text = json.dumps({"version": VERSION, **document}, indent=1)
    if isinstance(directory, RemotePath):
        (directory / FILE).write_bytes(text.encode())
        return

    def write(path: Path) -> None:
        path.write_text(text, encoding="utf-8")

    replace_file(directory / FILE, write)


def read_run(
    directory: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Returns the record in a directory.

    Args:
        directory: path or URL.
        storage_options: options of the fsspec driver of a URL. Defaults to `None`.

    Raises:
        BigDataError: if there is no record, or if the file is not one.
        StorageError: if it cannot be read.
    """
    place = as_place(directory, "directory", storage_options)
    file = place / FILE
    try:
        document: dict[str, Any] = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise BigDataError(
            f"{directory}: there is no {FILE}. It is written by InputReport(directory=...), passed "
            "to `fit` as a callback."
        ) from error
    except ValueError as error:
        raise BigDataError(f"{file}: is not the record of a training ({error}).") from error
    version = document.get("version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise BigDataError(
            f"{file}: was written by a newer keras_bigdata (format {version}; this one reads up to "
            f"{VERSION}). Install a newer release."
        )
    epochs = document.get("epochs") if version == VERSION else None
    is_record = isinstance(epochs, list) and all(
        isinstance(each, dict) and isinstance(each.get("logs"), dict) for each in epochs
    )
    if not is_record or not all(isinstance(document.get(name), dict) for name in _SECTIONS):
        raise BigDataError(f"{file}: is not the record of a training.")
    return document
