"""Reads and checks the content of an image file, for sources that store the files as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import UnidentifiedImageError

from keras_bigdata.errors import PackError
from keras_bigdata.files import check_regular_file
from keras_bigdata.images.limits import too_large
from keras_bigdata.images.load_image import load_image
from keras_bigdata.images.open_image import (
    CHANNELS,
    Color,
    open_image,
    read_with_skimage,
    wrap_image_errors,
)

# A file is decoded to one pixel when it is checked: of a JPEG file an eighth of the height and
# width is computed, but all of its data are read, so that a file that was cut off is found.
_CHECKED_SIZE = (1, 1)


def read_image_file(path: str, color: Color) -> npt.NDArray[np.uint8]:
    """Reads the content of an image file, and checks that it can be decoded.

    Args:
        path: a file in any format that Pillow or scikit-image reads.
        color: `"rgb"` or `"grayscale"`, to which it will be decoded.

    Returns:
        The content of the file: uint8 array of one dimension.

    Raises:
        PackError: if it is not a regular file, cannot be read or decoded, or if it would be decoded
            to more than `too_large` allows. The message states the reason, but not the path.
    """
    with wrap_image_errors():
        check_regular_file(path)
        content = Path(path).read_bytes()
        if not content:
            raise PackError("the file is empty")
        try:
            with open_image(content) as image:
                width, height = image.size
        except UnidentifiedImageError:
            height, width = read_with_skimage(content).shape[:2]
        problem = too_large(height, width, CHANNELS[color], len(content))
        if problem is not None:
            raise PackError(problem)
        load_image(content, _CHECKED_SIZE, color)
    row: npt.NDArray[Any] = np.frombuffer(content, np.uint8)
    return row
