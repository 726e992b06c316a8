"""Files that are stored as they are: each is checked when it is packed."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.io import imsave

from keras_bigdata import PackError
from keras_bigdata.images.limits import too_large
from keras_bigdata.images.open_image import quiet_pillow
from keras_bigdata.packing.sources.images.image_files import read_image_file

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def encode(form: str, **options: object) -> bytes:
    output = io.BytesIO()
    Image.fromarray(PIXELS).save(output, form, **options)
    return output.getvalue()


JPEG = encode("JPEG")
PROGRESSIVE = encode("JPEG", progressive=True)
PNG = encode("PNG")


def read(folder: Path, content: bytes) -> bytes:
    (folder / "image").write_bytes(content)
    return read_image_file(str(folder / "image"), "rgb").tobytes()


def png_of(height: int, width: int) -> bytes:
    """A PNG file whose header names a size, with hardly any data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


@pytest.mark.parametrize("content", [JPEG, PROGRESSIVE, PNG, encode("WEBP"), encode("TIFF")])
def test_the_content_is_unchanged(tmp_path: Path, content: bytes):
    assert read(tmp_path, content) == content


def test_a_format_that_only_scikit_image_reads(tmp_path: Path):
    imsave(tmp_path / "a.tif", PIXELS.astype(np.uint16) * 257, check_contrast=False)
    content = (tmp_path / "a.tif").read_bytes()
    assert read(tmp_path, content) == content


@pytest.mark.parametrize("content", [JPEG, PROGRESSIVE, PNG])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
def test_a_file_that_was_cut_off_is_found(tmp_path: Path, content: bytes, share: float):
    with pytest.raises(PackError, match="truncated"):
        read(tmp_path, content[: int(share * len(content))])


def test_the_last_byte_of_a_jpeg_file_counts(tmp_path: Path):
    with pytest.raises(PackError, match="truncated"):
        read(tmp_path, JPEG[:-1])


def test_what_is_not_an_image_is_refused(tmp_path: Path):
    with pytest.raises(PackError, match="not an image in a format that Pillow or scikit-image"):
        read(tmp_path, b"<html>404</html>")
    with pytest.raises(PackError, match="empty"):
        read(tmp_path, b"")
    with pytest.raises(PackError, match="No such file"):
        read_image_file(str(tmp_path / "missing"), "rgb")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PackError, match="a named pipe"):
        read_image_file(str(tmp_path / "pipe"), "rgb")


def test_a_file_that_would_be_decoded_to_too_much_is_not_decoded(tmp_path: Path):
    reason = "10,000 x 10,000 pixels, 300,000,000 bytes, for a file of"
    with quiet_pillow(), pytest.raises(PackError, match=reason):
        read(tmp_path, png_of(10_000, 10_000))


def test_the_limit():
    assert too_large(2**14, 2**14, 1, 100) is None
    assert too_large(2**14, 2**14 + 1, 1, 100) is not None
    assert too_large(2**14, 2**14, 3, 100) is not None
    assert too_large(2**14, 2**14, 3, 3 * 1024**2) is None
