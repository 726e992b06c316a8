"""Estimates what the forms of stored images cost, for the image files in a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from keras_bigdata.arguments import checked_choice
from keras_bigdata.errors import PackError
from keras_bigdata.files import local_path, walk_directory
from keras_bigdata.images.load_image import load_image
from keras_bigdata.images.open_image import COLORS, Color, is_image_file, quiet_pillow
from keras_bigdata.images.resizing import Form
from keras_bigdata.packing.forms.storage_cost import StorageCost, measure_storage
from keras_bigdata.packing.forms.store_choice import SAMPLE_ROWS, spread
from keras_bigdata.packing.sources.images.image_files import read_image_file
from keras_bigdata.packing.sources.images.image_store import checked_store


def estimate_storage(
    folder: str | os.PathLike[str],
    size: tuple[int, int],
    *,
    quality: int | None = None,
    color: Color = "rgb",
    directory: str | os.PathLike[str] | None = None,
) -> StorageCost:
    """Measures what it costs to store the images of a folder as pixels, JPEG, PNG or files.

    A sample of the files is read, encoded and decoded, and the rate of the disk is measured: about
    two seconds.

    Args:
        folder: the folder of the files, at any depth.
        size: `(height, width)` in pixels, to which they are resized: when they are packed, or, if
            the files are stored as they are, when they are read.
        quality: quality of JPEG, 1 to 100. Defaults to `None`: 90.
        color: `"rgb"` or `"grayscale"`. Defaults to `"rgb"`.
        directory: where the shards would be written, for the rate of its disk; it need not exist.
            Defaults to `None`: the folder.

    Returns:
        A `StorageCost`.

    Raises:
        PackError: if the folder holds no image file, or none of the sample can be read.
        ValueError, TypeError: if an argument is out of range or of a wrong type.

    Example:

    ```python
    from keras_bigdata.packing.storage_estimate import estimate_storage

    cost = estimate_storage("flowers", (128, 128))
    print(cost.forms["jpeg"].image_bytes, cost.limit("jpeg"))
    ```
    """
    color = checked_choice(color, "color", COLORS)
    store, checked = checked_store("jpeg", quality, size, Form())
    assert checked is not None
    root = local_path(folder, "folder")
    target = root if directory is None else local_path(directory, "directory")
    files = [
        os.path.join(path, name)
        for path, _, names in walk_directory(root, error=PackError)
        for name in names
        if is_image_file(name)
    ]
    if not files:
        raise PackError(f"{root}: there are no image files. Pass the folder that holds them.")
    contents, pixels, reason = [], [], ""
    with quiet_pillow():
        for number in spread(len(files), SAMPLE_ROWS):
            try:
                content: Any = read_image_file(files[number], color).tobytes()
                pixels.append(load_image(content, checked, color))
            except PackError as error:
                reason = reason or f"{files[number]}: {error}"
                continue
            contents.append(content)
        if not pixels:
            raise PackError(f"{root}: no image of the sample can be read. {reason}")
        return measure_storage(
            pixels,
            store.quality,
            images=len(files),
            directory=Path(target),
            with_png=True,
            files=contents,
            color=color,
        )
