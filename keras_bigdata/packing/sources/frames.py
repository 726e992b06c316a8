"""A folder of frames -> a uint8 array of evenly spaced frames."""

from __future__ import annotations

import os

import numpy as np

from keras_bigdata.errors import PackError
from keras_bigdata.files import natural_key
from keras_bigdata.packing.sources.images import Color, Pixels, is_image_file, load_image


def load_frames(
    folder: str | os.PathLike[str], frames: int, size: tuple[int, int], color: Color
) -> Pixels:
    """Reads evenly spaced frames of a video, the first and the last one among them.

    The files are taken in the order of their names, numbers by their value: `frame9.png` comes
    before `frame10.png`. From a folder with fewer files, some are taken more than once. Hidden
    files, and files without the suffix of an image, are not frames.

    Args:
        folder: The folder of one video.
        frames: Number of frames to read; 1 reads the first one.
        size: `(height, width)` in pixels.
        color: `"rgb"` or `"grayscale"`.

    Returns:
        uint8 array of shape `(frames, height, width, channels)`.

    Raises:
        PackError: If the folder cannot be listed, has no images, or if one of the images that
            are read is damaged.
    """
    try:
        names = [name for name in os.listdir(folder) if is_image_file(name)]
    except OSError as error:
        raise PackError(f"the folder of frames cannot be listed ({error.strerror})") from error
    if not names:
        raise PackError("there are no images in the folder")
    names.sort(key=natural_key)
    video = []
    for position in np.linspace(0, len(names) - 1, frames).round().astype(int):
        try:
            video.append(load_image(os.path.join(folder, names[position]), size, color))
        except PackError as error:
            raise PackError(f"{names[position]}: {error}") from error
    return np.stack(video)
