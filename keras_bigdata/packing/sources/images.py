"""A picture file -> a uint8 array of one size."""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from keras_bigdata.errors import PackError

Color = Literal["rgb", "grey"]

CHANNELS: dict[Color, int] = {"rgb": 3, "grey": 1}
COLORS = tuple(CHANNELS)

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# EXIF orientation -> how to turn the pixels back; from 5 on, height and width change places.
TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SWAPPED = 5

# JPEG decodes at 1/2, 1/4 or 1/8 of its size faster than whole, and other formats can be averaged
# in blocks first. With at least this many times the wanted size left for the filter, the result
# is within 0.1 of 255 of that without the shortcut.
_SHORTCUT = 3

# Between these reductions Pillow's Hamming filter is nearest to scikit-image's `resize` with
# anti-aliasing, elsewhere the bilinear one: mean difference over 22 photographs 0.2 to 1.3 of 255
# at any reduction from 0.5 to 16. Bilinear alone: up to 3.1, bicubic 3.7, Lanczos more.
_HAMMING = (1.2, 3.5)

Pixels = npt.NDArray[np.uint8]


def load_image(path: str | os.PathLike[str], size: tuple[int, int], color: Color) -> Pixels:
    """Reads a picture and resizes it.

    The whole picture is stretched to the size; its aspect ratio is not kept. It is turned the
    way its EXIF orientation says. Transparent pictures are laid on white, as
    `skimage.color.rgba2rgb` does. 16-bit values are scaled to 8 bits, floats are taken to be
    in 0 to 1. Grey is the luma of ITU-R 601 (0.299 R + 0.587 G + 0.114 B), as in
    `keras.utils.load_img`. Of several frames the first is read.

    Args:
        path: a file in any format that Pillow or scikit-image reads.
        size: `(height, width)` in pixels.
        color: `"rgb"` or `"grey"`.

    Returns:
        uint8 array of shape `(height, width, 3)` or `(height, width, 1)`.

    Raises:
        PackError: with the reason, if it cannot be read.

    Example:

    ```python
    pixels = load_image("photos/0001.jpg", (128, 128), "rgb")
    ```
    """
    with picture_errors():
        return _load(path, size, color)


@contextlib.contextmanager
def picture_errors() -> Iterator[None]:
    """Whatever fails while a picture is read is a `PackError` with the reason."""
    try:
        yield
    except (PackError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise PackError(f"{error} Store a smaller copy of the picture.") from error
    except OSError as error:
        raise PackError(error.strerror or str(error)) from error
    except Exception as error:  # on a damaged file a decoder may raise anything
        raise PackError(f"it cannot be decoded: {type(error).__name__}: {error}") from error


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silences Pillow's warnings (odd EXIF tags, many pixels): a picture is read, or an error.

    It sets the filters of the whole process, so it is not for several threads at once.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\b")
        yield


def _load(path: str | os.PathLike[str], size: tuple[int, int], color: Color) -> Pixels:
    height, width = size
    mode = "RGB" if color == "rgb" else "L"
    orientation = 1
    try:
        opened = Image.open(path)
    except UnidentifiedImageError:
        image = _flat(_from_array(_read_with_skimage(path)), mode)
        full = image.size
    else:
        with opened:
            full = opened.size
            orientation = orientation_of(opened)
            edge = _SHORTCUT * max(size)
            opened.draft(mode, (edge, edge))
            opened.load()
            image = _flat(_eight_bits(opened), mode)
    target = (height, width) if orientation >= SWAPPED else (width, height)
    if image.size != target:
        image = image.resize(target, _filter(full, target), reducing_gap=_SHORTCUT)
    if orientation in TURNED:
        image = image.transpose(TURNED[orientation])
    return np.array(image).reshape(height, width, CHANNELS[color])


def _filter(full: tuple[int, int], target: tuple[int, int]) -> Image.Resampling:
    low, high = _HAMMING
    reduction = math.sqrt(math.prod(full) / math.prod(target))
    return Image.Resampling.HAMMING if low < reduction < high else Image.Resampling.BILINEAR


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1 if there is none."""
    # EXIF of cameras and editors is often damaged; the pixels are good all the same.
    with contextlib.suppress(Exception):
        found = image.getexif().get(ExifTags.Base.Orientation)
        if found in TURNED:
            return int(found)
    return 1


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        # 16-bit grey; releases of Pillow differ in the mode they give it.
        return _from_array(np.asarray(image).astype(np.uint16))
    if image.mode in ("I", "F"):
        return _from_array(np.asarray(image))
    return image


def _flat(image: Image.Image, mode: str) -> Image.Image:
    """Without palette and transparency, in mode "RGB" or "L"."""
    palette = image.palette
    if (
        image.mode in ("LA", "La", "PA", "RGBA", "RGBa")
        or "transparency" in image.info
        or (image.mode == "P" and palette is not None and palette.mode.endswith("A"))
    ):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)


def _from_array(values: npt.NDArray[Any]) -> Image.Image:
    """An 8-bit image of an array (height, width) or (height, width, 1 to 4 channels)."""
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.size == 0 or not (values.ndim == 2 or (values.ndim == 3 and values.shape[2] <= 4)):
        raise PackError(f"it holds an array of shape {values.shape}, which is no picture")
    if values.dtype == np.uint16:
        values = (values.astype(np.uint32) + 128) // 257
    elif values.dtype == np.bool_:
        values = values * np.uint8(255)
    elif values.dtype.kind == "f" and values.min() >= 0 and values.max() <= 1:
        values = np.rint(values * 255)
    elif values.dtype != np.uint8:
        raise PackError(
            f"its values are {values.dtype} from {values.min()} to {values.max()}; convert it to "
            "8 or 16 bits, or to floats from 0 to 1"
        )
    return Image.fromarray(np.ascontiguousarray(values, dtype=np.uint8))


def _read_with_skimage(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """For what Pillow does not know, such as 16-bit colour TIFF."""
    with open(path, "rb") as file:
        content = file.read()
    if not content:
        raise PackError("the file is empty")
    from skimage.io import imread

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # By its path a TIFF file goes to tifffile; other readers leave files open on failure.
            named = content.startswith(_TIFF)
            return np.asarray(imread(os.fspath(path) if named else io.BytesIO(content)))
    except Exception as error:  # each reader behind it has its own
        raise PackError("it is no picture in a format that Pillow or scikit-image reads") from error


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
