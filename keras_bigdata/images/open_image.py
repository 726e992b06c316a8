"""Opens image files of any format, upright and in 8 bits."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from keras_bigdata.errors import PackError
from keras_bigdata.files import check_regular_file
from keras_bigdata.images.eight_bits import (
    check_high_bytes,
    has_16_bits,
    image_from_array,
    to_8_bits,
    to_mode,
)
from keras_bigdata.images.tiff import SIGNATURES, check_samples, has_misread_planes, upright_values

Color = Literal["rgb", "grayscale"]

CHANNELS: dict[Color, int] = {"rgb": 3, "grayscale": 1}

COLORS = tuple(CHANNELS)

_IMAGE_SUFFIX = re.compile(
    r"\.(avif|bmp|dib|gif|jfif|jp2|jpe?g?|pbm|pgm|png|pnm|ppm|tga|tiff?|webp)", re.IGNORECASE
)

# Pillow reads the header of a JPEG file in about 40 steps: from memory, a photograph of 40 kB is
# decoded with 0.96 of the CPU time.
_JPEG_SUFFIX = re.compile(r"\.(jpe?g|jfif)\Z", re.IGNORECASE)

_READ_AT_ONCE = 16 * 2**20

_PAGED_FORMATS = ("TIFF", "GIF", "WEBP", "PNG")

# EXIF orientation -> the transposition that makes the image upright.
UPRIGHT_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# From this EXIF orientation on, height and width of the upright image are exchanged.
SWAPPED_ORIENTATION = 5

_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257

# The path of an image file, or its content.
ImageFile: TypeAlias = str | os.PathLike[str] | bytes


def is_image_file(name: str) -> bool:
    """Returns whether a file counts as an image: by its suffix, and not if it is hidden."""
    return not name.startswith(".") and bool(_IMAGE_SUFFIX.fullmatch(Path(name).suffix))


def open_image(file: ImageFile) -> Image.Image:
    """Opens an image file with Pillow.

    Raises:
        OSError: If it is not a regular file, does not exist or is not an image that Pillow reads.
        PackError: If Pillow would read other numbers than those in the file (`check_samples`).
    """
    image = _open(file)
    try:
        check_samples(image)
        if has_misread_planes(image):
            raise UnidentifiedImageError("Pillow does not read uncompressed planes of 16 bits")
    except (PackError, UnidentifiedImageError):
        image.close()
        raise
    return image


def _open(file: ImageFile) -> Image.Image:
    if isinstance(file, bytes):
        return Image.open(io.BytesIO(file))
    check_regular_file(file)
    if _JPEG_SUFFIX.search(os.fspath(file)) and os.path.getsize(file) <= _READ_AT_ONCE:
        with open(file, "rb", buffering=0) as opened:
            return Image.open(io.BytesIO(opened.read()))
    return Image.open(file)


def count_pages(file: ImageFile) -> int:
    """Returns the number of pages or frames of an image file; 1 if it cannot be read.

    Further images of other formats, such as the preview of an MPO file, are not pages.
    """
    with contextlib.suppress(Exception), open_image(file) as image:
        if image.format in _PAGED_FORMATS:
            return int(getattr(image, "n_frames", 1))
    return 1


@contextlib.contextmanager
def wrap_image_errors() -> Iterator[None]:
    """Turns any error of reading an image into a `PackError` that states the reason."""
    try:
        yield
    except (PackError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise PackError(f"{error} Store a smaller copy of the image.") from error
    except OSError as error:
        raise PackError(error.strerror or str(error)) from error
    except Exception as error:  # decoders of damaged files raise errors of any type
        raise PackError(f"it cannot be decoded: {type(error).__name__}: {error}") from error


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silences Pillow's warnings, such as those about odd EXIF tags or many pixels.

    An image is either read or raises an error. Warning filters belong to the whole process, so
    several threads must not enter this at the same time.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\b")
        yield


def exif_orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation of an image, 1 to 8; 1 if it has none.

    The pixels of a PNG file are loaded: its EXIF data may follow them.
    """
    if image.format == "PNG":
        # `getexif` loads them too. Its error would be suppressed below, and the next call of `load`
        # would return what was decoded before the damage as if it were the image.
        image.load()
    # Cameras and editors often write damaged EXIF data in front of good pixels.
    with contextlib.suppress(Exception):
        orientation = image.getexif().get(ExifTags.Base.Orientation)
        if orientation in UPRIGHT_TRANSPOSES:
            return int(orientation)
    return 1


