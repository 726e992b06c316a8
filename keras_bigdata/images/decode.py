"""The content of an image file -> pixels in a given array, whole or a part of the image."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from keras_bigdata.errors import PackError
from keras_bigdata.images.crops import Crop, Placement
from keras_bigdata.images.jpeg import REDUCTIONS, SIGNATURE, may_be_turned, simplejpeg
from keras_bigdata.images.limits import too_large
from keras_bigdata.images.open_image import load_upright, wrap_image_errors

Pixels = npt.NDArray[np.uint8]

# JPEG is decoded at a reduced size, which is faster, as long as it is this many times as large as
# the result. The result then differs by 0.1 of 255 on average (with 2 instead of 3, by 1.1).
_REDUCING_GAP = 3

# What simplejpeg converts to RGB; the inks of CMYK files are left to Pillow.
_COLORSPACES = ("YCbCr", "RGB", "Gray", "GRAY")

_scratch = threading.local()


class DecodeError(PackError):
    """An image that cannot be decoded; the message states the reason, but not the file."""


def decode_into(content: memoryview, out: Pixels, *, is_plain: bool) -> None:
    """Decodes an image that has the size of an array.

    The size in its header is compared before memory is taken.

    Args:
        content: the content of the file.
        out: uint8 array of shape `(height, width, 3)` for color, or `(height, width, 1)` for
            grayscale; C-contiguous.
        is_plain: whether this package encoded the image, so that there is no EXIF orientation.

    Raises:
        DecodeError: if it cannot be decoded, or has another size.
    """
    module = simplejpeg()
    if module is not None and _is_jpeg(content) and (is_plain or _is_usual(content)):
        try:
            decoded = module.decode_jpeg(content, _colorspace(out.shape[2]), buffer=out)
        except ValueError as error:
            # Files of other programs may have faults that Pillow, like most programs, tolerates.
            if is_plain:
                raise _decode_error(content, out, error) from error
        else:
            if decoded.shape != out.shape:
                raise _size_error(decoded.shape[:2], out.shape[:2])
            return
    with _reported():
        expected = out.shape[:2]

        def check_size(height: int, width: int) -> None:
            if sorted((height, width)) != sorted(expected):
                raise _size_error((height, width), expected)

        image = load_upright(bytes(content), out.shape[2], check_size)
        if (image.height, image.width) != expected:
            raise _size_error((image.height, image.width), expected)
        out[...] = np.asarray(image).reshape(out.shape)


def decode_rows(
    content: memoryview, starts: Sequence[int], sizes: Sequence[int], out: Pixels
) -> int:
    """Decodes JPEG images that this package encoded, as many as simplejpeg decodes without error.

    The GIL is held between two images, and the thread that trains may wait for it: the loop does
    nothing that is not needed.

    Args:
        content: memory that holds all images.
        starts, sizes: position and size of each in bytes.
        out: uint8 array of shape `(images, height, width, channels)`, C-contiguous.

    Returns:
        The number of images that were decoded. The next one has to be decoded by `decode_into`,
        whose error states what is wrong with it.
    """
    module = simplejpeg()
    if module is None:
        return 0
    decode, colorspace, shape = module.decode_jpeg, _colorspace(out.shape[3]), out.shape[1:]
    number = 0
    try:
        for start, size, row in zip(starts, sizes, out, strict=True):
            if decode(content[start : start + size], colorspace, buffer=row).shape != shape:
                return number
            number += 1
    except ValueError:
        pass
    return number


def decode_part_into(content: memoryview, out: Pixels, crop: Crop, draws: Sequence[float]) -> None:
    """Decodes a part of an image of any size, resized to the size of an array.

    Args:
        content, out: as in `decode_into`.
        crop: which part.
        draws: the random numbers that it takes.

    Raises:
        DecodeError: if the image cannot be decoded, or if its header claims more pixels than a
            file of its size may have.
    """
    module = simplejpeg()
    if module is not None and _is_jpeg(content) and _is_usual(content):
        with contextlib.suppress(ValueError):
            height, width, *_ = module.decode_jpeg_header(content)
            _check_limit(height, width, out.shape[2], len(content))
            placement = crop.place(height, width, draws)
            reduction = _reduction(placement)
            reduced = (-(-height // reduction), -(-width // reduction))
            memory = _scratch_memory(reduced[0] * reduced[1] * out.shape[2])
            smallest = reduced if reduction > 1 else (0, 0)
            pixels = module.decode_jpeg(
                content,
                _colorspace(out.shape[2]),
                min_height=smallest[0],
                min_width=smallest[1],
                buffer=memory,
            )
            _place(pixels, reduction, placement, out)
            return
    with _reported():
        chosen: list[Placement] = []
        full_sizes: list[tuple[int, int]] = []

        def check_limit(height: int, width: int) -> None:
            _check_limit(height, width, out.shape[2], len(content))

        def choose_reduction(height: int, width: int) -> int:
            placement = crop.place(height, width, draws)
            chosen.append(placement)
            full_sizes.append((height, width))
            return _reduction(placement)

        image = load_upright(bytes(content), out.shape[2], check_limit, choose_reduction)
        pixels = np.asarray(image).reshape(image.height, image.width, out.shape[2])
        # Files of other formats are not reduced.
        is_reduced = pixels.shape[:2] != full_sizes[0]
        _place(pixels, _reduction(chosen[0]) if is_reduced else 1, chosen[0], out)


def _place(pixels: Pixels, reduction: int, placement: Placement, out: Pixels) -> None:
    """Writes a part of an image into an array.

    Args:
        pixels: the image, possibly reduced.
        reduction: the rows and columns of the whole image that a pixel stands for. The last pixels
            may stand for fewer.
        placement: the part, in pixels of the whole image.
        out: the array.
    """
    top, left = placement.box[0] / reduction, placement.box[1] / reduction
    bottom = min(top + placement.box[2] / reduction, pixels.shape[0])
    right = min(left + placement.box[3] / reduction, pixels.shape[1])
    # The pixels around the box are needed only as far as it reaches.
    first_row, first_column = int(top), int(left)
    part = pixels[first_row : -int(-bottom // 1), first_column : -int(-right // 1)]
    (height, width), (row, column) = placement.size, placement.origin
    if (height, width) != out.shape[:2]:
        out[...] = 0
    target = out[row : row + height, column : column + width]
    box = (left - first_column, top - first_row, right - first_column, bottom - first_row)
    if box == (0, 0, width, height) and part.shape[:2] == (height, width):
        target[...] = part
        return
    image = Image.fromarray(np.ascontiguousarray(part[..., 0] if part.shape[2] == 1 else part))
    # As torchvision resizes images of Pillow: bilinear, with anti-aliasing.
    resized = image.resize((width, height), Image.Resampling.BILINEAR, box)
    target[...] = np.asarray(resized).reshape(target.shape)


def _reduction(placement: Placement) -> int:
    """Returns the factor by which a JPEG file may be reduced while it is decoded."""
    ratio = min(
        length / (_REDUCING_GAP * size)
        for length, size in zip(placement.box[2:], placement.size, strict=True)
    )
    return next((reduction for reduction in REDUCTIONS if reduction <= ratio), 1)


def _scratch_memory(nbytes: int) -> Pixels:
    """Returns memory of this thread, which the next call uses again: fresh memory is slower."""
    memory = getattr(_scratch, "memory", None)
    if memory is None or len(memory) < nbytes:
        memory = _scratch.memory = np.empty(nbytes, np.uint8)
    return memory


def _is_jpeg(content: memoryview) -> bool:
    return bytes(content[: len(SIGNATURE)]) == SIGNATURE


def _is_usual(content: memoryview) -> bool:
    """Returns whether a JPEG file is upright, and has colors that simplejpeg converts."""
    if may_be_turned(content):
        return False
    try:
        return simplejpeg().decode_jpeg_header(content)[2] in _COLORSPACES
    except ValueError:
        return False


def _colorspace(channels: int) -> str:
    return "RGB" if channels == 3 else "GRAY"


def _check_limit(height: int, width: int, channels: int, file_bytes: int) -> None:
    problem = too_large(height, width, channels, file_bytes)
    if problem is not None:
        raise DecodeError(problem)


def _size_error(found: Sequence[int], expected: Sequence[int]) -> DecodeError:
    return DecodeError(
        f"it has {found[0]} x {found[1]} pixels, expected {expected[0]} x {expected[1]} from the "
        "index"
    )


def _decode_error(content: memoryview, out: Pixels, error: Exception) -> DecodeError:
    """Returns the error about an image that simplejpeg refuses."""
    with contextlib.suppress(ValueError):
        height, width, *_ = simplejpeg().decode_jpeg_header(content)
        if (height, width) != out.shape[:2]:
            return _size_error((height, width), out.shape[:2])
    return DecodeError(f"it cannot be decoded: {error}")


@contextlib.contextmanager
def _reported() -> Iterator[None]:
    try:
        with wrap_image_errors():
            yield
    except PackError as error:
        raise DecodeError(str(error)) from error
