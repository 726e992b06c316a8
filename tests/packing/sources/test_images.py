"""Image files in every mode, compared with what scikit-image and NumPy return for them."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image
from skimage.color import rgba2rgb
from skimage.io import imread
from skimage.transform import resize

from keras_bigdata import PackError
from keras_bigdata.images.full_range import load_pixels
from keras_bigdata.images.load_image import load_image
from keras_bigdata.images.open_image import quiet_pillow
from keras_bigdata.images.resizing import Form

PHOTOS = Path(skimage.__file__).parent / "data"
# Photographs that ship inside the scikit-image wheel.
COLOR_PHOTOS = ["astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "motorcycle_left.png"]


@pytest.fixture
def gradient() -> np.ndarray:
    """A smooth color image, 60 high and 80 wide, in which no two corners are alike."""
    y, x = np.mgrid[0:60, 0:80]
    return np.stack([x * 3, y * 4, 255 - x - y], axis=-1).astype(np.uint8)


def save(array: np.ndarray, path: Path, **options: object) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


def test_an_image_of_the_right_size_is_given_as_it_is(tmp_path: Path, gradient: np.ndarray):
    path = save(gradient, tmp_path / "a.png")
    pixels = load_image(path, (60, 80), "rgb")
    np.testing.assert_array_equal(pixels, gradient)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable


SIZES = [(32, 32), (64, 96), (128, 128), (224, 224)]
LARGER = (600, 700)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *itertools.product(COLOR_PHOTOS, SIZES),
        (COLOR_PHOTOS[0], LARGER),
        *(pytest.param(name, LARGER, marks=pytest.mark.slow) for name in COLOR_PHOTOS[1:]),
    ],
)
def test_it_looks_as_scikit_image_resizes_it(name: str, size: tuple[int, int]):
    original = imread(PHOTOS / name)
    reference = resize(original, (*size, 3), anti_aliasing=True) * 255
    difference = np.abs(load_image(PHOTOS / name, size, "rgb") - reference).mean()
    assert difference < 1.5


def test_a_large_jpeg_decoded_at_a_fraction_looks_the_same(tmp_path: Path):
    large = Image.fromarray(imread(PHOTOS / "chelsea.png")).resize((1800, 1200))
    path = save(np.asarray(large), tmp_path / "a.jpg", quality=95)
    with Image.open(path) as image:
        image.draft("RGB", (3 * 96, 3 * 96))
        assert image.width < 1800, "the draft mode has no effect"
    whole = save(imread(path), tmp_path / "a.bmp")
    difference = load_image(path, (96, 96), "rgb").astype(int) - load_image(whole, (96, 96), "rgb")
    assert np.abs(difference).mean() < 0.5


def test_grayscale_is_luma(tmp_path: Path, gradient: np.ndarray):
    path = save(gradient, tmp_path / "a.png")
    pixels = load_image(path, (60, 80), "grayscale")
    assert pixels.shape == (60, 80, 1)
    assert np.abs(pixels[..., 0] - gradient @ [0.299, 0.587, 0.114]).max() <= 1


def test_grayscale_files_become_rgb_and_stay_gray(tmp_path: Path, gradient: np.ndarray):
    path = save(gradient[..., 0], tmp_path / "a.png")
    np.testing.assert_array_equal(load_image(path, (60, 80), "grayscale")[..., 0], gradient[..., 0])
    color = load_image(path, (60, 80), "rgb")
    np.testing.assert_array_equal(color, np.repeat(gradient[..., :1], 3, axis=2))


def test_transparent_images_are_laid_on_white(tmp_path: Path, gradient: np.ndarray):
    alpha = np.tile(np.linspace(0, 255, 80), (60, 1)).astype(np.uint8)
    rgba = np.dstack([gradient, alpha])
    path = save(rgba, tmp_path / "a.png")
    difference = load_image(path, (60, 80), "rgb") - rgba2rgb(rgba) * 255
    assert np.abs(difference).max() <= 1
    gray = Image.fromarray(np.dstack([gradient[..., 0], alpha]), "LA")
    gray.save(tmp_path / "la.png")
    assert (load_image(tmp_path / "la.png", (60, 80), "grayscale")[:, 0] == 255).all()


def test_palettes(tmp_path: Path, gradient: np.ndarray):
    palette = Image.fromarray(gradient).quantize(64)
    palette.save(tmp_path / "p.png")
    expected = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(load_image(tmp_path / "p.png", (60, 80), "rgb"), expected)
    palette.save(tmp_path / "t.png", transparency=int(np.asarray(palette)[0, 0]))
    pixels = load_image(tmp_path / "t.png", (60, 80), "rgb")
    assert (pixels[0, 0] == 255).all()
    np.testing.assert_array_equal(pixels[-1, -1], expected[-1, -1])


def test_one_bit(tmp_path: Path):
    bits = Image.fromarray(np.eye(8, dtype=bool))
    bits.save(tmp_path / "a.png")
    np.testing.assert_array_equal(
        load_image(tmp_path / "a.png", (8, 8), "grayscale")[..., 0], np.eye(8) * 255
    )


def test_cmyk(tmp_path: Path, gradient: np.ndarray):
    Image.fromarray(gradient).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    difference = load_image(tmp_path / "a.jpg", (60, 80), "rgb").astype(int) - gradient
    assert np.abs(difference).mean() < 3


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grayscale_is_scaled_not_cut(tmp_path: Path, suffix: str):
    values = np.linspace(0, 65535, 600).reshape(20, 30).astype(np.uint16)
    path = save(values, tmp_path / f"a.{suffix}")
    pixels = load_image(path, (20, 30), "grayscale")[..., 0]
    np.testing.assert_array_equal(pixels, np.rint(values / 257))
    assert load_image(path, (20, 30), "rgb").shape == (20, 30, 3)


def test_16_bit_color(tmp_path: Path, gradient: np.ndarray):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", gradient.astype(np.uint16) * 257)
    difference = load_image(tmp_path / "a.tif", (60, 80), "rgb").astype(int) - gradient
    assert np.abs(difference).max() <= 1


def test_floats_are_taken_from_0_to_1(tmp_path: Path):
    values = np.linspace(0, 1, 600, dtype=np.float32).reshape(20, 30)
    path = save(values, tmp_path / "a.tif")
    np.testing.assert_array_equal(
        load_image(path, (20, 30), "grayscale")[..., 0], np.rint(values * 255).astype(np.uint8)
    )
    path = save(values * 9, tmp_path / "b.tif")
    with pytest.raises(PackError, match=r"float32 from 0\.0 to 9\.0; convert it"):
        load_image(path, (20, 30), "grayscale")


def test_formats_that_pillow_does_not_know_go_to_scikit_image(tmp_path: Path):
    tifffile = pytest.importorskip("tifffile")
    values = np.linspace(0, 1, 600).reshape(20, 30)
    tifffile.imwrite(tmp_path / "a.tif", values)  # 64-bit floats
    pixels = load_image(tmp_path / "a.tif", (20, 30), "grayscale")[..., 0]
    np.testing.assert_array_equal(pixels, np.rint(values * 255))


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, gradient: np.ndarray, orientation: int, suffix: str):
    # The pixels that a camera stores in that orientation.
    turns = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a.swapaxes(0, 1), 2),
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(turns[orientation](gradient))
    path = save(stored, tmp_path / f"a.{suffix}", exif=exif, quality=95)
    for size in ((60, 80), (30, 40)):
        upright = np.asarray(Image.fromarray(gradient).resize(size[::-1]))
        for form in (Form(), Form(resize="crop"), Form(dtype="float32")):
            difference = load_pixels(path, size, "rgb", form).astype(int) - upright
            assert np.abs(difference).mean() < 3


def test_damaged_exif_does_not_matter(tmp_path: Path, gradient: np.ndarray):
    path = save(gradient, tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xffgarbage")
    with quiet_pillow():
        assert load_image(path, (60, 80), "rgb").shape == (60, 80, 3)


def test_the_first_of_several_frames(tmp_path: Path, gradient: np.ndarray):
    first, second = (Image.fromarray(gradient[..., channel]) for channel in (0, 1))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    np.testing.assert_array_equal(
        load_image(tmp_path / "a.gif", (60, 80), "grayscale")[..., 0], gradient[..., 0]
    )


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_truncated_files_are_an_error(tmp_path: Path, gradient: np.ndarray, suffix: str):
    whole = save(gradient, tmp_path / f"a.{suffix}").read_bytes()
    (tmp_path / f"a.{suffix}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PackError, match=r"(?i)truncated|cannot be decoded"):
        load_image(tmp_path / f"a.{suffix}", (60, 80), "rgb")


def test_what_is_not_an_image_is_an_error(tmp_path: Path):
    (tmp_path / "a.jpg").write_text("<html>404 Not Found</html>" * 20)
    with pytest.raises(PackError, match="is not an image"):
        load_image(tmp_path / "a.jpg", (8, 8), "rgb")
    (tmp_path / "b.jpg").touch()
    with pytest.raises(PackError, match="empty"):
        load_image(tmp_path / "b.jpg", (8, 8), "rgb")
    with pytest.raises(PackError, match="No such file"):
        load_image(tmp_path / "c.jpg", (8, 8), "rgb")
    with pytest.raises(PackError, match=r"directory|Permission"):
        load_image(tmp_path, (8, 8), "rgb")


def test_enormous_images(tmp_path: Path, gradient: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    path = save(gradient, tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4000)
    with quiet_pillow():
        assert load_image(path, (60, 80), "rgb").shape == (60, 80, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(PackError, match=r"4800 pixels.*smaller copy"):
        load_image(path, (60, 80), "rgb")


def test_quiet_pillow_silences_pillow_only():
    with quiet_pillow(), pytest.raises(UserWarning, match="mine"):
        warnings.warn("mine", UserWarning, stacklevel=1)


# Ranges


def save_levels(path: Path, levels: int, dtype: str = "u2") -> Path:
    values = np.arange(4096).reshape(64, 64) % levels
    Image.fromarray(values.astype(dtype)).save(path)
    return path


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("levels", [2, 256, 4096])
def test_16_bits_of_which_8_would_leave_17_levels_are_refused(
    tmp_path: Path, suffix: str, levels: int
):
    path = save_levels(tmp_path / f"a.{suffix}", levels)
    with pytest.raises(
        PackError, match=rf"uint16 up to {levels - 1} of 65535, .* of {levels:,} .*12 bits are"
    ):
        load_image(path, (64, 64), "grayscale")


def test_16_bits_that_lose_no_level_are_taken(tmp_path: Path):
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "black.png")
    Image.fromarray(np.full((4, 4), 257, np.uint16)).save(tmp_path / "one.png")
    dark = np.linspace(0, 4096, 64).reshape(8, 8).astype(np.uint16)
    Image.fromarray(dark).save(tmp_path / "dark.png")
    for name, expected in (("black", [0]), ("one", [1]), ("dark", list(range(17)))):
        pixels = load_image(tmp_path / f"{name}.png", (8, 8), "grayscale")
        assert np.unique(pixels).tolist() == expected


def test_floats_of_which_8_bits_would_leave_17_levels_are_refused(tmp_path: Path):
    values = np.linspace(0, 0.06, 600, dtype=np.float32).reshape(20, 30)
    path = save(values, tmp_path / "a.tif")
    with pytest.raises(PackError, match=r"float32 up to 0\.06 of 1, and only 16 of 600 "):
        load_image(path, (20, 30), "grayscale")
    path = save(values * 0, tmp_path / "b.tif")
    assert not load_image(path, (20, 30), "grayscale").any()


def write_rgb48(path: Path, values: np.ndarray) -> Path:
    """Writes a PNG of 16 bits a channel, which Pillow reads but does not write."""
    import struct
    import zlib

    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )
    )
    return path


def test_color_of_16_bits_of_which_pillow_reads_the_high_bytes(tmp_path: Path):
    values = np.arange(8 * 8 * 3).reshape(8, 8, 3) * 20  # up to 3,820, as of 12 bits
    path = write_rgb48(tmp_path / "a.png", values)
    with pytest.raises(PackError, match=r"below 3,840 of 65,535, so that 15 levels .*12 bits are"):
        load_image(path, (8, 8), "rgb")
    path = write_rgb48(tmp_path / "b.png", values * 16)
    assert (load_image(path, (8, 8), "rgb") == values // 16).all()
    assert not load_image(write_rgb48(tmp_path / "c.png", values * 0), (8, 8), "rgb").any()


# What is not a regular file


def test_a_pipe_or_device_is_refused_at_once(tmp_path: Path):
    import os

    from keras_bigdata import ImageTable, TextTable, pack
    from keras_bigdata.packing.sources.images.masks import load_mask

    os.mkfifo(tmp_path / "a.png")
    os.mkfifo(tmp_path / "a.npy")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    for load in (
        lambda path: load_image(path, (8, 8), "rgb"),
        lambda path: load_mask(path, (8, 8)),
    ):
        with pytest.raises(PackError, match="it is a named pipe, not a regular file"):
            load(tmp_path / "a.png")
        with pytest.raises(PackError, match="it is a device or a socket, not a regular file"):
            load(tmp_path / "zero.png")
    with pytest.raises(PackError, match="it is a named pipe"):
        load_mask(tmp_path / "a.npy", (8, 8))
    with pytest.raises(PackError, match=r"table cannot be read \(it is a named pipe"):
        TextTable(tmp_path / "a.png", text="t")
    save(np.zeros((8, 8), np.uint8), tmp_path / "good.png")
    table = {"f": ["good.png"], "m": ["a.png"]}
    source = ImageTable(table, image="f", mask="m", root=tmp_path, size=(8, 8))
    with pytest.raises(PackError, match=r"a\.png, the mask of .*named pipe"):
        pack(source, tmp_path / "out")
