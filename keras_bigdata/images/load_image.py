"""An image file -> a uint8 array of a given size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from keras_bigdata.images.eight_bits import (
    check_high_bytes,
    has_16_bits,
    image_from_array,
    to_8_bits,
    to_mode,
)
from keras_bigdata.images.open_image import (
    CHANNELS,
    SWAPPED_ORIENTATION,
    UPRIGHT_TRANSPOSES,
    Color,
    ImageFile,
    loaded_orientation,
    open_image,
    read_with_skimage,
    upright_size,
    wrap_image_errors,
)
from keras_bigdata.images.resizing import Form, pad_to, place, resampling_filter

Pixels = npt.NDArray[np.uint8]

# JPEG is decoded at 1/2, 1/4 or 1/8 of its size faster than at full size, and other formats can
# be averaged in blocks first, if the reduced image is still at least this many times as large as
# the result. Mean difference to scikit-image with and without the reduction, 110 photographs of
# 500 x 375 pixels: 0.52 and 0.47 of 255 at 64 x 64, 0.67 and 0.64 at 48 x 48. They are 2.93 times
# as large as 128 x 128: half as large, the difference would be 1.57 instead of 0.93, and 1.37 with
# the best mixture of all filters.
_REDUCING_GAP = 3

# The smaller gap for JPEG files that are reduced so many times. Of 4000 x 3000 and 2000 x 1500
# pixels to 128 x 128, decoding at 2.93 times the result takes 0.79 and 0.81 of the CPU time, and
# the difference does not grow: 1.47 (1.59 before) and 0.89 (0.95), 15 montages. At 40 x 40 it is
# 0.78 (0.79) for the 110 photographs; for smaller reductions it grows.
_LARGE_REDUCTION = 8

_LARGE_REDUCTION_GAP = 2.5


def load_image(
    path: ImageFile, size: tuple[int, int], color: Color, form: Form | None = None
) -> Pixels:
    """Reads an image file and resizes it.

    The image is made upright according to its EXIF orientation. By default it is stretched to the
    size; its aspect ratio is not kept. Transparent images are composited on white, as by
    `skimage.color.rgba2rgb`. 16-bit values are scaled to 8 bits, and floats are expected in the
    range 0 to 1; a file that uses less than a sixteenth of that range is refused, because at
    most 17 levels would remain. Grayscale is the luma of ITU-R 601 (0.299 R + 0.587 G + 0.114 B),
    as in `keras.utils.load_img`. Only the first frame of an animation is read.

    Args:
        path: A file in any format that Pillow or scikit-image reads; or its content, as bytes.
        size: `(height, width)` in pixels.
        color: `"rgb"` or `"grayscale"`.
        form: How the image is resized; its dtype is not used (see `load_pixels`). Defaults to
            `None`: stretched, bilinear.

    Returns:
        uint8 array of shape `(height, width, 3)` or `(height, width, 1)`.

    Raises:
        PackError: If the file cannot be read. The message states the reason, but not the path.

    Example:

    ```python
    pixels = load_image("photos/0001.jpg", (128, 128), "rgb")
    ```
    """
    with wrap_image_errors():
        return _load(path, size, color, form or Form())


def _load(path: ImageFile, size: tuple[int, int], color: Color, form: Form) -> Pixels:
    mode = "RGB" if color == "rgb" else "L"
    orientation, reduced_size = 1, None
    # A reduction averages pixels, so the nearest one would not be a pixel of the file.
    gap = None if form.interpolation == "nearest" else _REDUCING_GAP
    try:
        opened = open_image(path)
    except UnidentifiedImageError:
        image = to_mode(image_from_array(read_with_skimage(path)), mode)
        full_size = image.size
    else:
        with opened:
            full_size = opened.size
            if opened.format == "TIFF":
                full_size = upright_size(opened)[::-1]
            # First, because reading the EXIF data of a PNG file reads pixels and clears the tiles.
            is_deep = has_16_bits(opened)
            orientation = loaded_orientation(opened)
            if gap is not None:
                edge = int(_decoding_gap(full_size, size, form) * max(size))
                drafted = opened.draft(mode, (edge, edge))
                reduced_size = None if drafted is None else drafted[1][2:]
            opened.load()
            if is_deep:
                check_high_bytes(opened)
            image = to_mode(to_8_bits(opened), mode)
    resized = resize_upright(
        image, full_size, orientation, size, form, reducing_gap=gap, reduced_size=reduced_size
    )
    height, width = resized.height, resized.width
    pixels = np.array(resized).reshape(height, width, CHANNELS[color])
    return pad_to(pixels, size)


def _decoding_gap(full_size: tuple[int, int], size: tuple[int, int], form: Form) -> float:
    """Returns the minimum size of a decoded JPEG file, as a multiple of the result."""
    is_large = min(full_size) >= _LARGE_REDUCTION * max(size)
    return _LARGE_REDUCTION_GAP if is_large and form.interpolation == "bilinear" else _REDUCING_GAP


def resize_upright(
    image: Image.Image,
    full_size: tuple[int, int],
    orientation: int,
    size: tuple[int, int],
    form: Form,
    *,
    reducing_gap: float | None = None,
    reduced_size: tuple[float, float] | None = None,
) -> Image.Image:
    """Resizes an image and makes it upright; with `resize="pad"`, without the padding.

    Args:
        image: The image as it is in its file, or reduced.
        full_size: `(width, height)` in its file.
        orientation: Its EXIF orientation, 1 to 8.
        size: `(height, width)` of the result.
        form: How it is resized.
        reducing_gap: As in `PIL.Image.Image.resize`. Defaults to `None`.
        reduced_size: `(width, height)` of a reduced image, which has whole pixels: 375 pixels at
            1/2 are 187.5 of 188. Defaults to `None`: the size of the image.
    """
    is_swapped = orientation >= SWAPPED_ORIENTATION
    width, height = full_size[::-1] if is_swapped else full_size
    placement = place((height, width), size, form.resize)
    if is_swapped:
        placement = placement.swapped()
    resample = resampling_filter(form.interpolation, full_size, placement)
    image = placement.apply(image, resample, reducing_gap, reduced_size)
    if orientation in UPRIGHT_TRANSPOSES:
        image = image.transpose(UPRIGHT_TRANSPOSES[orientation])
    return image
