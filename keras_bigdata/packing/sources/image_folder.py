"""Images in class folders as a source for `pack`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from keras_bigdata.arguments import checked_choice
from keras_bigdata.errors import PackError
from keras_bigdata.files import walk_directory
from keras_bigdata.packing.sources.image_rows import ImageRows
from keras_bigdata.packing.sources.images import COLORS, Color, checked_size, is_image_file
from keras_bigdata.packing.sources.labels import encode_labels, resolve_classes


class ImageFolder(ImageRows):
    """A folder with one folder of images for each class: `flowers/rose/0001.jpg`.

    The fields are

    - `images` (uint8, `(rows, height, width, channels)`), the input,
    - `labels` (int32 class numbers, `(rows,)`), the target.

    The classes are the names of the class folders in alphabetical order, empty ones included.
    The files in a class folder, at any depth, are images by their suffix (`.jpg`, `.png`, `.tif`,
    ...). Hidden files and folders are ignored.

    Args:
        directory: The folder that holds the class folders.
        size: `(height, width)` in pixels. Images of any size are stretched to it.
        color: `"rgb"` or `"grayscale"`. Defaults to `"rgb"`.
        classes: The names of the classes in the order of their numbers, as a list, or a source or
            `ShardIndex` to take them from. Defaults to `None`: the class folders.

    Raises:
        PackError: If the folder does not exist, or if there is no image in a class folder.
        ValueError: If `size`, `color` or `classes` has a value that is not allowed.
        TypeError: If an entry of `size` is not an integer.

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
        folders = list_subfolders(folder)
        names: list[str] = []
        labels: list[Any] = []
        for label in folders:
            files = _list_images(folder, label)
            names += files
            labels += [label] * len(files)
        if not names:
            raise PackError(
                f"{folder}: there are no images in class folders. Expected files such as "
                f"{folder / 'cat' / '1.jpg'}; found folders: {', '.join(folders) or 'none'}. For "
                "images without class folders use ImageTable."
            )
        classes = folders if classes is None else resolve_classes(classes)
        numbers, problems = encode_labels(labels, classes)
        super().__init__(
            folder,
            names,
            size,
            color,
            columns={"labels": numbers},
            targets="labels",
            classes=classes,
            problems=problems,
        )


def list_subfolders(folder: Path) -> list[str]:
    """Returns the names of the folders in a folder, in alphabetical order, without hidden ones."""
    if not folder.is_dir():
        raise PackError(f"{folder}: there is no such folder.")
    return sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "."
    )


def _list_images(folder: Path, label: str) -> list[str]:
    """Returns the paths of the images of one class, relative to the folder, in a fixed order."""
    names = []
    for place, _, files in walk_directory(folder / label, follow_links=False, error=PackError):
        names += [
            os.path.relpath(os.path.join(place, file), folder)
            for file in files
            if is_image_file(file)
        ]
    return names
