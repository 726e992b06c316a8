"""Lists the files in class folders, and what is left out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.files import walk_directory
from keras_bigdata.images.open_image import is_image_file
from keras_bigdata.packing.sources.tables.class_filter import LeftOut, is_class_filter, leave_out
from keras_bigdata.packing.sources.tables.labels import (
    NO_CLASS,
    class_numbers,
    preview,
    resolve_classes,
)
from keras_bigdata.representation import format_count

# Folders that systems and programs create among those of the user.
_SYSTEM_FOLDERS = {
    *("__MACOSX", "__pycache__", "lost+found", "@eaDir", "$RECYCLE.BIN"),
    "System Volume Information",
}
_VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"}
_SYSTEM_FILES = {"Thumbs.db", "desktop.ini"}

# Names that a note lists.
_LISTED_NAMES = 3


class ClassFolders:
    """The folders of the classes in a folder, and what was left out when they were listed.

    Hidden files and folders are ignored. Links are followed.

    Args:
        folder: The folder that holds the class folders.

    Attributes:
        names: The names of the class folders, in alphabetical order.

    Raises:
        PackError: If the folder does not exist or cannot be listed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            is_folder = folder.is_dir()
        except OSError as error:  # in a folder that may not be entered
            raise PackError(f"{folder}: cannot be read ({error.strerror}).") from error
        if not is_folder:
            raise PackError(f"{folder}: there is no such folder.")
        self.folder = folder
        self._system_folders: list[str] = []
        self._without_folder: list[str] = []
        self._not_images: list[str] = []
        self._label_of_place: dict[str, str] = {}
        self.names = self.list_folders(".")

    def list_folders(self, name: str) -> list[str]:
        """Returns the names of the folders in one, in alphabetical order.

        Args:
            name: `"."`, or the name of a class, whose folders then belong to it.
        """
        for path, folders, files in walk_directory(self.folder / name, error=PackError):
            self._leave_out_system_folders(path, folders)
            self._without_folder += [self._relative(path, file) for file in files if _is_data(file)]
            found = [folder for folder in folders if not folder.startswith(".")]
            for folder in found if name != "." else ():
                self._assign(os.path.join(path, folder), name)
            return found
        return []

    def list_images(self, label: str) -> list[str]:
        """Returns the paths of the images of one class, relative to the folder, in a fixed order.

        Raises:
            PackError: If a folder cannot be listed, if a link leads to a folder around it, or if a
                folder is reached by two classes.
        """
        root = os.path.realpath(self.folder / label)
        names = []
        for path, folders, files in walk_directory(self.folder / label, error=PackError):
            place = os.path.realpath(path)
            if place != root and os.path.commonpath([place, root]) == place:
                raise PackError(
                    f"{path}: is a link to a folder that the link itself is in. Remove it."
                )
            self._assign(path, label)
            self._leave_out_system_folders(path, folders)
            for file in files:
                name = self._relative(path, file)
                if is_image_file(file):
                    names.append(name)
                elif not file.startswith(".") and file not in _SYSTEM_FILES:
                    self._not_images.append(name)
        return names

    def notes(self) -> list[str]:
        """Returns what was left out, as sentences."""
        parts = (
            (self._system_folders, "folder", "of the system"),
            (self._without_folder, "file", "in no folder of a class or video"),
            (self._not_images, "file", "without the suffix of an image"),
        )
        return [
            f"{self.folder}: left out {format_count(len(names), what)} {which}: {_list(names)}"
            for names, what, which in parts
            if names
        ]

    def _assign(self, path: str, label: str) -> None:
        """Assigns a folder to a class, and refuses one that belongs to another."""
        place = os.path.realpath(path)
        other = self._label_of_place.setdefault(place, label)
        if other != label:
            raise PackError(
                f"{path}: its images would belong to two classes, {other!r} and {label!r}, because "
                f"both lead to {place}. Remove one of the links."
            )

    def _leave_out_system_folders(self, path: str, folders: list[str]) -> None:
        found = [folder for folder in folders if folder in _SYSTEM_FOLDERS]
        self._system_folders += [self._relative(path, folder) for folder in found]
        folders[:] = [folder for folder in folders if folder not in found]

    def _relative(self, path: str, name: str) -> str:
        return os.path.relpath(os.path.join(path, name), self.folder)


def choose_folders(
    labels: Sequence[str], classes: Any, folders: ClassFolders
) -> tuple[list[Any], npt.NDArray[np.int32], LeftOut]:
    """Returns the classes, the class number of each row, and the rows that are left out.

    Args:
        labels: The name of the class folder of each row.
        classes: The argument of that name: a list selects folders, if each of its classes has
            rows; a source or index does not.
        folders: The folders.

    Raises:
        ValueError: If a folder is not among the classes, and is not left out.
    """
    names = folders.names if classes is None else resolve_classes(classes)
    with_rows = list(dict.fromkeys(labels))
    numbers = class_numbers(with_rows, names)
    number_of_folder = dict(zip(with_rows, numbers, strict=True))
    unknown = [name for name in with_rows if number_of_folder[name] == NO_CLASS]
    absent = [name for number, name in enumerate(names) if number not in numbers]
    if unknown and (absent or not is_class_filter(classes)):
        reason = (
            f"It lists {preview(absent)} without a file, so that it may be misspelled: list "
            "folders that hold files to select them, or all of them to number them."
            if is_class_filter(classes)
            else "They are the classes of a source or index, which has not seen these: move the "
            "folders elsewhere, or pass a list of the folders to select."
        )
        raise ValueError(
            f"`classes` ({preview(names)}) does not name {len(unknown)} of the {len(with_rows)} "
            f"folders in {folders.folder}: {preview(unknown)}. {reason}"
        )
    left_out = leave_out(labels, names, str(folders.folder)) if unknown else LeftOut()
    kept = labels if left_out.kept is None else [labels[row] for row in left_out.kept]
    return names, np.asarray([number_of_folder[label] for label in kept], np.int32), left_out


def _is_data(file: str) -> bool:
    """Returns whether a file is an image or a video."""
    suffix = os.path.splitext(file)[1].lower()
    return is_image_file(file) or (suffix in _VIDEO_SUFFIXES and not file.startswith("."))


def _list(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _LISTED_NAMES else ""
    return ", ".join(names[:_LISTED_NAMES]) + more
