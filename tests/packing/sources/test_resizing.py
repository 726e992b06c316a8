"""Images and masks that are padded or cropped, and the filters, compared with Keras and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from keras.utils import load_img
from PIL import Image

from keras_bigdata import FrameFolder, ImageFolder, ImageTable, PackError, pack
from keras_bigdata.cli import main
from keras_bigdata.images.load_image import load_image
from keras_bigdata.images.resizing import Form, place
from keras_bigdata.packing.sources.images.masks import load_mask
from tests.helpers.image_files import write_image


def write_gradient(path: Path, height: int, width: int, **options: object) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 // width, y * 255 // height, 255 - x], axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return pixels


def test_padding_keeps_the_aspect_ratio_in_the_middle_of_zeros(tmp_path: Path):
    write_image(tmp_path / "wide.png", 200, (20, 40))
    pixels = load_image(tmp_path / "wide.png", (16, 16), "rgb", Form("pad"))[..., 0]
    assert (pixels[4:12] == 200).all()
    assert not pixels[:4].any()
    assert not pixels[12:].any()
    write_image(tmp_path / "thin.png", 200, (1000, 1))
    pixels = load_image(tmp_path / "thin.png", (8, 8), "rgb", Form("pad"))[..., 0]
    assert (pixels[:, 3] == 200).all()
    assert pixels.sum() == 8 * 200


def test_cropping_takes_the_middle(tmp_path: Path):
    original = write_gradient(tmp_path / "a.png", 20, 40)
    pixels = load_image(tmp_path / "a.png", (20, 20), "rgb", Form("crop"))
    np.testing.assert_array_equal(pixels, original[:, 10:30])
    tall = write_gradient(tmp_path / "b.png", 40, 20)
    pixels = load_image(tmp_path / "b.png", (20, 20), "rgb", Form("crop"))
    np.testing.assert_array_equal(pixels, tall[10:30])
    reference = load_img(
        tmp_path / "a.png", target_size=(10, 8), keep_aspect_ratio=True, interpolation="bilinear"
    )
    pixels = load_image(tmp_path / "a.png", (10, 8), "rgb", Form("crop"))
    assert np.abs(pixels.astype(int) - np.asarray(reference)).mean() < 2


@pytest.mark.parametrize("resize", ["pad", "crop"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_lie_on_images_that_are_turned(resize: str, orientation: int, tmp_path: Path):
    """The image holds its mask as color; an odd difference would be off by one after a turn."""
    values = np.zeros((21, 34), np.uint8)
    values[3:9, 5:12] = 200
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.stack([values] * 3, -1))
    image.save(tmp_path / "a.png", exif=exif)
    turned = image.convert("L")
    from PIL import ImageOps

    turned.getexif()[0x0112] = orientation
    mask = ImageOps.exif_transpose(turned)
    mask.getexif().clear()
    Image.fromarray(np.asarray(mask) // 200).save(tmp_path / "m.png")
    if 2 <= orientation <= 4:
        # The shape of the mask does not show whether it is upright.
        Image.fromarray(values // 200).save(tmp_path / "m.png", exif=exif)
    size = (15, 12)
    pixels = load_image(tmp_path / "a.png", size, "grayscale", Form(resize, "nearest"))
    packed = load_mask(tmp_path / "m.png", size, [tmp_path / "a.png"], resize=resize)
    assert set(np.unique(pixels)) == {0, 200}
    np.testing.assert_array_equal(pixels // 200, packed)


def test_a_mask_of_another_scale_follows_its_image_and_of_another_shape_is_refused(tmp_path: Path):
    write_image(tmp_path / "a.png", 9, (100, 67))
    Image.fromarray(np.ones((50, 33), np.uint8)).save(tmp_path / "half.png")
    Image.fromarray(np.ones((50, 50), np.uint8)).save(tmp_path / "square.png")
    image = [tmp_path / "a.png"]
    mask = load_mask(tmp_path / "half.png", (32, 32), image, resize="pad")[..., 0]
    pixels = load_image(image[0], (32, 32), "grayscale", Form("pad"))[..., 0]
    np.testing.assert_array_equal(mask, pixels // 9)
    with pytest.raises(
        PackError, match=r"50 high and 50 wide, and its image is 100 high and 67 wide.*stretch"
    ):
        load_mask(tmp_path / "square.png", (32, 32), image, resize="crop")
    assert load_mask(tmp_path / "square.png", (32, 32), image).all()


def test_the_filters_are_those_of_pillow(tmp_path: Path):
    write_gradient(tmp_path / "a.jpg", 300, 400, quality=95)
    original = Image.open(tmp_path / "a.jpg").convert("RGB")
    for name in ("nearest", "bicubic", "lanczos"):
        resample = Image.Resampling[name.upper()]
        expected = np.asarray(original.resize((20, 10), resample)).astype(int)
        pixels = load_image(tmp_path / "a.jpg", (10, 20), "rgb", Form(interpolation=name))
        limit = 0 if name == "nearest" else 1
        assert np.abs(pixels - expected).mean() <= limit


def test_the_filter_sees_the_part_that_is_resized():
    assert place((20, 40), (10, 10), "crop").share == (1, 0.5)
    assert place((20, 40), (10, 10), "pad").size == (5, 10)
    assert place((20, 40), (10, 10), "stretch").size == (10, 10)


def test_sources_and_the_command_resize_and_record_it(tmp_path: Path):
    for name in ("a/1.png", "b/2.png", "v/w/1.png"):
        write_image(tmp_path / name, 200, (4, 8))
    folder = ImageFolder(tmp_path, size=(8, 8), resize="pad", classes=["a", "b", "v"])
    default = ImageFolder(tmp_path, size=(8, 8), classes=["a", "b", "v"])
    assert folder[0]["images"][..., 0].sum() == 4 * 8 * 200
    assert folder.fingerprint() == {**default.fingerprint(), "resize": "pad"}
    table = ImageTable({"f": ["a/1.png"]}, image="f", root=tmp_path, size=(8, 8), resize="pad")
    np.testing.assert_array_equal(table[0]["images"], folder[0]["images"])
    (tmp_path / "v" / "2").mkdir()
    videos = FrameFolder(tmp_path, frames=1, size=(8, 8), resize="pad", classes=["v", "a", "b"])
    np.testing.assert_array_equal(videos[1]["videos"][0], folder[0]["images"])
    pack(table, tmp_path / "out", verbose=0)
    other = ImageTable({"f": ["a/1.png"]}, image="f", root=tmp_path, size=(8, 8))
    with pytest.raises(PackError, match=r"source\.resize was 'pad' and is absent"):
        pack(other, tmp_path / "out", verbose=0)
    (tmp_path / "t.csv").write_text("f\na/1.png\n")
    command = ["pack", "images", str(tmp_path / "t.csv"), "--image", "f", "--size", "8x8"]
    assert main([*command, "--resize", "pad", "-o", str(tmp_path / "cli")]) == 0
    assert pack(table, tmp_path / "again", verbose=0).num_samples == 1
    with pytest.raises(ValueError, match="`resize` must be"):
        ImageFolder(tmp_path, size=(8, 8), resize="fit")
    with pytest.raises(ValueError, match="`interpolation` must be"):
        ImageFolder(tmp_path, size=(8, 8), interpolation="cubic")
