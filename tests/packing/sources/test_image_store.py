"""The arguments `store` and `quality` of the sources of images: what is allowed, and recorded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_bigdata import FrameFolder, ImageFolder, ImageTable
from keras_bigdata.packing.samples.stored_form import StoredForm
from tests.helpers.image_files import write_image

SIZE = (8, 8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(4):
        write_image(tmp_path / "photos" / "ab"[number % 2] / f"{number}.png", number * 40)
    return tmp_path / "photos"


def open_table(folder: Path, **options: Any) -> ImageTable:
    table = {"file": [f"{'ab'[n % 2]}/{n}.png" for n in range(4)], "other": ["a/0.png"] * 4}
    return ImageTable(table, image="file", root=folder, **options)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"store": "JPEG"}, "`store` must be"),
        ({"store": "jpeg", "quality": 0}, "`quality` must be an integer from 1 to 100"),
        ({"store": "jpeg", "quality": 101}, "`quality` must be an integer from 1 to 100"),
        ({"quality": 80}, 'Pass store="jpeg".*or leave out `quality` to store pixels'),
        ({"store": "png", "quality": 80}, 'Pass store="jpeg".*or leave out `quality` to store PNG'),
        ({"store": "file", "quality": 80, "size": None}, "or leave out `quality`.*as they are"),
        ({"size": None}, r'`size` is missing.*Only store="file" needs none'),
        ({"size": None, "store": "auto"}, '`size` is missing.*pass store="file"'),
        ({"store": "file"}, r"decode=Resize\(\(height, width\)\).*To store them resized"),
        ({"store": "file", "size": None, "resize": "pad"}, "`resize` says how.*decode"),
        ({"store": "file", "size": None, "interpolation": "bicubic"}, "`interpolation` says how"),
        ({"store": "file", "size": None, "mask": "file"}, "Masks must have the size"),
        ({"store": "file", "size": None, "dtype": "uint16"}, "8 bits"),
        ({"store": "jpeg", "dtype": "float32"}, "JPEG files hold 8 bits"),
        ({"store": "png", "dtype": "uint16"}, "stored as PNG with 8 bits"),
        ({"store": "auto", "dtype": "uint16"}, "which holds 8 bits"),
        ({"store": "jpeg", "frames": 2}, 'Pass store="pixels"'),
        ({"store": "file", "size": None, "frames": 2}, 'Pass store="pixels"'),
        ({"store": "jpeg", "size": (8, 70_000)}, "at most 65,535 pixels"),
    ],
)
def test_what_does_not_go_together_is_refused(folder: Path, options: Any, expected: str):
    with pytest.raises(ValueError, match=expected):
        open_table(folder, **{"size": SIZE, **options})


def test_quality_is_an_integer(folder: Path):
    with pytest.raises(TypeError, match="`quality` must be an integer from 1 to 100"):
        ImageFolder(folder, size=SIZE, store="jpeg", quality=90.5)
    assert ImageFolder(folder, size=SIZE, store="jpeg", quality=np.int64(7)).store.quality == 7


@pytest.mark.parametrize("store", ["jpeg", "png", "file", "auto"])
def test_videos_are_stored_as_pixels_only(tmp_path: Path, store: str):
    write_image(tmp_path / "clips" / "wave" / "1" / "0.png", 3)
    assert len(FrameFolder(tmp_path / "clips", frames=2, size=SIZE, store="pixels")) == 1
    with pytest.raises(ValueError, match='Pass store="pixels"'):
        FrameFolder(tmp_path / "clips", frames=2, size=SIZE, store=store)  # type: ignore[arg-type]


def test_pixels_are_the_default_and_change_no_fingerprint(folder: Path):
    source = ImageFolder(folder, size=SIZE)
    assert source.stored_forms == {}
    assert source.fingerprint() == ImageFolder(folder, size=SIZE, store="pixels").fingerprint()
    # The entries that earlier releases recorded, and no others.
    assert set(source.fingerprint()) == {
        *("kind", "rows", "rows_sha256", "roles", "classes", "text_length", "vocabulary_sha256"),
        *("folder", "files_sha256", "size", "color", "frames"),
    }


def test_the_form_is_part_of_the_fingerprint(folder: Path):
    before = {name: str(v) for name, v in ImageFolder(folder, size=SIZE).fingerprint().items()}

    def changes(**options: Any) -> dict[str, Any]:
        now = ImageFolder(folder, **{"size": SIZE, **options}).fingerprint()
        return {name: now[name] for name in now if str(now[name]) != before.get(name)}

    assert changes(store="jpeg") == {"store": "jpeg", "quality": 90}
    assert changes(store="jpeg", quality=50) == {"store": "jpeg", "quality": 50}
    assert changes(store="png") == {"store": "png"}
    assert changes(store="auto") == {"store": "auto", "quality": 90}
    assert changes(store="file", size=None) == {"store": "file", "size": None}


def test_rows_are_pixels_until_they_are_packed(folder: Path):
    pixels = ImageFolder(folder, size=SIZE)
    for store in ("jpeg", "png", "auto"):
        encoded = ImageFolder(folder, size=SIZE, store=store)  # type: ignore[arg-type]
        np.testing.assert_array_equal(encoded[1]["images"], pixels[1]["images"])
    assert ImageFolder(folder, size=SIZE, store="jpeg", quality=50).stored_forms == {
        "images": StoredForm("jpeg", quality=50)
    }


def test_rows_of_files_are_their_content(folder: Path):
    source = ImageFolder(folder, store="file", color="grayscale")
    for row in range(len(source)):
        content = source[row]["images"]
        assert content.dtype == np.uint8
        assert content.tobytes() == Path(source.file(row)).read_bytes()
    assert re.search(r"\((None|any), (None|any), 1\)", repr(source))
    sizes = [Path(source.file(row)).stat().st_size for row in range(4)]
    form = StoredForm("file", row_bytes=round(sum(sizes) / 4), channels=1)
    assert source.stored_forms == {"images": form}
    first = source.select([0]).stored_forms["images"]
    assert first.row_bytes == sizes[0]
    Path(source.file(3)).unlink()
    assert source.stored_forms["images"].row_bytes == round(sum(sizes[:3]) / 3)


def test_each_image_of_a_row_has_the_form(folder: Path):
    source = open_table(folder, size=SIZE, store="png")
    assert list(source.stored_forms) == ["images"]
    table = {"l": ["a/0.png", "b/1.png"], "r": ["a/2.png", "b/3.png"]}
    pair = ImageTable(table, image={"left": "l", "right": "r"}, root=folder, store="file")
    assert [form.codec for form in pair.stored_forms.values()] == ["file", "file"]
    assert pair[1]["right"].tobytes() == (folder / "b/3.png").read_bytes()
