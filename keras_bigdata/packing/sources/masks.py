"""A mask file -> the class number of each pixel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.images import (
    SWAPPED_ORIENTATION,
    UPRIGHT_TRANSPOSES,
    Pixels,
    exif_orientation,
    wrap_image_errors,
)

_MAX_CLASS = np.iinfo(np.uint8).max


def load_mask(
    path: str | os.PathLike[str],
    size: tuple[int, int],
    image_path: str | os.PathLike[str] | None = None,
) -> Pixels:
    """Reads a mask and resizes it without mixing values.

    The values are those in the file: the numbers of a palette (not its colors), gray values, 0
    and 1 of an image with one bit per pixel. The mask is made upright according to its EXIF
    orientation. Each pixel of the result is the nearest one of the file.

    Args:
        path: An image with one channel, or a `.npy` file with an array of shape
            `(height, width)` or `(height, width, 1)`.
        size: `(height, width)` in pixels.
        image_path: The image that the mask belongs to, whose orientation is compared. Defaults
            to `None`.

    Returns:
        uint8 array of shape `(height, width, 1)`.

    Raises:
        PackError: If the file cannot be read, has several channels or values that are not whole
            numbers from 0 to 255, or if it has the shape of the image before that is made upright.
    """
    height, width = size
    with wrap_image_errors():
        values = _read_values(path)
        if values.ndim == 3 and values.shape[2] == 1:
            values = values[..., 0]
        if values.ndim != 2 or 0 in values.shape:
            raise PackError(
                f"a mask must hold one number per pixel. Received: an array of shape {values.shape}"
            )
        if image_path is not None:
            _check_orientation(values.shape, image_path)
        if values.dtype.kind == "f" and (np.rint(values) == values).all():
            values = np.clip(values, -1, _MAX_CLASS + 1).astype(np.int16)
        if values.dtype.kind not in "biu" or values.min() < 0 or values.max() > _MAX_CLASS:
            raise PackError(
                f"a mask must hold whole numbers from 0 to {_MAX_CLASS}. Received: {values.dtype} "
                f"from {values.min()} to {values.max()}"
            )
        mask = Image.fromarray(np.ascontiguousarray(values, np.uint8))
        resized = mask.resize((width, height), Image.Resampling.NEAREST)
        return np.array(resized).reshape(height, width, 1)


def _read_values(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    if Path(path).suffix.lower() == ".npy":
        return np.asarray(np.load(path, allow_pickle=False))
    with Image.open(path) as mask:
        bands = mask.getbands()
        if len(bands) != 1:
            raise PackError(
                f"a mask must have one channel. Received: an image with the channels "
                f"{', '.join(bands)}. Save the class number of each pixel, as a gray value or with "
                "a palette"
            )
        transpose = UPRIGHT_TRANSPOSES.get(exif_orientation(mask))
        return np.asarray(mask if transpose is None else mask.transpose(transpose))


def _check_orientation(shape: tuple[int, ...], image_path: str | os.PathLike[str]) -> None:
    """Refuses a mask with the shape of the stored image if EXIF turns the image by 90 degrees."""
    try:
        with Image.open(image_path) as image:
            width, height = image.size
            swapped = exif_orientation(image) >= SWAPPED_ORIENTATION
    except OSError:  # formats that Pillow does not read have no EXIF orientation
        return
    if swapped and width != height and shape == (height, width):
        raise PackError(
            f"it is {height} high and {width} wide, as the pixels of the image are in its file, "
            "but the EXIF orientation of the image turns it. Save the image turned "
            "(PIL.ImageOps.exif_transpose), or the mask"
        )
