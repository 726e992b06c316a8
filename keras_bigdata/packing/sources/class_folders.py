"""The class folders of a folder."""

from __future__ import annotations

from pathlib import Path

from keras_bigdata.errors import PackError


def class_folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, in alphabetical order, without hidden ones."""
    if not folder.is_dir():
        raise PackError(f"{folder}: there is no such folder.")
    return sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "."
    )
