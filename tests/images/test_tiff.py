"""TIFF files whose values Pillow reads as others, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
import tifffile
from PIL import Image

from keras_bigdata import ImageFolder, PackError, ShardSequence, pack
from keras_bigdata.images.crops import Resize
from keras_bigdata.images.decode import decode_into
from keras_bigdata.images.full_range import load_pixels
from keras_bigdata.images.load_image import load_image
from keras_bigdata.images.open_image import UPRIGHT_TRANSPOSES, quiet_pillow
from keras_bigdata.images.resizing import Form
from keras_bigdata.packing.sources.images.masks import load_mask

UINT16, FLOAT32 = Form(dtype="uint16"), Form(dtype="float32")
GRAY = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
ORIENTATION = 274


def write(path: Path, values: np.ndarray, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, values, **{"photometric": "minisblack", **options})
    return path


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_planar_rgb_of_16_bits_is_not_packed_as_noise(
    byteorder: str, compression: str | None, tmp_path: Path
):
    write(
        tmp_path / "in/a/p.tif",
        np.stack([GRAY, GRAY + 1, GRAY + 2]),
        photometric="rgb",
        planarconfig="separate",
        compression=compression,
        byteorder=byteorder,
    )
    expected = np.stack([GRAY, GRAY + 1, GRAY + 2], -1)
    for dtype in ("uint16", "float32", "uint8"):
        pack(ImageFolder(tmp_path / "in", size=(8, 8), dtype=dtype), tmp_path / dtype, verbose=0)
        image = ShardSequence(tmp_path / dtype, 1, shuffle=None)[0][0][0]
        if dtype == "uint8":
            assert np.abs(image - expected / 257.0).max() <= 1
        else:
            np.testing.assert_array_equal(image, expected)
    assert expected[0, :, 0].tolist() == list(range(0, 8000, 1000))
    pack(ImageFolder(tmp_path / "in", size=None, store="file"), tmp_path / "file", verbose=0)
    decoded = ShardSequence(tmp_path / "file", 1, shuffle=None, decode=Resize((8, 8)))[0][0][0]
    assert np.abs(decoded - expected / 257.0).max() <= 1


def test_planar_rgb_of_3_columns_keeps_its_shape(tmp_path: Path):
    for height in (8, 3, 1):
        values = np.stack([GRAY[:height, :3], GRAY[:height, 1:4], GRAY[:height, 2:5]])
        path = write(tmp_path / "a.tif", values, photometric="rgb", planarconfig="separate")
        pixels = load_pixels(path, (height, 3), "rgb", UINT16)
        np.testing.assert_array_equal(pixels, np.moveaxis(values, 0, 2))


@pytest.mark.parametrize("shape", [(1, 8), (8, 1), (1, 1), (1, 8, 3), (3, 1, 3)])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_images_of_one_row_or_column_that_pillow_does_not_read(
    shape: tuple[int, ...], bigtiff: bool, byteorder: str, tmp_path: Path
):
    if bigtiff and byteorder == ">" and int(PIL.__version__.split(".")[0]) < 12:
        pytest.skip("Pillow 11 refuses it with an error of its own")
    values = np.linspace(0, 1, np.prod(shape)).reshape(shape)
    kind = "rgb" if len(shape) == 3 else "minisblack"
    options = {"photometric": kind, "bigtiff": bigtiff, "byteorder": byteorder}
    path = write(tmp_path / "a.tif", values, **options)
    with quiet_pillow():  # it warns of a big-endian BigTIFF file
        pixels = load_pixels(path, shape[:2], "rgb", FLOAT32)
    expected = values if len(shape) == 3 else np.stack([values] * 3, -1)
    np.testing.assert_array_equal(pixels, expected.astype(np.float32))


def test_int8_is_not_packed_as_uint8(tmp_path: Path):
    values = (np.arange(64).reshape(8, 8) - 32).astype(np.int8)
    write(tmp_path / "in/a/s.tif", values)
    for dtype in ("uint8", "uint16", "float32"):
        source = ImageFolder(tmp_path / "in", size=(8, 8), dtype=dtype)
        with pytest.raises(PackError, match=r"s\.tif: .*signed.*\(int8\).*as int16 or uint8"):
            pack(source, tmp_path / dtype, verbose=0)


def test_large_uint32_is_not_packed_as_negative(tmp_path: Path):
    values = np.full((8, 8), 2**32 - 6, np.uint32)
    path = write(tmp_path / "a.tif", values)
    with pytest.raises(PackError, match="uint32 from 4294967290 to 4294967290"):
        load_pixels(path, (8, 8), "grayscale", FLOAT32)
    with pytest.raises(PackError, match="uint32 from 4294967290 to 4294967290"):
        load_image(path, (8, 8), "grayscale")
    values[0, 0] = 7
    with pytest.raises(PackError, match="uint32 from 7 to 4294967290"):
        load_pixels(write(path, values), (8, 8), "grayscale", FLOAT32)
    values[:] = 2**24
    pixels = load_pixels(write(path, values), (8, 8), "grayscale", FLOAT32)
    np.testing.assert_array_equal(pixels[..., 0], values)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_the_orientation_of_deep_color_is_applied(dtype: str, orientation: int, tmp_path: Path):
    """As that of 8 bits, by Pillow."""
    stored = np.stack([GRAY[:4], GRAY[1:5], GRAY[2:6]], -1).astype(np.float64) / 65_535
    top = {"uint8": 255, "uint16": 65_535}.get(dtype, 1)
    values = (stored * top).astype(dtype)
    tags = [(ORIENTATION, "H", 1, orientation, True)]
    path = write(tmp_path / "a.tif", values, photometric="rgb", extratags=tags)
    upright = np.stack(
        [
            np.asarray(Image.fromarray(band.astype(np.float32)))
            if orientation == 1
            else np.asarray(
                Image.fromarray(band.astype(np.float32)).transpose(UPRIGHT_TRANSPOSES[orientation])
            )
            for band in np.moveaxis(values, 2, 0)
        ],
        -1,
    )
    size = upright.shape[:2]
    assert size == ((4, 8) if orientation < 5 else (8, 4))
    np.testing.assert_array_equal(load_pixels(path, size, "rgb", FLOAT32), upright)
    assert np.abs(load_image(path, size, "rgb") / 255.0 - upright / top).max() < 1 / 128
    # A mask of the stored pixels does not lie on it.
    if orientation > 1:
        write(tmp_path / "m.tif", np.zeros((4, 8), np.uint8))
        with pytest.raises(PackError, match="EXIF orientation"):
            load_mask(tmp_path / "m.tif", size, [path])


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_min_is_white_of_16_bits_is_inverted_as_that_of_8(byteorder: str, tmp_path: Path):
    options = {"photometric": "miniswhite", "byteorder": byteorder}
    eight = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    flat = write(tmp_path / "8.tif", eight, **options)
    deep = write(tmp_path / "16.tif", eight.astype(np.uint16) * 257, **options)
    for path, top in ((flat, 255), (deep, 65_535)):
        shown = load_image(path, (8, 8), "grayscale")[..., 0]
        np.testing.assert_array_equal(shown, 255 - eight)
        kept = load_pixels(path, (8, 8), "grayscale", UINT16)[..., 0]
        np.testing.assert_array_equal(kept, top - eight.astype(int) * (top // 255))


@pytest.mark.parametrize("dtype", ["i2", "f4", "f8"])
def test_min_is_white_of_other_numbers_is_refused(dtype: str, tmp_path: Path):
    path = write(tmp_path / "a.tif", (GRAY / 65_535).astype(dtype), photometric="miniswhite")
    for form in (Form(), FLOAT32):
        with pytest.raises(PackError, match=r"0 is white.*black is unknown.*min is black"):
            load_pixels(path, (8, 8), "grayscale", form)


def test_a_file_of_several_pages_is_not_cut_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write(tmp_path / "in/a/1.tif", GRAY)
    pack(ImageFolder(tmp_path / "in", size=(8, 8)), tmp_path / "one", verbose=1)
    assert "pages or frames" not in capsys.readouterr().err
    write(tmp_path / "in/a/5.tif", np.stack([GRAY] * 5))
    frames = [Image.fromarray(np.full((8, 8), level, np.uint8)) for level in (0, 90, 200)]
    frames[0].save(tmp_path / "in/a/6.gif", save_all=True, append_images=frames[1:])
    pack(ImageFolder(tmp_path / "in", size=(8, 8)), tmp_path / "out", verbose=1)
    assert (
        "5.tif has 5 pages or frames, 1 more of the first 3 files too: only the first one of each "
        "file is packed"
    ) in capsys.readouterr().err


def test_pages_that_are_not_an_image_are_refused(tmp_path: Path):
    path = write(tmp_path / "a.tif", np.zeros((3, 8, 8)))  # was taken for planes of color
    with pytest.raises(PackError, match=r"not an image. Save each page as a file"):
        load_image(path, (8, 8), "rgb")
    inks = write(
        tmp_path / "b.tif", np.stack([GRAY] * 4), photometric="separated", planarconfig="separate"
    )
    with pytest.raises(PackError, match="its colors are CMYK"):
        load_image(inks, (8, 8), "rgb")


def test_a_grayscale_image_of_a_lab_file_is_that_of_its_colors(tmp_path: Path):
    values = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    Image.frombytes("LAB", (8, 8), values.tobytes()).save(tmp_path / "p.tif")
    with Image.open(tmp_path / "p.tif") as opened:
        assert opened.mode == "LAB"
        color = opened.convert("RGB")
    gray = np.asarray(color.convert("L"))[..., None]
    for content in (tmp_path / "p.tif", (tmp_path / "p.tif").read_bytes()):
        np.testing.assert_array_equal(load_image(content, (8, 8), "rgb"), np.asarray(color))
        np.testing.assert_array_equal(load_image(content, (8, 8), "grayscale"), gray)
    for dtype in (UINT16, FLOAT32):
        pixels = load_pixels(tmp_path / "p.tif", (8, 8), "grayscale", dtype)
        # Its colors are weighted in the same way, and not rounded to 8 bits first.
        assert np.abs(pixels.astype(float) - gray).max() <= 1
    decoded = np.empty((8, 8, 1), np.uint8)
    decode_into((tmp_path / "p.tif").read_bytes(), decoded, is_plain=False)
    np.testing.assert_array_equal(decoded, gray)
