"""The content of an image file as bytes is read as the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image
from skimage.io import imsave

from keras_bigdata import PackError
from keras_bigdata.images import open_image as images
from keras_bigdata.images.full_range import StoredKind, load_pixels
from keras_bigdata.images.load_image import load_image
from keras_bigdata.images.resizing import Form

PHOTO = Path(skimage.__file__).parent / "data" / "rocket.jpg"
DEEP = np.arange(64 * 64 * 3, dtype=np.uint16).reshape(64, 64, 3) * 5


def write_files(folder: Path) -> list[Path]:
    with Image.open(PHOTO) as photo:
        exif = Image.Exif()
        exif[0x0112] = 6
        photo.save(folder / "turned.jpg", exif=exif)
        photo.save(folder / "a.png")
        photo.convert("P").save(folder / "a.gif")
    imsave(folder / "deep.tif", DEEP, check_contrast=False)
    return [PHOTO, *sorted(folder.iterdir())]


def test_content_is_read_as_the_file(tmp_path: Path):
    files = write_files(tmp_path)
    assert len(files) == 5
    for file in files:
        for color, form in (("rgb", Form("pad")), ("grayscale", Form(dtype="float32"))):
            np.testing.assert_array_equal(
                load_pixels(file.read_bytes(), (40, 50), color, form),
                load_pixels(file, (40, 50), color, form),
            )
    np.testing.assert_array_equal(
        load_image(PHOTO.read_bytes(), (40, 50), "rgb"), load_image(PHOTO, (40, 50), "rgb")
    )


def test_a_jpeg_file_is_read_at_once_if_it_is_not_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    expected = load_image(PHOTO, (40, 50), "rgb")
    assert not images.open_image(PHOTO).filename, "the file is open"
    monkeypatch.setattr(images, "_READ_AT_ONCE", PHOTO.stat().st_size - 1)
    with images.open_image(PHOTO) as opened:
        assert opened.filename == str(PHOTO)
    np.testing.assert_array_equal(load_image(PHOTO, (40, 50), "rgb"), expected)


def test_content_that_is_not_an_image_is_an_error():
    with pytest.raises(PackError, match="empty"):
        load_image(b"", (8, 8), "rgb")
    with pytest.raises(PackError, match="is not an image"):
        load_image(b"<html>404 Not Found</html>" * 20, (8, 8), "rgb")
    with pytest.raises(PackError, match=r"(?i)truncated"):
        load_image(PHOTO.read_bytes()[:20_000], (8, 8), "rgb")


def test_content_of_another_kind_is_refused(tmp_path: Path):
    write_files(tmp_path)
    kind, form = StoredKind([]), Form(dtype="float32")
    load_pixels(PHOTO.read_bytes(), (8, 8), "rgb", form, kind)
    with pytest.raises(PackError, match="holds uint16 values, and another image holds uint8"):
        load_pixels((tmp_path / "deep.tif").read_bytes(), (8, 8), "rgb", form, kind)
