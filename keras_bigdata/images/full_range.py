"""Image files -> arrays that keep the values of 16-bit and float files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, PpmImagePlugin, UnidentifiedImageError

from keras_bigdata.errors import PackError
from keras_bigdata.images.eight_bits import has_16_bits, to_mode
from keras_bigdata.images.load_image import load_image, resize_upright
from keras_bigdata.images.open_image import (
    Color,
    ImageFile,
    loaded_orientation,
    open_image,
    read_with_skimage,
    wrap_image_errors,
)
from keras_bigdata.images.resizing import Form, pad_to
from keras_bigdata.images.tiff import stored_numbers

Array = npt.NDArray[Any]

# ITU-R 601, as Pillow's conversion of 8-bit images.
_LUMA = (0.299, 0.587, 0.114)

# Whole numbers up to this one are exact in float32.
_EXACT_IN_FLOAT32 = 2**24


class StoredKind:
    """The kind of numbers that all files of a source must hold, such as `"uint16"`.

    8-bit and 16-bit files mean different scales: side by side in one source, their values could
    not be compared. The kind is that of the first file that can be read.

    Args:
        paths: The first files of the source, of which the first readable one decides.
        read: Reads the stored values of a path. Defaults to `None`: `read_stored`.
    """

    def __init__(
        self, paths: Sequence[str], read: Callable[[str], tuple[Array, int]] | None = None
    ) -> None:
        self._paths = list(paths)
        self._read = read or read_stored
        self._found: tuple[str, str] | None = None

    def check(self, path: ImageFile, values: Array) -> None:
        """Raises `PackError` if a file holds another kind of numbers than the first one."""
        kind = _kind(values)
        if self._found is None:
            name = "another image" if isinstance(path, bytes) else os.fspath(path)
            self._found = self._find() or (kind, name)
        first, file = self._found
        if kind != first:
            raise PackError(
                f"it holds {kind} values, and {file} holds {first} values, which have another "
                "scale. Values are kept as they are in the files: pack the two kinds as two "
                "sources, or convert the files to one kind"
            )

    def _find(self) -> tuple[str, str] | None:
        for path in self._paths:
            try:
                with wrap_image_errors():
                    return _kind(self._read(path)[0]), path
            except PackError:  # reported for its row
                continue
        return None


def load_pixels(
    path: ImageFile,
    size: tuple[int, int],
    color: Color,
    form: Form,
    kind: StoredKind | None = None,
) -> Array:
    """Reads an image file and resizes it, as `load_image`, to the dtype of `form`.

    With `"uint16"` and `"float32"` values are kept as they are in the file: 0 to 255 of an 8-bit
    file, 0 to 65,535 of a 16-bit one; those of a TIFF file of which 0 is white are inverted. They
    are resized in float32; uint16 is then rounded.

    Args:
        path: A file in any format that Pillow or scikit-image reads; or its content, as bytes.
        size: `(height, width)` in pixels.
        color: `"rgb"` or `"grayscale"`.
        form: How the image is resized, and its dtype.
        kind: Compares the numbers of the file with those of other files. Defaults to `None`.

    Returns:
        Array of shape `(height, width, 3)` or `(height, width, 1)`.

    Raises:
        PackError: If the file cannot be read, or if the dtype cannot hold its values. The message
            states the reason, but not the path.
    """
    if form.dtype == "uint8":
        return load_image(path, size, color, form)
    with wrap_image_errors():
        values, orientation = read_stored(path)
        if kind is not None:
            kind.check(path, values)
        _check_values(values, form.dtype)
        channels = _to_channels(values, color)
        full_size = (values.shape[1], values.shape[0])
        resized = [
            np.asarray(
                resize_upright(
                    Image.fromarray(np.ascontiguousarray(channel, np.float32)),
                    full_size,
                    orientation,
                    size,
                    form,
                )
            )
            for channel in np.moveaxis(channels, 2, 0)
        ]
        pixels = np.stack(resized, axis=2)
        if form.dtype == "uint16":
            # Bicubic and Lanczos filters overshoot at edges.
            pixels = np.rint(pixels).clip(0, 65_535).astype(np.uint16)
        return pad_to(pixels, size)


def read_stored(path: ImageFile) -> tuple[Array, int]:
    """Returns the values of a file, `(height, width)` or with channels, and its orientation.

    Palettes and other forms of 8-bit color are returned as RGB.
    """
    try:
        opened = open_image(path)
    except UnidentifiedImageError:
        return read_with_skimage(path), 1
    with opened:
        is_deep = has_16_bits(opened)
        maxval = pnm_maxval(opened)
        loaded = loaded_orientation(opened)
        if is_deep:
            if opened.format == "TIFF":
                return read_with_skimage(path), 1
            raise PackError(
                f"it is a {opened.format} file of color with 16 bits a channel, of which Pillow "
                "reads 8. Save it as TIFF"
            )
        if maxval is not None:
            return read_pnm(opened, maxval), loaded
        opened.load()
        if opened.mode in ("I", "F") or opened.mode.startswith("I;16"):
            return stored_numbers(opened), loaded
        mode = "L" if opened.mode in ("1", "L") and "transparency" not in opened.info else "RGB"
        return np.asarray(to_mode(opened, mode)), loaded


def pnm_maxval(image: Image.Image) -> int | None:
    """Returns the largest value that a PNM file allows, if Pillow scales its values."""
    if not isinstance(image, PpmImagePlugin.PpmImageFile):
        return None
    decoder, *_, args = image.tile[0]
    return int(args[1]) if decoder in ("ppm", "ppm_plain") and isinstance(args, tuple) else None


def read_pnm(image: Image.Image, maxval: int) -> Array:
    """Returns the values of a PNM file, which Pillow scales to 0 to 255 or 65,535.

    The scale is at least 1, so that each value is restored.
    """
    if maxval > 255 and image.mode == "RGB":
        raise PackError(
            f"it is a PPM file of color with values up to {maxval}, of which Pillow reads 8 bits. "
            "Save it as TIFF"
        )
    full = 255 if maxval <= 255 else 65_535
    values = np.asarray(image)
    return np.rint(values * (maxval / full)).astype(values.dtype)


def _kind(values: Array) -> str:
    if values.dtype.kind == "f":
        return "float"
    return "uint8" if values.dtype.kind == "b" else values.dtype.name


def _check_values(values: Array, dtype: str) -> None:
    """Refuses values that the dtype would change."""
    if values.size == 0 or values.dtype.kind not in "biuf":
        raise PackError(f"it holds an array of {values.dtype} of shape {values.shape}")
    low, high = values.min(), values.max()
    received = f"its values are {values.dtype} from {low} to {high}"
    if dtype == "uint16":
        if values.dtype.kind == "f" or low < 0 or high > np.iinfo(np.uint16).max:
            raise PackError(f'{received}, which uint16 does not hold. Pass dtype="float32"')
    elif values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise PackError(f"{received}, and some are not finite. Replace them")
        if max(abs(low), abs(high)) > np.finfo(np.float32).max:
            raise PackError(f"{received}, which is too large for float32")
    elif max(abs(int(low)), abs(int(high))) > _EXACT_IN_FLOAT32:
        raise PackError(
            f"{received}, and float32 holds whole numbers up to {_EXACT_IN_FLOAT32:,} exactly"
        )


def _to_channels(values: Array, color: Color) -> Array:
    """Returns values of shape `(height, width, 3 or 1)`, transparent parts on white."""
    if values.dtype.kind == "b":
        values = values * np.uint8(255)
    values = values[..., np.newaxis] if values.ndim == 2 else values
    if values.ndim != 3 or not 1 <= values.shape[2] <= 4:
        raise PackError(f"it holds an array of shape {values.shape}, which is not an image")
    if values.shape[2] in (2, 4):
        values = _on_white(values)
    if color == "rgb":
        return np.broadcast_to(values, (*values.shape[:2], 3))
    if values.shape[2] == 1:
        return values
    luma: Array = (values @ np.asarray(_LUMA))[..., np.newaxis]
    return luma if values.dtype.kind == "f" else np.rint(luma)


def _on_white(values: Array) -> Array:
    if values.dtype not in (np.uint8, np.uint16):
        raise PackError(
            f"it has transparent parts and {values.dtype} values, whose white is unknown. Save "
            "it without the alpha channel"
        )
    white = np.iinfo(values.dtype).max
    alpha = values[..., -1:] / white
    return np.asarray(np.rint(values[..., :-1] * alpha + white * (1 - alpha)), values.dtype)
