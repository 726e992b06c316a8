"""Pixels -> the content of a JPEG or PNG file."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from keras_bigdata.errors import PackError

# The largest height and width of a JPEG file.
_MAX_JPEG_SIZE = 65_535


def encode_image(pixels: npt.NDArray[Any], codec: str, quality: int) -> npt.NDArray[np.uint8]:
    """Encodes an image.

    Always by Pillow, so that the same image is encoded as the same bytes whether a faster encoder
    is installed or not.

    Args:
        pixels: uint8 array of shape `(height, width, 3)` or `(height, width, 1)`.
        codec: `"jpeg"` or `"png"`, which is lossless.
        quality: quality of `"jpeg"`, 1 to 100. Chroma is stored at half the resolution, as by most
            programs.

    Returns:
        The content of the file: uint8 array of one dimension.

    Raises:
        PackError: if the array is not an image that the format holds.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise PackError(
            f"an array of {pixels.dtype} and shape {pixels.shape} cannot be stored as {codec}: "
            "images are uint8, (height, width, 3) or (height, width, 1). Pass store='pixels'"
        )
    height, width = pixels.shape[:2]
    if not height or not width or (codec == "jpeg" and max(height, width) > _MAX_JPEG_SIZE):
        raise PackError(f"an image of {height} x {width} pixels cannot be stored as {codec}")
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    output = io.BytesIO()
    if codec == "jpeg":
        image.save(output, "JPEG", quality=quality)
    else:
        image.save(output, "PNG")
    return np.frombuffer(output.getvalue(), np.uint8)
