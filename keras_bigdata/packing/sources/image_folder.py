"""Class folders of pictures as a source for `pack`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_bigdata.arguments import checked_choice
from keras_bigdata.errors import PackError
from keras_bigdata.files import walk_directory
from keras_bigdata.packing.sources.base import Pictures, checked_size, known, label_problems
from keras_bigdata.packing.sources.file_names import class_folders
from keras_bigdata.packing.sources.images import COLORS, Color, is_picture
from keras_bigdata.packing.sources.labels import class_numbers


class ImageFolder(Pictures):
    """A folder with one folder of pictures for each class: `flowers/rose/0001.jpg`.

    Makes the fields `images` (uint8, `(rows, height, width, channels)`), the input, and `labels`
    (int32 class numbers, `(rows,)`), the targets. The classes are the names of the folders in
    alphabetical order, empty ones included. Files below them are taken at any depth by their
    suffix (`.jpg`, `.png`, `.tif`, ...); hidden files and folders are left out.

    Args:
        directory: the folder that holds the class folders.
        size: `(height, width)` in pixels.
        color: `"rgb"` or `"grey"`. Defaults to `"rgb"`.
        classes: the names in the order of their numbers, as a list, or a source or `ShardIndex`
            to take them from. Defaults to `None`: the class folders there are.

    Raises:
        PackError: if there is no such folder, or no picture in a class folder.
        ValueError: if an argument makes no sense.

    Example:

    ```python
    train = ImageFolder("flowers/train", size=(128, 128))
    pack(train, "shards/train")
    pack(ImageFolder("flowers/test", size=(128, 128), classes=train), "shards/test")
    ```
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        size: tuple[int, int],
        color: Color = "rgb",
        classes: Any = None,
    ) -> None:
        size, color = checked_size(size), checked_choice(color, "color", COLORS)
        folder = Path(directory)
        folders = class_folders(folder)
        names: list[str] = []
        labels: list[Any] = []
        for label in folders:
            found = _pictures_below(folder, label)
            names += found
            labels += [label] * len(found)
        if not names:
            raise PackError(
                f"{folder}: there are no pictures in class folders. Expected files such as "
                f"{folder / 'cat' / '1.jpg'}; found folders: {', '.join(folders) or 'none'}. For "
                "pictures without class folders use ImageTable."
            )
        classes = folders if classes is None else known(classes, "classes", "classes")
        numbers = class_numbers(labels, classes)
        super().__init__(
            folder,
            names,
            size,
            color,
            columns={"labels": np.asarray(numbers, np.int32)},
            targets="labels",
            classes=classes,
            problems=label_problems(labels, numbers, classes),
        )


def _pictures_below(folder: Path, label: str) -> list[str]:
    """Paths, relative to the folder, of the pictures of one class, in alphabetical order."""
    names = []
    for place, _, files in walk_directory(folder / label, follow_links=False, error=PackError):
        names += [
            os.path.relpath(os.path.join(place, file), folder) for file in files if is_picture(file)
        ]
    return names
