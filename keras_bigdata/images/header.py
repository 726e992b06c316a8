"""Format and size of an image, from the first bytes of its file."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from keras_bigdata.images.jpeg import SIGNATURE

_PNG = b"\x89PNG\r\n\x1a\n"

# JPEG markers: those that begin a frame and hold its size, and those without a length.
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_ENDS = frozenset({0xD9, 0xDA})

# More segments before the size are not from an encoder. A profile takes 255 at most.
_MAX_SEGMENTS = 10_000

# Channels by the color type of a PNG file; a palette has none.
_PNG_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
_GRAYSCALE_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "F")


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """The properties that the header of an image file states.

    Args:
        format: `"jpeg"`, `"png"`, or the name of another format.
        height, width: size in pixels.
        channels: number of channels; `None` if they follow from a palette.
        depth: bits of a channel.
    """

    format: str
    height: int
    width: int
    channels: int | None
    depth: int

    @property
    def is_color(self) -> bool:
        """Whether the image is more than grayscale, with or without transparency."""
        return self.channels not in (1, 2)

    def __str__(self) -> str:
        channels = "palette" if self.channels is None else self.channels
        bits = "" if self.depth == 8 else f" of {self.depth} bits"
        return f"{self.format} of {self.height} x {self.width} x {channels}{bits}"


def read_header(content: memoryview) -> ImageHeader | None:
    """Reads the header of an image file; no pixels are decoded.

    Args:
        content: the content of the file.

    Returns:
        The header; `None` if the bytes are not an image of a known format.
    """
    start = bytes(content[:8])
    if start.startswith(SIGNATURE):
        return _read_jpeg(content)
    if start == _PNG:
        return _read_png(content)
    try:
        with Image.open(io.BytesIO(content)) as image:
            channels = 1 if image.mode in _GRAYSCALE_MODES else 3
            return ImageHeader(str(image.format).lower(), image.height, image.width, channels, 8)
    except Exception:  # Pillow's readers raise any, such as struct.error
        return None


def _read_jpeg(content: memoryview) -> ImageHeader | None:
    place = 2
    for _ in range(_MAX_SEGMENTS):
        if place + 10 > len(content) or content[place] != 0xFF:
            break
        marker = content[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
        elif marker in _FRAMES:
            depth, channels = content[place + 4], content[place + 9]
            height = int.from_bytes(content[place + 5 : place + 7])
            width = int.from_bytes(content[place + 7 : place + 9])
            return ImageHeader("jpeg", height, width, channels, depth)
        elif marker in _ALONE:
            place += 2
        elif marker in _ENDS:
            return None
        else:
            place += 2 + max(2, int.from_bytes(content[place + 2 : place + 4]))
    return None


def _read_png(content: memoryview) -> ImageHeader | None:
    if len(content) < 26 or bytes(content[12:16]) != b"IHDR":
        return None
    width, height = int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
    return ImageHeader("png", height, width, _PNG_CHANNELS.get(content[25]), content[24])
