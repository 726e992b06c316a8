"""Decoding into given arrays: by simplejpeg and by Pillow, whole images and parts of them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import skimage.data
from PIL import Image, PngImagePlugin

from keras_bigdata import CenterCrop, PackError, RandomResizedCrop, Resize
from keras_bigdata.images import decode
from keras_bigdata.images.decode import DecodeError, decode_into, decode_part_into
from keras_bigdata.images.encode import encode_image
from keras_bigdata.images.load_image import load_image

CAT = skimage.data.chelsea()  # (300, 451, 3)
SMALL = np.ascontiguousarray(CAT[100:164, 100:196])


@pytest.fixture(params=["simplejpeg", "Pillow"])
def decoder(request, monkeypatch):
    if request.param == "Pillow":
        monkeypatch.setattr(decode, "simplejpeg", lambda: None)
    else:
        pytest.importorskip("simplejpeg")
    return request.param


def saved(pixels, kind="JPEG", **options):
    output = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(output, kind, **options)
    return output.getvalue()


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("codec", ["jpeg", "png"])
def test_an_image_is_decoded_as_pillow_decodes_it(decoder, codec, channels):
    content = encode_image(SMALL[..., :channels], codec, 90).data
    out = np.full((64, 96, channels), 7, np.uint8)
    decode_into(content, out, is_plain=True)
    expected = np.asarray(Image.open(io.BytesIO(content))).reshape(out.shape)
    assert (out == expected).all()
    if codec == "png":
        assert (out == SMALL[..., :channels]).all()


def test_files_become_color_or_grayscale(decoder):
    for channels, mode in ((3, "RGB"), (1, "L")):
        for content in (saved(SMALL), saved(SMALL[..., 0]), saved(SMALL, "PNG")):
            out = np.empty((64, 96, channels), np.uint8)
            decode_into(memoryview(content), out, is_plain=False)
            expected = np.asarray(Image.open(io.BytesIO(content)).convert(mode))
            # The luma of a JPEG file is read from it, not computed from its rounded colors.
            assert np.abs(out.astype(int) - expected.reshape(out.shape)).max() <= 3


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/></x:xmpmeta>'
)


@pytest.mark.parametrize("where", ["exif", "xmp", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_made_upright(decoder, orientation, where):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    if where == "xmp":
        content = saved(CAT, quality=95, xmp=XMP % orientation)
    else:
        content = saved(CAT, "TIFF" if where == "TIFF" else "JPEG", quality=95, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    out = np.empty((40, 24, 3), np.uint8)
    decode_part_into(memoryview(content), out, Resize((40, 24)), ())
    expected = np.asarray(upright.resize((24, 40), Image.Resampling.BILINEAR))
    assert np.abs(out.astype(int) - expected).mean() < 1.5
    whole = np.empty((upright.height, upright.width, 3), np.uint8)
    decode_into(memoryview(content), whole, is_plain=False)
    assert np.abs(whole.astype(int) - np.asarray(upright)).mean() < 1.5


def test_a_part_is_cut_out_and_resized_as_torchvision_does_it_with_pillow(decoder):
    content = memoryview(saved(CAT, "PNG"))
    image = Image.fromarray(CAT)
    out = np.full((100, 200, 3), 9, np.uint8)
    decode_part_into(content, out, CenterCrop((100, 200)), ())
    assert (out == CAT[100:200, 126:326]).all()  # round(251 / 2) is 126
    decode_part_into(content, out, Resize((100, 200)), ())
    assert (out == np.asarray(image.resize((200, 100), Image.Resampling.BILINEAR))).all()
    crop = RandomResizedCrop((100, 200))
    draws = np.random.default_rng(3).random(crop.draws).tolist()
    top, left, height, width = map(int, crop.place(300, 451, draws).box)
    decode_part_into(content, out, crop, draws)
    part = image.crop((left, top, left + width, top + height))
    assert (out == np.asarray(part.resize((200, 100), Image.Resampling.BILINEAR))).all()


def test_what_a_small_image_does_not_cover_is_zero(decoder):
    out = np.full((80, 100, 3), 9, np.uint8)
    decode_part_into(memoryview(saved(SMALL, "PNG")), out, CenterCrop((80, 100)), ())
    assert (out[8:72, 2:98] == SMALL).all()
    out[8:72, 2:98] = 0
    assert not out.any()


def test_a_jpeg_that_is_reduced_while_it_is_decoded_differs_little(decoder):
    large = np.asarray(Image.fromarray(CAT).resize((1804, 1200), Image.Resampling.BICUBIC))
    content = saved(large, quality=95)
    expected = np.asarray(Image.open(io.BytesIO(content)).resize((96, 64), 2)).astype(int)
    out = np.empty((64, 96, 3), np.uint8)
    decode_part_into(memoryview(content), out, Resize((64, 96)), ())
    assert np.abs(out - expected).mean() < 1


@pytest.mark.parametrize("kind", ["JPEG", "MPO"])
@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("shape", [(375, 500), (333, 500), (501, 377), (1001, 999), (97, 100)])
def test_both_decoders_reduce_a_jpeg_to_the_same_pixels(monkeypatch, shape, channels, kind):
    pytest.importorskip("simplejpeg")
    image = Image.fromarray(CAT).resize(shape[::-1], Image.Resampling.BICUBIC)
    content = memoryview(saved(image, kind))
    for size in ((10, 12), (20, 33), (60, 60)):
        fast, slow = np.zeros((2, *size, channels), np.uint8)
        decode_part_into(content, fast, Resize(size), ())
        with monkeypatch.context() as without:
            without.setattr(decode, "simplejpeg", lambda: None)
            decode_part_into(content, slow, Resize(size), ())
        assert (fast == slow).all()


def png_header(height, width):
    """A PNG file whose header claims a size; its pixels are missing."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 9) + b"IDAT" + bytes(13)


