"""Reads evenly spaced frames of a folder as one array."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.files import natural_key
from keras_bigdata.images.full_range import StoredKind, load_pixels, read_stored
from keras_bigdata.images.open_image import Color, is_image_file
from keras_bigdata.images.resizing import Form


def load_frames(
    folder: str | os.PathLike[str],
    frames: int,
    size: tuple[int, int],
    color: Color,
    *,
    form: Form | None = None,
    kind: StoredKind | None = None,
) -> npt.NDArray[Any]:
    """Reads evenly spaced frames of a video, the first and the last one among them.

    The files are taken in the order of their names, numbers by their value: `frame9.png` comes
    before `frame10.png`. From a folder with fewer files, some are taken more than once. Hidden
    files, and files without the suffix of an image, are not frames.

    Args:
        folder: The folder of one video.
        frames: Number of frames to read; 1 reads the first one.
        size: `(height, width)` in pixels.
        color: `"rgb"` or `"grayscale"`.
        form, kind: As in `load_pixels`. Default to `None`: `Form()`, and no comparison.

    Returns:
        Array of shape `(frames, height, width, channels)`.

    Raises:
        PackError: If the folder cannot be listed, has no images, or if one of the images that
            are read is damaged.
    """
    names = list_frames(folder)
    video = []
    for position in np.linspace(0, len(names) - 1, frames).round().astype(int):
        path = os.path.join(folder, names[position])
        try:
            video.append(load_pixels(path, size, color, form or Form(), kind))
        except PackError as error:
            raise PackError(f"{names[position]}: {error}") from error
    return np.stack(video)


def list_frames(folder: str | os.PathLike[str]) -> list[str]:
    """Returns the names of the frames in a folder, in their order.

    Raises:
        PackError: If the folder cannot be listed, or has no images.
    """
    try:
        names = [name for name in os.listdir(folder) if is_image_file(name)]
    except OSError as error:
        raise PackError(f"the folder of frames cannot be listed ({error.strerror})") from error
    if not names:
        raise PackError("there are no images in the folder")
    return sorted(names, key=natural_key)


def read_first_frame(folder: str) -> tuple[npt.NDArray[Any], int]:
    """Returns the stored values of the first frame, as `read_stored`."""
    return read_stored(os.path.join(folder, list_frames(folder)[0]))
