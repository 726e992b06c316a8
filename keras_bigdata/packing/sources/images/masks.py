"""Reads a mask file as the class number of each pixel."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from keras_bigdata.arguments import checked_int
from keras_bigdata.errors import PackError
from keras_bigdata.files import check_regular_file
from keras_bigdata.images.full_range import pnm_maxval, read_pnm
from keras_bigdata.images.load_image import Pixels
from keras_bigdata.images.open_image import (
    SWAPPED_ORIENTATION,
    UPRIGHT_TRANSPOSES,
    exif_orientation,
    loaded_orientation,
    upright_size,
    wrap_image_errors,
)
from keras_bigdata.images.resizing import ResizeMode, pad_to, place
from keras_bigdata.images.tiff import check_samples, is_white_zero, read_tiff_shape, stored_numbers

_MAX_CLASS = np.iinfo(np.uint8).max

# Pillow does not report whether a JPEG 2000 file was compressed without loss.
_LOSSY_FORMATS = ("JPEG", "MPO", "JPEG2000")


def load_mask(
    path: str | os.PathLike[str],
    size: tuple[int, int],
    image_paths: Sequence[str | os.PathLike[str]] = (),
    mask_values: tuple[int, ...] | None = None,
    resize: ResizeMode = "stretch",
) -> Pixels:
    """Reads a mask and resizes it without mixing values.

    The values are those in the file: the numbers of a palette (not its colors), gray values, 0
    and 1 of an image with one bit per pixel. The mask is made upright according to its EXIF
    orientation, which must be that of its images. Each pixel of the result is the nearest one of
    the file.

    Args:
        path: An image with one channel, or a `.npy` file with an array of shape
            `(height, width)` or `(height, width, 1)`.
        size: `(height, width)` in pixels.
        image_paths: The images that the mask belongs to, whose orientation is compared. Defaults
            to `()`.
        mask_values: The value in the file of class 0, 1, 2, ... Defaults to `None`: each value
            is the number of its class.
        resize: `"stretch"`, or `"pad"` or `"crop"` as the images are; padded pixels are 0, the
            first class. Defaults to `"stretch"`.

    Returns:
        uint8 array of shape `(height, width, 1)`.

    Raises:
        PackError: If the file cannot be read, is padded or cropped and does not have the aspect
            ratio of an image, has several channels or values that are not whole
            numbers from 0 to 255, or if an image has another EXIF orientation, unless the shape of
            the mask is only that of the upright image. It is also refused if 0 is white in it.
            Without `mask_values` also if it is a JPEG file, or if its values are 0 and 255. With
            them, if it has another value, unless it is a JPEG file.
    """
    with wrap_image_errors():
        values, orientation, is_lossy = _read_values(path)
        if values.ndim == 3 and values.shape[2] == 1:
            values = values[..., 0]
        if values.ndim != 2 or 0 in values.shape:
            raise PackError(
                f"a mask must hold one number per pixel. Received: an array of shape {values.shape}"
            )
        for image_path in image_paths:
            _check_orientation(values.shape, orientation, image_path)
        if mask_values is not None:
            values = _to_classes(values, mask_values, is_lossy)
        if values.dtype.kind == "f" and (np.rint(values) == values).all():
            values = np.clip(values, -1, _MAX_CLASS + 1).astype(np.int16)
        if values.dtype.kind not in "biu" or values.min() < 0 or values.max() > _MAX_CLASS:
            raise PackError(
                f"a mask must hold whole numbers from 0 to {_MAX_CLASS}. Received: {values.dtype} "
                f"from {values.min()} to {values.max()}"
            )
        if mask_values is None:
            _check_values(values, is_lossy)
        mask = Image.fromarray(np.ascontiguousarray(values, np.uint8))
        full = values.shape if resize == "stretch" else _image_size(values.shape, image_paths)
        resized = place(full, size, resize).apply(mask, Image.Resampling.NEAREST)
        return pad_to(np.array(resized)[..., np.newaxis], size)


def checked_mask_values(mask_values: Any) -> tuple[int, ...] | None:
    """Returns the argument `mask_values` as a tuple of integers, or `None`.

    Raises:
        TypeError: If it is not a sequence of integers.
        ValueError: If it is empty, has more than 256 entries, or one twice.
    """
    if mask_values is None:
        return None
    if isinstance(mask_values, str | bytes) or not hasattr(mask_values, "__iter__"):
        raise TypeError(
            "`mask_values` must be a list of integers, the value in the files of class 0, 1, ... "
            f"Received: mask_values={mask_values!r}"
        )
    values = tuple(checked_int(value, "mask_values[i]", 0) for value in mask_values)
    if not 1 <= len(values) <= _MAX_CLASS + 1 or len(set(values)) != len(values):
        raise ValueError(
            f"`mask_values` must hold 1 to {_MAX_CLASS + 1} different integers. "
            f"Received: mask_values={values}"
        )
    return values


def _check_values(values: npt.NDArray[Any], is_lossy: bool) -> None:
    """Refuses values that are probably not the numbers of classes."""
    if is_lossy:
        unique = np.unique(values)
        raise PackError(
            f"it is a JPEG file, whose compression may change values: it has {len(unique)}, from "
            f"{unique[0]} to {unique[-1]}. Save masks as PNG. Or pass the values that were saved, "
            "such as mask_values=(0, 255), to take each pixel for the nearest of them; or "
            "mask_values=range(256) if each of its values is a class"
        )
    if values.dtype.kind == "b" or values.max() != _MAX_CLASS:
        return
    if ((values == 0) | (values == _MAX_CLASS)).all():
        raise PackError(
            f"its values are {'0 and ' if (values == 0).any() else ''}255: either white is class 1 "
            "(mask_values=(0, 255)), or 255 is the number of a class (mask_values=range(256))"
        )


def _to_classes(
    values: npt.NDArray[Any], mask_values: tuple[int, ...], is_lossy: bool
) -> npt.NDArray[np.uint8]:
    """Returns the position of each value in `mask_values`; in a lossy file, of the nearest."""
    order = np.argsort(mask_values)
    ascending = np.asarray(mask_values)[order]
    if is_lossy:
        between = (ascending[:-1] + ascending[1:]) / 2
        return np.asarray(order[np.searchsorted(between, values)], np.uint8)
    places = np.searchsorted(ascending, values).clip(max=len(ascending) - 1)
    other = np.unique(values[ascending[places] != values])
    if len(other):
        raise PackError(
            f"it holds {', '.join(map(str, other[:5]))}{', ...' if len(other) > 5 else ''}, which "
            f"is not among mask_values={mask_values if len(mask_values) < 10 else '(...)'}"
        )
    return np.asarray(order[places], np.uint8)


def _read_values(path: str | os.PathLike[str]) -> tuple[npt.NDArray[Any], int, bool]:
    """Returns the values of a file, upright; its EXIF orientation; whether it may be lossy."""
    check_regular_file(path)
    if Path(path).suffix.lower() == ".npy":
        return np.asarray(np.load(path, allow_pickle=False)), 1, False
    with Image.open(path) as mask:
        bands = mask.getbands()
        if len(bands) != 1:
            raise PackError(
                f"a mask must have one channel. Received: an image with the channels "
                f"{', '.join(bands)}. Save the class number of each pixel, as a gray value or with "
                "a palette"
            )
        check_samples(mask)
        maxval = pnm_maxval(mask)
        if is_white_zero(mask) and mask.mode != "1":
            raise PackError(
                'it states that 0 is white ("min is white"), so that its values are either class '
                'numbers as they are stored, or inverted. Save it as "min is black" (in tifffile: '
                'photometric="minisblack"), or as PNG'
            )
        # Before the pixels are loaded: Pillow makes TIFF files upright itself.
        orientation = exif_orientation(mask)
        transpose = UPRIGHT_TRANSPOSES.get(loaded_orientation(mask))
        is_lossy = mask.format in _LOSSY_FORMATS or "jpeg" in str(mask.info.get("compression"))
        upright = mask if transpose is None else mask.transpose(transpose)
        if maxval is not None:
            return read_pnm(upright, maxval), orientation, is_lossy
        is_number = upright.mode in ("I", "F") or upright.mode.startswith("I;16")
        values = stored_numbers(upright) if is_number else np.asarray(upright)
        return values, orientation, is_lossy


def _image_size(
    shape: tuple[int, ...], image_paths: Sequence[str | os.PathLike[str]]
) -> tuple[int, int]:
    """Returns height and width of the images, upright: the mask is placed as they are.

    Raises:
        PackError: If the mask is not an image of theirs at another scale, to within one pixel.
    """
    height, width = shape[:2]
    full = None
    for path in image_paths:
        found = _read_upright_size(path)
        if found is None:
            continue
        size = found[:2]
        if not _has_ratio(shape, size):
            raise PackError(
                f"it is {height} high and {width} wide, and its image is {size[0]} high and "
                f"{size[1]} wide: their aspect ratios differ, so that after padding or cropping "
                'the mask would not lie on the image. Pass resize="stretch" if both show the same'
            )
        full = full or size
    return full or (height, width)


def _has_ratio(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Returns whether a mask has the aspect ratio of an image, to within one pixel."""
    height, width = shape[:2]
    expected_height, expected_width = width * size[0] / size[1], height * size[1] / size[0]
    return min(abs(height - expected_height), abs(width - expected_width)) < 1