def jpeg_claiming(height, width):
    """A small JPEG file whose header claims another size."""
    content = bytearray(saved(SMALL))
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(content)


@pytest.mark.parametrize(("height", "width"), [(60_000, 60_000), (10_000, 15_000)])
@pytest.mark.parametrize("make", [png_header, jpeg_claiming])
def test_a_small_file_that_claims_a_huge_image_is_refused(decoder, make, height, width):
    content = make(height, width)
    sizes = f"{height * width} pixels|{height:,} x {width:,} pixels|{height} x {width} pixels"
    out = np.empty((8, 8, 3), np.uint8)
    with pytest.raises(DecodeError, match=sizes):
        decode_part_into(memoryview(content), out, Resize((8, 8)), ())
    with pytest.raises(DecodeError, match=sizes):
        decode_into(memoryview(content), out, is_plain=True)


@pytest.mark.parametrize("size", [(64, 95), (65, 96), (8, 8), (200, 200)])
def test_an_image_of_another_size_than_in_the_index_is_refused(decoder, size):
    out = np.empty((*size, 3), np.uint8)
    with pytest.raises(DecodeError, match="64 x 96 pixels, expected"):
        decode_into(memoryview(saved(SMALL)), out, is_plain=True)


@pytest.mark.parametrize("cut", [0, 3, 20, 600, -400])
def test_a_file_that_is_cut_off_is_refused(decoder, cut):
    content = memoryview(saved(SMALL)[:cut])
    out = np.empty((64, 96, 3), np.uint8)
    with pytest.raises(DecodeError):
        decode_into(content, out, is_plain=True)
    with pytest.raises(DecodeError):
        decode_part_into(content, out, Resize((64, 96)), ())


def test_a_jpeg_of_four_inks_is_left_to_pillow(decoder):
    content = saved(Image.fromarray(SMALL).convert("CMYK"))
    out = np.empty((64, 96, 3), np.uint8)
    decode_into(memoryview(content), out, is_plain=False)
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert (out == expected).all()


def test_a_png_with_damaged_pixels_is_refused():
    content = bytearray(saved(CAT, "PNG"))
    content[9_000:9_300] = bytes(300)
    for decode_it in (
        lambda: load_image(bytes(content), (30, 40), "rgb"),
        lambda: decode_into(memoryview(content), np.empty(CAT.shape, np.uint8), is_plain=True),
        lambda: decode_part_into(
            memoryview(content), np.empty((9, 9, 3), np.uint8), Resize((9, 9)), ()
        ),
    ):
        with pytest.raises(PackError, match="data stream"):
            decode_it()


@pytest.mark.filterwarnings("ignore:Image size")
def test_the_size_of_a_png_is_checked_before_memory_is_taken(monkeypatch):
    loaded = []
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load_prepare", lambda _: loaded.append(1))
    with pytest.raises(DecodeError, match="expected"):
        decode_into(
            memoryview(png_header(9_000, 8_000)), np.empty((64, 96, 3), np.uint8), is_plain=True
        )
    content = memoryview(png_header(10_000, 15_000))
    with pytest.raises(DecodeError, match="its header says"):
        decode_part_into(content, np.empty((9, 9, 3), np.uint8), Resize((9, 9)), ())
    assert not loaded


@pytest.mark.parametrize("size", [(1201, 1805), (601, 903), (901, 1351)])
def test_a_reduced_jpeg_of_an_odd_size_is_not_moved(decoder, size):
    """The last reduced pixel covers a part of one: a shift by that was 1 of 255 and more."""
    large = np.asarray(Image.fromarray(CAT).resize(size[::-1], Image.Resampling.BICUBIC))
    content = saved(large, quality=95)
    expected = np.asarray(Image.open(io.BytesIO(content)).resize((48, 32), 2)).astype(int)
    out = np.empty((32, 48, 3), np.uint8)
    decode_part_into(memoryview(content), out, Resize((32, 48)), ())
    assert np.abs(out - expected).mean() < 0.4
