"""A folder of frames -> an array of some of them, evenly spaced."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.images import Color, Pixels, load_image

IMAGE_SUFFIX = re.compile(
    r"\.(avif|bmp|dib|gif|jfif|jp2|jpe?g?|pbm|pgm|png|pnm|ppm|tga|tiff?|webp)", re.IGNORECASE
)

_DIGITS = re.compile(r"(\d+)")


def load_frames(
    folder: str | os.PathLike[str], frames: int, size: tuple[int, int], color: Color
) -> Pixels:
    """Reads frames of a video that are evenly spaced, the first and the last one among them.

    The files are taken in the order of their names, numbers by their value: `frame9.png` comes
    before `frame10.png`. A folder with fewer files gives some of them more than once. Hidden files
    and files with other suffixes than those of pictures are left out.

    Args:
        folder: the folder of one video.
        frames: how many frames; of one, it is the first.
        size: `(height, width)` in pixels.
        color: `"rgb"` or `"grey"`.

    Returns:
        uint8 array of shape `(frames, height, width, channels)`.

    Raises:
        PackError: if there is no such folder, no picture in it, or one that cannot be read.
    """
    try:
        names = [name for name in os.listdir(folder) if is_picture(name)]
    except OSError as error:
        raise PackError(f"the folder of frames cannot be listed ({error.strerror})") from error
    if not names:
        raise PackError("there are no pictures in the folder")
    names.sort(key=_by_number)
    video = []
    for position in np.linspace(0, len(names) - 1, frames).round().astype(int):
        try:
            video.append(load_image(os.path.join(folder, names[position]), size, color))
        except PackError as error:
            raise PackError(f"{names[position]}: {error}") from error
    return np.stack(video)


def is_picture(name: str) -> bool:
    """Whether a file is taken for a picture, by its name."""
    return not name.startswith(".") and bool(IMAGE_SUFFIX.fullmatch(Path(name).suffix))


def _by_number(name: str) -> tuple[list[tuple[int, str]], str]:
    parts = _DIGITS.split(name)
    # Text and numbers take turns, so that like is compared with like.
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts], name
