"""Videos as folders of frames, as a source for `pack`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_bigdata.arguments import checked_choice, checked_int
from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.base import (
    Pictures,
    checked_size,
    known,
    label_problems,
)
from keras_bigdata.packing.sources.file_names import class_folders
from keras_bigdata.packing.sources.images import COLORS, Color
from keras_bigdata.packing.sources.labels import class_numbers


class FrameFolder(Pictures):
    """Videos as folders of pictures, in one folder for each class: `clips/wave/0001/frame1.jpg`.

    Makes the fields `videos` (uint8, `(rows, frames, height, width, channels)`), the input, and
    `labels` (int32 class numbers, `(rows,)`), the targets. Of each video `frames` pictures are
    taken, evenly spaced from the first to the last one, in the order of the numbers in their
    names; shorter videos give some twice. The classes are the names of the outer folders in
    alphabetical order. For videos whose labels stand in a table use `ImageTable(frames=...)`.

    Args:
        directory: the folder that holds the class folders.
        frames: pictures a video.
        size: `(height, width)` in pixels.
        color: `"rgb"` or `"grey"`. Defaults to `"rgb"`.
        classes: the names in the order of their numbers, as a list, or a source or `ShardIndex`
            to take them from. Defaults to `None`: the class folders there are.

    Raises:
        PackError: if there is no such folder, or no video in a class folder.
        ValueError: if an argument makes no sense.

    Example:

    ```python
    from keras_bigdata import FrameFolder

    train, validation = FrameFolder("clips", frames=8, size=(64, 64)).split(0.2)
    pack(train, "shards/clips")
    ```
    """

    # A row is several pictures.
    thread_rows = 500

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        frames: int,
        size: tuple[int, int],
        color: Color = "rgb",
        classes: Any = None,
    ) -> None:
        size, color = checked_size(size), checked_choice(color, "color", COLORS)
        frames = checked_int(frames, "frames", 1)
        folder = Path(directory)
        folders = class_folders(folder)
        videos = [(label, video) for label in folders for video in class_folders(folder / label)]
        if not videos:
            raise PackError(
                f"{folder}: there are no videos in class folders. Expected folders of frames such "
                f"as {folder / 'wave' / '0001'}; found folders: {', '.join(folders) or 'none'}. "
                "For videos without class folders use ImageTable(frames=...)."
            )
        classes = folders if classes is None else known(classes, "classes", "classes")
        labels = [label for label, _ in videos]
        numbers = class_numbers(labels, classes)
        super().__init__(
            folder,
            [os.path.join(label, video) for label, video in videos],
            size,
            color,
            columns={"labels": np.asarray(numbers, np.int32)},
            frames=frames,
            targets="labels",
            classes=classes,
            problems=label_problems(labels, numbers, classes),
        )
