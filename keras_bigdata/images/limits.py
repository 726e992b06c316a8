"""The largest image that is decoded, so that a small file cannot claim all of the memory."""

from __future__ import annotations

# As for compressed shards: an image may be 256 times as large as its file, or 256 MiB.
_MAX_GROWTH = 256
_ALWAYS_ALLOWED = 256 * 2**20


def too_large(height: int, width: int, channels: int, file_bytes: int) -> str | None:
    """Returns why an image is not decoded; `None` if it may be.

    Args:
        height, width: size in pixels, as the header of the file says.
        channels: bytes of a pixel of the decoded image.
        file_bytes: size of the file.
    """
    size = height * width * channels
    if size <= max(_ALWAYS_ALLOWED, _MAX_GROWTH * file_bytes):
        return None
    return (
        f"its header says {height:,} x {width:,} pixels, {size:,} bytes, for a file of "
        f"{file_bytes:,}: an image may take 256 MiB, or 256 times its file"
    )