def loaded_orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation of the pixels that Pillow loads, which turns TIFF files itself.

    Call it before the pixels are loaded.
    """
    return 1 if image.format == "TIFF" else exif_orientation(image)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Returns `(height, width)` of an image made upright. Call it before the pixels are loaded."""
    width, height = image.size
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # As stored: from release 11 on, Pillow exchanges them in `size`.
        width, height = int(image.tag_v2[_TIFF_WIDTH]), int(image.tag_v2[_TIFF_HEIGHT])
    return (width, height) if exif_orientation(image) >= SWAPPED_ORIENTATION else (height, width)


def load_upright(
    file: ImageFile,
    channels: int,
    check_size: Callable[[int, int], None],
    choose_reduction: Callable[[int, int], int] | None = None,
) -> Image.Image:
    """Reads an image file of any format as 8-bit color or grayscale, upright, without resizing it.

    Args:
        file: As in `load_image`.
        channels: 3 for color, 1 for grayscale.
        check_size: Function that receives height and width in pixels before memory is taken for
            the pixels, and may raise an error. They may be exchanged, as the orientation is not yet
            known.
        choose_reduction: Function that receives height and width of the upright image, and returns
            by how much it may be reduced if it is a JPEG file: 1, 2, 4 or 8. Defaults to `None`: it
            is not reduced.

    Raises:
        Errors of any type: see `wrap_image_errors`.
    """
    mode = "RGB" if channels == CHANNELS["rgb"] else "L"
    try:
        opened = open_image(file)
    except UnidentifiedImageError:
        values = read_with_skimage(file)
        check_size(*values.shape[:2])
        if choose_reduction is not None:
            choose_reduction(*values.shape[:2])
        return to_mode(image_from_array(values), mode)
    with opened:
        is_deep = has_16_bits(opened)
        check_size(opened.height, opened.width)
        orientation = loaded_orientation(opened)
        reduction = 1
        if choose_reduction is not None:
            reduction = choose_reduction(*upright_size(opened))
        if opened.format in ("JPEG", "MPO"):
            # The luma of a color file stands in it. Pillow divides the size of the image by this
            # one and takes the reduction below, so the size is rounded down.
            width, height = (max(1, length // reduction) for length in opened.size)
            opened.draft(mode, (width, height))
        opened.load()
        if is_deep:
            check_high_bytes(opened)
        image = to_mode(to_8_bits(opened), mode)
    if orientation in UPRIGHT_TRANSPOSES:
        image = image.transpose(UPRIGHT_TRANSPOSES[orientation])
    return image


def read_with_skimage(file: ImageFile) -> npt.NDArray[Any]:
    """Reads a file in a format that Pillow does not read, such as 16-bit color TIFF; upright."""
    content = file if isinstance(file, bytes) else Path(file).read_bytes()
    if not content:
        raise PackError("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read_content(content, file)
    except PackError:
        raise
    except Exception as error:  # each of its readers raises errors of its own types
        raise PackError(
            "it is not an image in a format that Pillow or scikit-image reads"
        ) from error


def _read_content(content: bytes, file: ImageFile) -> npt.NDArray[Any]:
    from skimage.io import imread

    # Given a path, scikit-image reads a TIFF file with tifffile. Its other readers leave the file
    # open if they fail, so they receive the content.
    if not content.startswith(SIGNATURES):
        return np.asarray(imread(io.BytesIO(content)))
    if not isinstance(file, bytes):
        return upright_values(np.asarray(imread(os.fspath(file))), content)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.tif"
        path.write_bytes(content)
        return upright_values(np.asarray(imread(path)), content)
