"""Images of any mode and depth -> 8 bits, color or grayscale."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from keras_bigdata.errors import PackError
from keras_bigdata.images.tiff import bits_per_sample, stored_numbers

# Images of 16 bits or floats whose largest value is below this fraction (1/16) of the range keep
# at most 17 of 256 levels.
_UNUSED_RANGE = 16

_USUAL_BITS = "12 bits are 0 to 4095"


def to_8_bits(image: Image.Image) -> Image.Image:
    """Converts images of integers or floats; the others have 8 bits per channel or less."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return image_from_array(stored_numbers(image))
    return image


def to_mode(image: Image.Image, mode: str) -> Image.Image:
    """Converts to mode "RGB" or "L", without palette, transparent parts on white."""
    if image.mode == "LAB":  # Pillow converts it to RGB only
        image = image.convert("RGB")
    palette = image.palette
    if (
        image.mode in ("LA", "La", "PA", "RGBA", "RGBa")
        or "transparency" in image.info
        or (image.mode == "P" and palette is not None and palette.mode.endswith("A"))
    ):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)


def image_from_array(values: npt.NDArray[Any]) -> Image.Image:
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
    """Refuses an image that would keep at most 17 levels in 8 bits.

    An example is 12-bit data in a 16-bit file: values of 0 to 4,095 would be almost black.
    """
    largest = float(original.max())
    if largest * _UNUSED_RANGE >= full:
        return
    wider = "uint16" if original.dtype == np.uint16 else "float32"
    before, after = len(np.unique(original)), len(np.unique(scaled))
    if before > after:
        raise PackError(
            f"its values are {original.dtype} up to {largest:g} of {full:g}, and only {after} of "
            f"{before:,} different values would remain in 8 bits. If they have fewer bits than the "
            f"file ({_USUAL_BITS}), multiply them to fill its range; if the image is as dark as "
            f'that, save it with 8 bits. To keep its values, pass dtype="{wider}"'
        )


def has_16_bits(image: Image.Image) -> bool:
    """Returns whether Pillow will read the high bytes only: color images of 16 bits a channel."""
    bits = bits_per_sample(image)
    if bits is None:
        tiles = getattr(image, "tile", ())
        bits = 16 if any(";16" in str(tile[3]) for tile in tiles) else 8
    return len(image.getbands()) > 1 and bits > 8


def check_high_bytes(image: Image.Image) -> None:
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
