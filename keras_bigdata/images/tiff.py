"""TIFF files: what their tags state where Pillow reads other values, and those it does not read."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin

from keras_bigdata.errors import PackError

Array = npt.NDArray[Any]

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _ORIENTATION = 256, 257, 258, 262, 274
_SAMPLES, _PLANES, _SAMPLE_FORMAT = 277, 284, 339
_WHITE_IS_ZERO, _INKS = 0, 5
_SEPARATE_PLANES = 2
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3


def bits_per_sample(image: Image.Image) -> int | None:
    """Returns the bits of a channel of a TIFF file, the most of any; `None` of other formats."""
    tags = _pillow_tags(image)
    return None if tags is None else max(_as_tuple(tags.get(_BITS, 1)))


def is_white_zero(image: Image.Image) -> bool:
    """Returns whether 0 is white in an image: TIFF files that state "min is white"."""
    tags = _pillow_tags(image)
    return tags is not None and tags.get(_PHOTOMETRIC, _WHITE_IS_ZERO) == _WHITE_IS_ZERO


def has_misread_planes(image: Image.Image) -> bool:
    """Returns whether Pillow would read noise: each byte of deep planes as a pixel.

    Pillow decodes uncompressed planes one by one, in modes of 8 bits (seen in 13.0).
    """
    tags = _pillow_tags(image)
    if tags is None or (bits_per_sample(image) or 0) <= 8 or len(image.getbands()) == 1:
        return False
    return tags.get(_PLANES) == _SEPARATE_PLANES and image.info.get("compression") == "raw"


def check_samples(image: Image.Image) -> None:
    """Refuses a TIFF file with numbers that Pillow reads as others.

    Raises:
        PackError: If its samples are signed and have 8 bits, or if it has floats of which 0 is
            white.
    """
    bits = bits_per_sample(image)
    if bits is None:
        return
    if bits == 8 and _sample_format(image) == _SIGNED:
        raise PackError(
            "its sample format is signed integers of 8 bits (int8), which are not read: -1 would "
            "become 255. Save it as int16 or uint8"
        )
    if is_white_zero(image) and _sample_format(image) == _FLOAT:
        raise _white_error("floats")


def stored_numbers(image: Image.Image) -> Array:
    """Returns the values of an image of integers or floats: mode "I", "F" or "I;16".

    If 0 is white, they are inverted, as Pillow does with those of 8 bits.
    """
    values = np.asarray(image)
    values = values.astype(values.dtype.newbyteorder("="))
    if image.mode == "I" and image.format == "PNG":
        # 16-bit grayscale: its mode depends on the release of Pillow.
        return values.astype(np.uint16)
    bits = bits_per_sample(image)
    if bits == 32 and image.mode == "I" and _sample_format(image) == _UNSIGNED and values.min() < 0:
        # Pillow has signed integers only.
        return values.view(np.uint32)
    if bits is not None and is_white_zero(image):
        return _inverted(values, bits)
    return values


def upright_values(values: Array, content: bytes) -> Array:
    """Returns what scikit-image reads of a TIFF file as an upright image, of which 0 is black.

    Args:
        values: The array that `skimage.io.imread` returns.
        content: The content of the file.

    Returns:
        Array of shape `(height, width)`, or with channels.

    Raises:
        PackError: If it has several pages, colors that are not RGB, or no known black.
    """
    tags = _first_tags(io.BytesIO(content))
    height, width, samples = tags[_HEIGHT], tags[_WIDTH], tags.get(_SAMPLES, 1)
    if values.size != height * width * samples:
        raise PackError(
            f"its first page has {height} x {width} pixels and {samples} channels, and it holds an "
            f"array of shape {values.shape}, which is not an image. Save each page as a file"
        )
    if tags.get(_PHOTOMETRIC) == _INKS:
        raise PackError("its colors are CMYK of more than 8 bits. Save it as RGB")
    if samples > 1 and tags.get(_PLANES) == _SEPARATE_PLANES:
        # scikit-image moves the axis of three and four planes, unless the last one is that short.
        if values.ndim != 3 or width in (3, 4) or samples not in (3, 4):
            values = np.moveaxis(values.reshape(samples, height, width), 0, 2)
    else:
        values = values.reshape((height, width, samples)[: 2 if samples == 1 else 3])
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        values = _inverted(values, tags.get(_BITS, 1))
    return _upright(values, _orientation(tags))


def read_tiff_shape(path: str) -> tuple[int, int, int] | None:
    """Returns height and width, upright, and the orientation of a file that Pillow does not read.

    `None` if it is not a TIFF file.
    """
    with open(path, "rb") as file:
        if file.read(4) not in SIGNATURES:
            return None
        tags = _first_tags(file)
    height, width, orientation = tags[_HEIGHT], tags[_WIDTH], _orientation(tags)
    return (width, height, orientation) if orientation >= 5 else (height, width, orientation)


def _first_tags(file: BinaryIO) -> dict[int, int]:
    """Returns the tags of the first page that are integers, of several the first one.

    Pillow 13 does not read those of a big-endian BigTIFF file.
    """
    from tifffile import TiffFile

    file.seek(0)
    with TiffFile(file) as opened:
        page: Any = opened.pages.first
        values = {tag.code: tag.value for tag in page.tags}
    firsts = {code: next(iter(_as_tuple(value)), None) for code, value in values.items()}
    return {code: int(first) for code, first in firsts.items() if isinstance(first, int)}


def _pillow_tags(image: Image.Image) -> Any:
    """Returns the tags of the page that Pillow reads; `None` of other formats than TIFF."""
    return image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else None


def _sample_format(image: Image.Image) -> int:
    return max(_as_tuple(_pillow_tags(image).get(_SAMPLE_FORMAT, _UNSIGNED)))


def _as_tuple(value: Any) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


def _inverted(values: Array, bits: int) -> Array:
    """Returns values of which 0 is white as values of which 0 is black."""
    if values.dtype not in (np.uint8, np.uint16) or values.ndim != 2:
        raise _white_error(f"{values.dtype} values")
    inverted: Array = 2**bits - 1 - values.astype(np.int64)
    return inverted.astype(values.dtype)


def _white_error(kind: str) -> PackError:
    return PackError(
        f'it states that 0 is white ("min is white"), and it holds {kind}, whose black is unknown. '
        'Save it as "min is black" (in tifffile: photometric="minisblack")'
    )


def _orientation(tags: dict[int, int]) -> int:
    value = tags.get(_ORIENTATION, 1)
    return value if value in range(1, 9) else 1


def _upright(values: Array, orientation: int) -> Array:
    """Turns an array as the transpositions of `UPRIGHT_TRANSPOSES` turn an image."""
    if orientation >= 5:
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return values
