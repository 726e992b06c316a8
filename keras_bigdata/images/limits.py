"""How large an image may be that is decoded from a file of a given size."""

from __future__ import annotations

# Files that an image format compresses more than this are made to exhaust the memory, or hold one
# color. JPEG cannot store less than about a bit for every 64 pixels of a channel.
_MAX_RATIO = 256

# Images up to this size are decoded whatever their files take: 16,384 x 5,461 pixels in color.
_ALWAYS_ALLOWED = 256 * 1024**2


def max_decoded_bytes(file_bytes: int) -> int:
    """Returns the largest size of the pixels (uint8) that a file of this size may be decoded to."""
    return max(_ALWAYS_ALLOWED, _MAX_RATIO * file_bytes)


def size_problem(height: int, width: int, channels: int, file_bytes: int) -> str | None:
    """Returns why an image is not decoded, from the dimensions in the header of its file.

    Packing and reading apply the same rule, so that what is packed can be read.

    Args:
        height, width: in pixels.
        channels: 3 or 1.
        file_bytes: size of the file.

    Returns:
        The reason as text; `None` if it may be decoded.
    """
    decoded, limit = height * width * channels, max_decoded_bytes(file_bytes)
    if decoded <= limit:
        return None
    return (
        f"its header names {height:,} x {width:,} pixels, {decoded:,} bytes when decoded, and a "
        f"file of {file_bytes:,} bytes is decoded to at most {limit:,}"
    )
