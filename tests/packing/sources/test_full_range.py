"""16-bit and float files whose values are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.io import imsave

from keras_bigdata import FrameFolder, ImageTable, PackError, ShardSequence, pack
from keras_bigdata.cli import main
from keras_bigdata.images.full_range import load_pixels
from keras_bigdata.images.load_image import load_image
from keras_bigdata.images.resizing import Form
from tests.packing.sources.test_images import write_rgb48

DEEP = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
UINT16, FLOAT32 = Form(dtype="uint16"), Form(dtype="float32")


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_values_of_16_bits_are_kept(suffix: str, tmp_path: Path):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(DEEP).save(path)
    with pytest.raises(PackError, match='To keep its values, pass dtype="uint16"'):
        load_image(path, (64, 64), "grayscale")
    for form in (UINT16, FLOAT32):
        pixels = load_pixels(path, (64, 64), "rgb", form)
        assert pixels.dtype == form.dtype
        np.testing.assert_array_equal(pixels, np.stack([DEEP] * 3, -1))
    half = load_pixels(path, (32, 32), "grayscale", FLOAT32)[..., 0]
    # Not rounded to 8 bits on the way: the gradient stays one.
    assert np.abs(half[8:24, 8:24] - DEEP.reshape(32, 2, 32, 2).mean((1, 3))[8:24, 8:24]).max() < 1
    assert len(np.unique(half)) > 900


def test_color_of_16_bits(tmp_path: Path):
    color = np.stack([DEEP, DEEP * 2, DEEP * 3], -1)
    imsave(tmp_path / "a.tif", color, check_contrast=False)
    np.testing.assert_array_equal(load_pixels(tmp_path / "a.tif", (64, 64), "rgb", UINT16), color)
    luma = load_pixels(tmp_path / "a.tif", (64, 64), "grayscale", UINT16)[..., 0]
    np.testing.assert_array_equal(luma, np.rint(color @ [0.299, 0.587, 0.114]))
    write_rgb48(tmp_path / "a.png", color)
    with pytest.raises(PackError, match=r"PNG file of color with 16 bits.*Save it as TIFF"):
        load_pixels(tmp_path / "a.png", (64, 64), "rgb", UINT16)


def test_floats_are_kept_and_values_that_a_dtype_cannot_hold_are_refused(tmp_path: Path):
    values = (DEEP.astype(np.float32) - 2000) * 1.5
    Image.fromarray(values).save(tmp_path / "a.tif")
    pixels = load_pixels(tmp_path / "a.tif", (64, 64), "grayscale", FLOAT32)
    np.testing.assert_array_equal(pixels[..., 0], values)
    with pytest.raises(PackError, match=r"float32 from -3000.*pass dtype=\"float32\""):
        load_image(tmp_path / "a.tif", (64, 64), "grayscale")
    with pytest.raises(PackError, match=r'uint16 does not hold. Pass dtype="float32"'):
        load_pixels(tmp_path / "a.tif", (64, 64), "grayscale", UINT16)
    Image.fromarray(np.full((4, 4), 2**24 + 1, np.int32)).save(tmp_path / "i.tif")
    with pytest.raises(PackError, match=r"whole numbers up to 16,777,216 exactly"):
        load_pixels(tmp_path / "i.tif", (4, 4), "grayscale", FLOAT32)
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / "n.tif")
    with pytest.raises(PackError, match="not finite"):
        load_pixels(tmp_path / "n.tif", (4, 4), "grayscale", FLOAT32)


def write_pnm(path: Path, values: np.ndarray, maxval: int, plain: bool = False) -> Path:
    kind = (3 if values.ndim == 3 else 2) + (0 if plain else 3)
    header = f"P{kind}\n{values.shape[1]} {values.shape[0]}\n{maxval}\n"
    content = values.astype(">u2" if maxval > 255 else "u1").tobytes()
    if plain:
        content = " ".join(map(str, values.ravel())).encode()
    path.write_bytes(header.encode() + content)
    return path


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("maxval", [1, 100, 255, 256, 1023, 4095, 65_534, 65_535])
def test_values_of_pgm_files_are_not_stretched(maxval: int, plain: bool, tmp_path: Path):
    values = np.linspace(0, maxval, 64 * 64).astype(int).reshape(64, 64)
    write_pnm(tmp_path / "a.pgm", values, maxval, plain)
    for form in (UINT16, FLOAT32):
        pixels = load_pixels(tmp_path / "a.pgm", (64, 64), "grayscale", form)[..., 0]
        np.testing.assert_array_equal(pixels, values)
    if maxval == 100:
        shown = load_image(tmp_path / "a.pgm", (64, 64), "grayscale")
        assert shown.max() == 255


@pytest.mark.parametrize("plain", [False, True])
def test_a_color_ppm_of_16_bits_is_not_packed_as_8(plain: bool, tmp_path: Path):
    color = np.stack([DEEP % 100] * 3, -1)
    path = write_pnm(tmp_path / "a.ppm", color, 100, plain)
    np.testing.assert_array_equal(load_pixels(path, (64, 64), "rgb", FLOAT32), color)
    path = write_pnm(tmp_path / "a.ppm", color * 600, 65_535, plain)
    with pytest.raises(PackError, match=r"PPM file of color .* up to 65535.*Save it as TIFF"):
        load_pixels(path, (64, 64), "rgb", UINT16)


def test_padding_and_overshoot_stay_in_the_range(tmp_path: Path):
    values = np.zeros((8, 16), np.uint16)
    values[:, 8:] = 65_535
    Image.fromarray(values).save(tmp_path / "a.png")
    form = Form("pad", "lanczos", "uint16")
    pixels = load_pixels(tmp_path / "a.png", (32, 32), "grayscale", form)[..., 0]
    assert not pixels[:8].any()
    assert (pixels[8:24, -4:] > 60_000).all()
    assert (pixels[8:24, :4] < 5_000).all()


def test_files_of_other_scales_in_one_source_are_refused(tmp_path: Path):
    for row in range(6):
        values = DEEP if row != 3 else (DEEP // 16).astype(np.uint8)
        Image.fromarray(values).save(tmp_path / f"{row}.png")
    table = {"id": range(6), "label": list("ababab")}
    options = {"image": "{id}.png", "root": tmp_path, "size": (64, 64), "color": "grayscale"}
    mixed = ImageTable(table, label="label", dtype="uint16", **options)
    with pytest.raises(PackError, match=r"3\.png.*uint8 values, and .*0\.png holds uint16 values"):
        pack(mixed, tmp_path / "mixed", shard_samples=2, workers=2)
    # A part is compared with the source that it was selected from.
    with pytest.raises(PackError, match=r"0\.png holds uint16"):
        mixed.select([3])[0]
    index = pack(mixed, tmp_path / "out", on_error="skip", shuffle=False, verbose=0)
    assert (index.num_samples, index.fields["images"].dtype) == (5, np.uint16)
    images, _ = ShardSequence(tmp_path / "out", 5, shuffle=None)[0]
    np.testing.assert_array_equal(images[4, ..., 0], DEEP)
    # Each of several images has its own kind, such as a photograph and its depth.
    pair = {"deep": "d", "flat": "f"}
    small = ImageTable(
        {"d": ["0.png"], "f": ["3.png"]}, dtype="float32", **{**options, "image": pair}
    )
    assert small[0]["flat"].max() == 255
    old = ImageTable(table, label="label", **options)
    assert mixed.fingerprint() == {**old.fingerprint(), "dtype": "uint16"}
    with pytest.raises(ValueError, match="`dtype` must be"):
        ImageTable(table, dtype="int16", **options)


def test_videos_keep_their_values_too(tmp_path: Path):
    for name, values in (("a/1/1.png", DEEP), ("a/1/2.png", DEEP), ("a/2/1.png", DEEP % 255)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values if name != "a/2/1.png" else values.astype(np.uint8)).save(
            tmp_path / name
        )
    source = FrameFolder(tmp_path, frames=2, size=(64, 64), color="grayscale", dtype="uint16")
    np.testing.assert_array_equal(source[0]["videos"][1, ..., 0], DEEP)
    with pytest.raises(PackError, match=r"1\.png: it holds uint8 values, and .*holds uint16"):
        source[1]


def test_the_command_names_its_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    Image.fromarray(DEEP).save(tmp_path / "0.png")
    (tmp_path / "t.csv").write_text("f\n0.png\n")
    command = ["pack", "images", str(tmp_path / "t.csv"), "--image", "f", "--size", "64x64"]
    command += ["-o", str(tmp_path / "out"), "--grayscale"]
    assert main(command) == 1
    assert "pass --dtype" in capsys.readouterr().err
    assert main([*command, "--dtype", "uint16"]) == 0