def _read_upright_size(path: str | os.PathLike[str]) -> tuple[int, int, int] | None:
    """Returns height and width of an image, upright, and its EXIF orientation.

    `None` if neither Pillow nor tifffile reads it: other formats have no orientation.
    """
    try:
        check_regular_file(path)
        with Image.open(path) as image:
            return *upright_size(image), exif_orientation(image)
    except UnidentifiedImageError:
        return read_tiff_shape(os.fspath(path))
    except OSError:
        return None


def _check_orientation(
    shape: tuple[int, ...], orientation: int, image_path: str | os.PathLike[str]
) -> None:
    """Refuses a mask if it is not certain whether it shows its image upright or as it is stored.

    Args:
        shape: Shape of the mask, made upright.
        orientation: Its EXIF orientation.
        image_path: The image.
    """
    found = _read_upright_size(image_path)
    if found is None or found[2] == 1:
        return
    height, width, image_orientation = found
    upright, stored = (height, width), (width, height)
    is_turned = image_orientation >= SWAPPED_ORIENTATION and height != width
    if is_turned and shape == stored:
        raise PackError(
            f"it is {width} high and {height} wide, as the pixels of the image are in its file, "
            "but the EXIF orientation of the image turns it. Save the image turned "
            "(PIL.ImageOps.exif_transpose), or the mask"
        )
    if orientation == image_orientation:
        return
    is_upright = shape == upright or (_has_ratio(shape, upright) and not _has_ratio(shape, stored))
    if is_turned and orientation == 1 and is_upright:
        return
    own = "has none" if orientation == 1 else f"has orientation {orientation}"
    raise PackError(
        f"its image has EXIF orientation {image_orientation}, and the mask {own}: it may show the "
        "image as its pixels are in the file, or upright, as programs display it. Save both "
        "upright and without EXIF orientation (PIL.ImageOps.exif_transpose)"
    )
