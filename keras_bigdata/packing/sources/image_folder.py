"""Images in class folders as a source for `pack`."""

from __future__ import annotations

import os
from typing import Any

from keras_bigdata.arguments import checked_choice
from keras_bigdata.errors import PackError
from keras_bigdata.files import local_path
from keras_bigdata.images.open_image import COLORS, Color
from keras_bigdata.images.resizing import Form, Interpolation, PixelDtype, ResizeMode
from keras_bigdata.packing.sources.image_rows import ImageRows
from keras_bigdata.packing.sources.images.class_folders import ClassFolders, choose_folders
from keras_bigdata.packing.sources.images.image_store import Store, checked_store
from keras_bigdata.shards.fields.standard_fields import LABELS


class ImageFolder(ImageRows):
    """A folder with one folder of images for each class: `flowers/rose/0001.jpg`.

    The fields are

    - `images` (uint8, `(rows, height, width, channels)`, or another `dtype`), the input,
    - `labels` (int32 class numbers, `(rows,)`), the target.

    The classes are the names of the class folders in alphabetical order, empty ones included.
    The files in a class folder, at any depth, are images by their suffix (`.jpg`, `.png`, `.tif`,
    ...). Links to files and folders are followed. Hidden files and folders are ignored. `pack`
    reports other files that are left out, and folders of the system such as `__MACOSX`. Only
    the first page (TIFF) or frame (GIF, WebP) of a file is packed.

    Args:
        directory: The folder that holds the class folders.
        size: `(height, width)` in pixels. Images of any size are resized to it. Defaults to `None`,
            with `store="file"` only.
        color: `"rgb"` or `"grayscale"`. Defaults to `"rgb"`.
        resize, interpolation, dtype: As in `ImageTable`. Default to `"stretch"`, `"bilinear"` and
            `"uint8"`.
        store: How the images are stored: `"pixels"`, `"jpeg"`, `"png"`, `"file"` or `"auto"`, as in
            `ImageTable`. Defaults to `"pixels"`.
        quality: Quality of the images that are stored as JPEG, 1 to 100; with `store="jpeg"` and
            `"auto"` only. Defaults to `None`: 90.
        classes: The names of the classes in the order of their numbers. A list selects: the files
            of other folders are left out, which `pack` reports, if each class of the list has
            files. It may also name all folders, and more. A source or `ShardIndex` must name all
            folders that hold images. Defaults to `None`: the class folders.

    Raises:
        PackError: If the folder does not exist, if there is no image in a class folder, or if
            links lead to one folder from two classes.
        ValueError: If `size`, `color` or `classes` has a value that is not allowed, if a class
            folder is not among `classes`, or if `store` and other arguments do not go together.
        TypeError: If `quality` or an entry of `size` is not an integer.

    Example:

    ```python
    train = ImageFolder("flowers/train", size=(128, 128))
    pack(train, "shards/train")
    pack(ImageFolder("flowers/test", size=(128, 128), classes=train), "shards/test")
    two = ImageFolder("flowers/train", size=(128, 128), classes=["tulip", "rose"])
    small = ImageFolder("flowers/train", size=(128, 128), store="jpeg")
    as_they_are = ImageFolder("flowers/train", store="file")
    ```
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        size: tuple[int, int] | None = None,
        color: Color = "rgb",
        resize: ResizeMode = "stretch",
        interpolation: Interpolation = "bilinear",
        dtype: PixelDtype = "uint8",
        store: Store = "pixels",
        quality: int | None = None,
        classes: Any = None,
    ) -> None:
        color = checked_choice(color, "color", COLORS)
        form = Form(resize, interpolation, dtype)
        stored, size = checked_store(store, quality, size, form)
        folders = ClassFolders(local_path(directory, "directory"))
        names: list[str] = []
        labels: list[str] = []
        for label in folders.names:
            files = folders.list_images(label)
            names += files
            labels += [label] * len(files)
        folder = folders.folder
        if not names:
            raise PackError(
                f"{folder}: there are no images in class folders. Expected files such as "
                f"{folder / 'cat' / '1.jpg'}; found folders: {', '.join(folders.names) or 'none'}. "
                "For images without class folders use ImageTable."
            )
        classes, numbers, left_out = choose_folders(labels, classes, folders)
        super().__init__(
            folder,
            names if left_out.kept is None else [names[row] for row in left_out.kept],
            size,
            color,
            columns={LABELS: numbers},
            form=form,
            store=stored,
            targets=LABELS,
            classes=classes,
            notes=folders.notes() + left_out.notes(str(folder)),
            left_out=left_out.counts,
        )
