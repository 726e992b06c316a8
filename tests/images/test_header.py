"""The headers of image files are read without decoding, whatever the bytes are."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from keras_bigdata.images.header import ImageHeader, read_header


def content(mode="RGB", format="JPEG", size=(7, 5), **options):
    output = io.BytesIO()
    Image.new(mode, size, 1).save(output, format, **options)
    return output.getvalue()


def header_of(data):
    return read_header(memoryview(data))


@pytest.mark.parametrize(
    ("mode", "format", "options", "expected"),
    [
        ("RGB", "JPEG", {}, ImageHeader("jpeg", 5, 7, 3, 8)),
        ("L", "JPEG", {}, ImageHeader("jpeg", 5, 7, 1, 8)),
        ("CMYK", "JPEG", {}, ImageHeader("jpeg", 5, 7, 4, 8)),
        ("RGB", "JPEG", {"progressive": True}, ImageHeader("jpeg", 5, 7, 3, 8)),
        ("RGB", "JPEG", {"exif": b"Exif\0\0" + bytes(60_000)}, ImageHeader("jpeg", 5, 7, 3, 8)),
        ("RGB", "JPEG", {"comment": b"\xff\xc0" * 9}, ImageHeader("jpeg", 5, 7, 3, 8)),
        ("RGB", "PNG", {}, ImageHeader("png", 5, 7, 3, 8)),
        ("L", "PNG", {}, ImageHeader("png", 5, 7, 1, 8)),
        ("LA", "PNG", {}, ImageHeader("png", 5, 7, 2, 8)),
        ("RGBA", "PNG", {}, ImageHeader("png", 5, 7, 4, 8)),
        ("P", "PNG", {}, ImageHeader("png", 5, 7, None, 8)),
        ("I;16", "PNG", {}, ImageHeader("png", 5, 7, 1, 16)),
        ("1", "PNG", {}, ImageHeader("png", 5, 7, 1, 1)),
        ("RGB", "BMP", {}, ImageHeader("bmp", 5, 7, 3, 8)),
        ("L", "TIFF", {}, ImageHeader("tiff", 5, 7, 1, 8)),
        ("P", "GIF", {}, ImageHeader("gif", 5, 7, 3, 8)),
        ("RGB", "WEBP", {}, ImageHeader("webp", 5, 7, 3, 8)),
    ],
)
def test_formats_and_sizes(mode, format, options, expected):
    header = header_of(content(mode, format, **options))
    if expected.depth != 8 and mode == "P":
        pytest.skip("a palette of few colors")
    assert header is not None
    assert (header.format, header.height, header.width) == (expected.format, 5, 7)
    assert header.channels == expected.channels
    if mode != "P":
        assert header.depth == expected.depth
    assert header.is_color == (mode not in ("L", "LA", "1", "I;16"))


def test_a_header_reads_as_text():
    assert str(header_of(content())) == "jpeg of 5 x 7 x 3"
    assert str(header_of(content("I;16", "PNG"))) == "png of 5 x 7 x 1 of 16 bits"
    assert "palette" in str(ImageHeader("png", 1, 2, None, 8))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "GIF", "TIFF"])
def test_no_part_of_a_file_raises(format):
    data = content("L", format)
    whole = header_of(data)
    for stop in range(0, min(len(data), 700)):
        header = header_of(data[:stop])
        assert header is None or (header.height, header.width) == (whole.height, whole.width)


@settings(deadline=None, max_examples=150)
@given(
    start=st.sampled_from(
        [b"", b"\xff\xd8\xff", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"II*\0", b"BM"]
    ),
    rest=st.binary(max_size=200),
)
def test_any_bytes_are_a_header_or_none(start, rest):
    header = header_of(start + rest)
    assert header is None or isinstance(header.height, int)


def test_many_empty_segments_take_no_time():
    data = b"\xff\xd8" + b"\xff\xe0\0\0" * 250_000
    started = time.process_time()
    assert header_of(data) is None
    assert header_of(b"\xff\xd8" + b"\xff" * 500_000) is None
    assert time.process_time() - started < 2


def test_an_image_of_a_huge_size_is_read_without_memory():
    data = bytearray(content("RGB", "PNG"))
    data[16:24] = np.array([2**31 - 1, 2**31 - 1], ">u4").tobytes()
    assert header_of(bytes(data)).width == 2**31 - 1
