"""Videos as folders of frames, as a source for `pack`."""

from __future__ import annotations

import os
from typing import Any

from keras_bigdata.arguments import checked_choice, checked_int
from keras_bigdata.errors import PackError
from keras_bigdata.files import local_path
from keras_bigdata.images.open_image import COLORS, Color
from keras_bigdata.images.resizing import Form, Interpolation, PixelDtype, ResizeMode
from keras_bigdata.packing.sources.image_rows import ImageRows
from keras_bigdata.packing.sources.images.class_folders import ClassFolders, choose_folders
from keras_bigdata.packing.sources.images.image_store import Store, checked_store
from keras_bigdata.shards.fields.standard_fields import LABELS


class FrameFolder(ImageRows):
    """Videos as folders of images, in one folder for each class: `clips/wave/0001/frame1.jpg`.

    The fields are

    - `videos` (uint8 or another `dtype`, `(rows, frames, height, width, channels)`), the input,
    - `labels` (int32 class numbers, `(rows,)`), the target.

    `frames` images are read from each video, evenly spaced from the first to the last one, in the
    order of the numbers in their names. From a shorter video some are read more than once. The
    classes are the names of the class folders in alphabetical order. Hidden files and folders are
    ignored; `pack` reports other files that are not in the folder of a video, and folders of the
    system such as `__MACOSX`. If the labels of the videos are in a table, use
    `ImageTable(frames=...)`.

    Args:
        directory: The folder that holds the class folders.
        frames: Number of images to read from each video.
        size: `(height, width)` in pixels. Images of any size are resized to it.
        color: `"rgb"` or `"grayscale"`. Defaults to `"rgb"`.
        resize, interpolation, dtype: As in `ImageTable`. Default to `"stretch"`, `"bilinear"` and
            `"uint8"`.
        store: `"pixels"`; the other forms of `ImageTable` are for rows of one image. Defaults to
            `"pixels"`.
        quality: As in `ImageTable`; videos are not stored as JPEG. Defaults to `None`.
        classes: The names of the classes in the order of their numbers. A list selects: the files
            of other folders are left out, which `pack` reports, if each class of the list has
            files. It may also name all folders, and more. A source or `ShardIndex` must name all
            folders that hold videos. Defaults to `None`: the class folders.

    Raises:
        PackError: If the folder does not exist, or if there is no video in a class folder.
        ValueError: If `frames`, `size`, `color` or `classes` has a value that is not allowed, or if
            a class folder is not among `classes`.
        TypeError: If `frames` or an entry of `size` is not an integer.

    Example:

    ```python
    from keras_bigdata import FrameFolder

    train, validation = FrameFolder("clips", frames=8, size=(64, 64)).split(0.2)
    pack(train, "shards/clips")
    ```
    """

    # A row is several images.
    thread_rows = 500

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        frames: int,
        size: tuple[int, int],
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
        stored, checked = checked_store(store, quality, size, form, frames=frames)
        frames = checked_int(frames, "frames", 1)
        folders = ClassFolders(local_path(directory, "directory"))
        folder = folders.folder
        videos = [
            (label, video) for label in folders.names for video in folders.list_folders(label)
        ]
        if not videos:
            raise PackError(
                f"{folder}: there are no videos in class folders. Expected folders of frames such "
                f"as {folder / 'wave' / '0001'}; found folders: "
                f"{', '.join(folders.names) or 'none'}. For videos without class folders use "
                "ImageTable(frames=...)."
            )
        classes, numbers, left_out = choose_folders(
            [label for label, _ in videos], classes, folders
        )
        if left_out.kept is not None:
            videos = [videos[row] for row in left_out.kept]
        super().__init__(
            folder,
            [os.path.join(label, video) for label, video in videos],
            checked,
            color,
            columns={LABELS: numbers},
            frames=frames,
            form=form,
            store=stored,
            targets=LABELS,
            classes=classes,
            notes=folders.notes() + left_out.notes(str(folder)),
            left_out=left_out.counts,
        )
