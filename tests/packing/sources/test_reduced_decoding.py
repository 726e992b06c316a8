"""JPEG files are decoded at a fraction of their size, and look as if they were not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image, JpegImagePlugin

from keras_bigdata.images.load_image import load_image
from keras_bigdata.images.resizing import Form, Interpolation, ResizeMode

PHOTO = Path(skimage.__file__).parent / "data" / "rocket.jpg"


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
def test_a_size_that_is_not_a_multiple_does_not_move_the_image(
    tmp_path: Path, resize: ResizeMode, orientation: int
):
    # At 1/8, 1009 pixels are 126.125 of 127. All 127 would be 1.7 gray levels too many.
    y, x = np.mgrid[0:1009, 0:1209] * (255 / 1208)
    ramps = np.stack([x, y, x - x], axis=-1).round().astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    whole = Image.fromarray(ramps)
    whole.save(tmp_path / "a.jpg", quality=98, exif=exif)
    whole.save(tmp_path / "a.png", exif=exif)
    form = Form(resize)
    loaded = [
        load_image(tmp_path / f"a.{suffix}", (32, 32), "rgb", form) for suffix in ("jpg", "png")
    ]
    difference = loaded[0].astype(int) - loaded[1]
    assert np.abs(difference[4:-4, 4:-4]).max() <= 1
    assert abs(difference[..., :2].mean()) < 0.25


@pytest.mark.parametrize(
    ("width", "interpolation", "decoded"),
    [
        (1000, "bilinear", (125, 94)),  # 2.9 times as large as the result
        (1000, "bicubic", (250, 188)),
        (300, "bilinear", (150, 113)),
        (190, "bilinear", (190, 142)),
        (500, "nearest", (500, 375)),
    ],
)
def test_the_size_at_which_a_photograph_is_decoded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    interpolation: Interpolation,
    decoded: tuple[int, int],
):
    with Image.open(PHOTO) as photo:
        photo.resize((width, width * 3 // 4)).save(tmp_path / "a.jpg", quality=95)
        photo.resize((width, width * 3 // 4)).save(tmp_path / "a.png")
    sizes = []
    load_end = JpegImagePlugin.JpegImageFile.load_end

    def record(image: JpegImagePlugin.JpegImageFile) -> None:
        sizes.append(image.size)
        load_end(image)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load_end", record)
    form = Form(interpolation=interpolation)
    pixels = load_image(tmp_path / "a.jpg", (32, 32), "rgb", form)
    assert sizes == [decoded]
    whole = load_image(tmp_path / "a.png", (32, 32), "rgb", form)
    assert np.abs(pixels.astype(int) - whole).mean() < 2
