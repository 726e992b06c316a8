"""An image file -> a uint8 array of a given size."""

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
from PIL import ExifTags, Image, UnidentifiedImageError

from keras_bigdata.arguments import checked_int
from keras_bigdata.errors import PackError
from keras_bigdata.files import check_regular_file
from keras_bigdata.packing.sources.resizing import Form, pad_to, place, resampling_filter

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
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

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

# Images of 16 bits or floats whose largest value is below this fraction (1/16) of the range keep
# at most 17 of 256 levels.
_UNUSED_RANGE = 16
_USUAL_BITS = "12 bits are 0 to 4095"

Pixels = npt.NDArray[np.uint8]

# The path of an image file, or its content.
ImageFile: TypeAlias = str | os.PathLike[str] | bytes


def load_image(
    path: ImageFile, size: tuple[int, int], color: Color, form: Form | None = None
) -> Pixels:
    """Reads an image file and resizes it.

    The image is made upright according to its EXIF orientation. By default it is stretched to the
    size; its aspect ratio is not kept. Transparent images are composited on white, as by
    `skimage.color.rgba2rgb`. 16-bit values are scaled to 8 bits, and floats are expected in the
    range 0 to 1; a file that uses less than a sixteenth of that range is refused, because less
    than 17 levels would remain. Grayscale is the luma of ITU-R 601 (0.299 R + 0.587 G + 0.114 B),
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


def is_image_file(name: str) -> bool:
    """Returns whether a file counts as an image: by its suffix, and not if it is hidden."""
    return not name.startswith(".") and bool(_IMAGE_SUFFIX.fullmatch(Path(name).suffix))


def checked_size(size: Any) -> tuple[int, int]:
    """Returns `(height, width)` in pixels as a tuple of integers.

    Raises:
        ValueError: If it is not a pair, or if one of them is less than 1.
        TypeError: If one of them is not an integer.
    """
    try:
        height, width = size
    except (TypeError, ValueError):
        raise ValueError(
            f"`size` must be (height, width) in pixels, such as (128, 128). Received: size={size!r}"
        ) from None
    return checked_int(height, "size[0]", 1), checked_int(width, "size[1]", 1)


def open_image(file: ImageFile) -> Image.Image:
    """Opens an image file with Pillow.

    Raises:
        OSError: If it is not a regular file, does not exist or is not an image that Pillow reads.
    """
    if isinstance(file, bytes):
        return Image.open(io.BytesIO(file))
    check_regular_file(file)
    if _JPEG_SUFFIX.search(os.fspath(file)) and os.path.getsize(file) <= _READ_AT_ONCE:
        with open(file, "rb", buffering=0) as opened:
            return Image.open(io.BytesIO(opened.read()))
    return Image.open(file)


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
    """Returns the EXIF orientation of an image, 1 to 8; 1 if it has none."""
    # Cameras and editors often write damaged EXIF data in front of good pixels.
    with contextlib.suppress(Exception):
        orientation = image.getexif().get(ExifTags.Base.Orientation)
        if orientation in UPRIGHT_TRANSPOSES:
            return int(orientation)
    return 1


def load_upright(
    file: ImageFile, channels: int, choose_size: Callable[[int, int], tuple[int, int] | None]
) -> Image.Image:
    """Reads an image file of any format as 8-bit color or grayscale, upright, without resizing it.

    Args:
        file: As in `load_image`.
        channels: 3 for color, 1 for grayscale.
        choose_size: Function that receives height and width in pixels, before the image is decoded,
            and returns the smallest size that it may be reduced to, or `None`. It may raise an
            error.

    Raises:
        Errors of any type: see `wrap_image_errors`.
    """
    mode = "RGB" if channels == CHANNELS["rgb"] else "L"
    try:
        opened = open_image(file)
    except UnidentifiedImageError:
        values = read_with_skimage(file)
        choose_size(*values.shape[:2])
        return to_mode(_image_from_array(values), mode)
    with opened:
        is_deep = has_16_bits(opened)
        orientation = exif_orientation(opened)
        width, height = opened.size
        is_swapped = orientation >= SWAPPED_ORIENTATION
        size = choose_size(width, height) if is_swapped else choose_size(height, width)
        if opened.format == "JPEG":
            # The luma of a color file stands in it.
            size = (height, width) if size is None else size[::-1] if is_swapped else size
            opened.draft(mode, size[::-1])
        opened.load()
        if is_deep:
            _check_high_bytes(opened)
        image = to_mode(_to_8_bits(opened), mode)
    if orientation in UPRIGHT_TRANSPOSES:
        image = image.transpose(UPRIGHT_TRANSPOSES[orientation])
    return image


def _load(path: ImageFile, size: tuple[int, int], color: Color, form: Form) -> Pixels:
    mode = "RGB" if color == "rgb" else "L"
    orientation, reduced_size = 1, None
    # Averaged before, the nearest pixel would not be one of the file.
    gap = None if form.interpolation == "nearest" else _REDUCING_GAP
    try:
        opened = open_image(path)
    except UnidentifiedImageError:
        image = to_mode(_image_from_array(read_with_skimage(path)), mode)
        full_size = image.size
    else:
        with opened:
            full_size = opened.size
            # First, because reading the EXIF data of a PNG file reads pixels and clears the tiles.
            is_deep = has_16_bits(opened)
            orientation = exif_orientation(opened)
            if gap is not None:
                edge = int(_decoding_gap(full_size, size, form) * max(size))
                drafted = opened.draft(mode, (edge, edge))
                reduced_size = None if drafted is None else drafted[1][2:]
            opened.load()
            if is_deep:
                _check_high_bytes(opened)
            image = to_mode(_to_8_bits(opened), mode)
    resized = resize_upright(
        image, full_size, orientation, size, form, reducing_gap=gap, reduced_size=reduced_size
    )
    height, width = resized.height, resized.width
    pixels = np.array(resized).reshape(height, width, CHANNELS[color])
    return pad_to(pixels, size)


def _decoding_gap(full_size: tuple[int, int], size: tuple[int, int], form: Form) -> float:
    """Returns how many times as large as the result a JPEG file is decoded at least."""
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


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Converts images of integers or floats; the others have 8 bits per channel or less."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        # 16-bit grayscale: its mode depends on the release of Pillow.
        return _image_from_array(np.asarray(image).astype(np.uint16))
    if image.mode in ("I", "F"):
        return _image_from_array(np.asarray(image))
    return image


def to_mode(image: Image.Image, mode: str) -> Image.Image:
    """Converts to mode "RGB" or "L", without palette, transparent parts on white."""
    palette = image.palette
    if (
        image.mode in ("LA", "La", "PA", "RGBA", "RGBa")
        or "transparency" in image.info
        or (image.mode == "P" and palette is not None and palette.mode.endswith("A"))
    ):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)


def _image_from_array(values: npt.NDArray[Any]) -> Image.Image:
    """Converts an array (height, width) or (height, width, 1 to 4 channels) to an 8-bit image."""
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.size == 0 or not (values.ndim == 2 or (values.ndim == 3 and values.shape[2] <= 4)):
        raise PackError(f"it holds an array of shape {values.shape}, which is not an image")
    original = values
    if values.dtype == np.uint16:
        values = (values.astype(np.uint32) + 128) // 257
        _check_range(original, values, 65_535)
    elif values.dtype == np.bool_:
        values = values * np.uint8(255)
    elif values.dtype.kind == "f" and values.min() >= 0 and values.max() <= 1:
        values = np.rint(values * 255)
        _check_range(original, values, 1)
    elif values.dtype != np.uint8:
        raise PackError(
            f"its values are {values.dtype} from {values.min()} to {values.max()}; convert it to "
            '8 or 16 bits, or to floats from 0 to 1, or pass dtype="float32" to keep its values'
        )
    return Image.fromarray(np.ascontiguousarray(values, dtype=np.uint8))


def _check_range(original: npt.NDArray[Any], scaled: npt.NDArray[Any], full: float) -> None:
    """Refuses an image of which the scale of 8 bits leaves less than 17 levels.

    Data of 12 bits in a file of 16, for example: an image of 0 to 4,095 would be almost black.
    """
    largest = float(original.max())
    if largest * _UNUSED_RANGE >= full:
        return
    wider = "uint16" if original.dtype == np.uint16 else "float32"
    before, after = len(np.unique(original)), len(np.unique(scaled))
    if before > after:
        raise PackError(
            f"its values are {original.dtype} up to {largest:g} of {full:g}, and of {before:,} "
            f"different ones {after} would remain in 8 bits. If they have fewer bits than the file "
            f"({_USUAL_BITS}), multiply them to fill its range; if the image is as dark as that, "
            f'save it with 8 bits. To keep its values, pass dtype="{wider}"'
        )


def has_16_bits(image: Image.Image) -> bool:
    """Returns whether Pillow will read the high bytes only: color images of 16 bits a channel."""
    tiles = getattr(image, "tile", ())
    return len(image.getbands()) > 1 and any(";16" in str(tile[3]) for tile in tiles)


def _check_high_bytes(image: Image.Image) -> None:
    """Refuses a color image that uses less than a sixteenth of the range of 16 bits."""
    bands: Any = zip(image.getbands(), image.getextrema(), strict=True)
    largest = max(extrema[1] for band, extrema in bands if band != "A")
    # An image without a value above 255 is black in 8 bits, to within one level.
    if 0 < largest < 256 // _UNUSED_RANGE:
        raise PackError(
            f"its values have 16 bits a channel and are below {(largest + 1) * 256:,} of 65,535, "
            f"so that {largest + 1} levels would remain in 8 bits. If they have fewer bits than "
            f"the file ({_USUAL_BITS}), multiply them to fill its range; if the image is as dark "
            "as that, save it with 8 bits. To keep its values, save it as TIFF and pass "
            'dtype="uint16"'
        )


def read_with_skimage(file: ImageFile) -> npt.NDArray[Any]:
    """Reads a file in a format that Pillow does not read, such as 16-bit color TIFF."""
    content = file if isinstance(file, bytes) else Path(file).read_bytes()
    if not content:
        raise PackError("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read_content(content, file)
    except Exception as error:  # each of its readers raises errors of its own types
        raise PackError(
            "it is not an image in a format that Pillow or scikit-image reads"
        ) from error


def _read_content(content: bytes, file: ImageFile) -> npt.NDArray[Any]:
    from skimage.io import imread

    # Given a path, scikit-image reads a TIFF file with tifffile. Its other readers leave the file
    # open if they fail, so they receive the content.
    if not content.startswith(_TIFF_SIGNATURES):
        return np.asarray(imread(io.BytesIO(content)))
    if not isinstance(file, bytes):
        return np.asarray(imread(os.fspath(file)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.tif"
        path.write_bytes(content)
        return np.asarray(imread(path))
