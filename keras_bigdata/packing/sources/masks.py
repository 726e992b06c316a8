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
    SWAPPED,
    TURNED,
    Pixels,
    orientation_of,
    picture_errors,
)

_LARGEST = np.iinfo(np.uint8).max


def load_mask(
    path: str | os.PathLike[str],
    size: tuple[int, int],
    picture: str | os.PathLike[str] | None = None,
) -> Pixels:
    """Reads a mask and resizes it without mixing values.

    The values are those in the file: the numbers of a palette (not its colours), grey values, 0
    and 1 of a picture with one bit a pixel. Each pixel of the result is the nearest one of the
    file, which is turned the way its EXIF orientation says.

    Args:
        path: a picture with one channel, or a `.npy` file with an array of shape
            `(height, width)` or `(height, width, 1)`.
        size: `(height, width)` in pixels.
        picture: the file of the picture that it lies on. Defaults to `None`.

    Returns:
        uint8 array of shape `(height, width, 1)`.

    Raises:
        PackError: if it cannot be read, has several channels, or values that are not whole
            numbers from 0 to 255; or if it lies on the picture as that was before it was turned.
    """
    height, width = size
    with picture_errors():
        values = _array(path)
        if values.ndim == 3 and values.shape[2] == 1:
            values = values[..., 0]
        if values.ndim != 2 or 0 in values.shape:
            raise PackError(
                f"a mask must hold one number a pixel, and this is an array of {values.shape}"
            )
        if picture is not None:
            _check_turned(values.shape, picture)
        if values.dtype.kind == "f" and (np.rint(values) == values).all():
            values = np.clip(values, -1, _LARGEST + 1).astype(np.int16)
        if values.dtype.kind not in "biu" or values.min() < 0 or values.max() > _LARGEST:
            raise PackError(
                f"a mask must hold whole numbers from 0 to {_LARGEST}. It has {values.dtype} from "
                f"{values.min()} to {values.max()}"
            )
        image = Image.fromarray(np.ascontiguousarray(values, np.uint8))
        resized = image.resize((width, height), Image.Resampling.NEAREST)
        return np.array(resized).reshape(height, width, 1)


def _array(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    if Path(path).suffix.lower() == ".npy":
        return np.asarray(np.load(path, allow_pickle=False))
    with Image.open(path) as image:
        bands = image.getbands()
        if len(bands) != 1:
            raise PackError(
                f"a mask must have one channel, and this picture has {', '.join(bands)}. Save the "
                "number of the class of each pixel, as grey values or with a palette"
            )
        turned = TURNED.get(orientation_of(image))
        return np.asarray(image if turned is None else image.transpose(turned))


def _check_turned(shape: tuple[int, ...], picture: str | os.PathLike[str]) -> None:
    """Refuses a mask that is as high and wide as the picture is in its file, if that is lying."""
    try:
        with Image.open(picture) as image:
            width, height = image.size
            swapped = orientation_of(image) >= SWAPPED
    except OSError:  # what Pillow does not know has no EXIF orientation
        return
    if swapped and width != height and shape == (height, width):
        raise PackError(
            f"it is {height} high and {width} wide, as the pixels of the picture are in its file, "
            "but the picture's EXIF orientation turns it. Save the picture turned "
            "(PIL.ImageOps.exif_transpose), or the mask"
        )
