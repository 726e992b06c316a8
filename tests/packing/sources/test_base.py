"""The `repr` of every source is short, however much data there is."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from keras_bigdata import Arrays, FrameFolder, HDF5Table, ImageFolder, ImageTable, TextTable
from tests.helpers.image_files import write_image


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A current folder with an image folder, a frame folder, a CSV file and an HDF5 file."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate("abb"):
        write_image(Path(f"flowers/{name}/{number}.png"), number)
        write_image(Path(f"clips/{name}/{number}/0.png"), number)
    rows = [f"flowers/a/0.png,a red cup,{number % 2},{number % 3}\n" for number in range(1200)]
    Path("t.csv").write_text("file,text,kind,size\n" + "".join(rows))
    with h5py.File("d.h5", "w") as file:
        file["x"] = np.zeros((7, 3, 2), np.float32)
        file["y"] = np.arange(7) % 3
        file["text"] = ["a cup"] * 7
        file["age"] = np.arange(7.0)


def test_class_folders():
    source = ImageFolder("flowers", size=(8, 9))
    assert repr(source) == "ImageFolder('flowers': 3 rows, 2 classes, (8, 9, 3))"
    assert repr(source.select([0])) == "ImageFolder('flowers': 1 row, 2 classes, (8, 9, 3))"
    videos = FrameFolder("clips", frames=4, size=(8, 9), color="grayscale", classes=["b", "a", "c"])
    assert repr(videos) == "FrameFolder('clips': 3 rows, 3 classes, (4, 8, 9, 1))"


def test_tables():
    source = ImageTable("t.csv", image="file", label="kind", size=(8, 9))
    assert repr(source) == "ImageTable('t.csv': 1,200 rows, 2 classes, (8, 9, 3))"
    source = ImageTable(
        "t.csv", image="file", text="text", label=["kind", "size"], size=(8, 9), frames=2
    )
    assert repr(source) == (
        "ImageTable('t.csv': 1,200 rows, 2 classes of 'kind', 3 classes of 'size', "
        "videos (2, 8, 9, 3), texts (3,))"
    )
    assert repr(TextTable("t.csv", text="text")) == "TextTable('t.csv': 1,200 rows, (3,))"
    source = TextTable({"t": ["a", "b c"], "l": ["x", "y"]}, text="t", label="l")
    assert repr(source) == "TextTable(2 rows, 2 classes, (2,))"


def test_hdf5():
    path = str(Path("d.h5").absolute())
    assert repr(HDF5Table("d.h5")) == f"HDF5Table({path!r}: 7 rows, 3 classes, (3, 2))"
    source = HDF5Table("d.h5", label=None, text="text", columns=["age"])
    assert repr(source) == f"HDF5Table({path!r}: 7 rows, images (3, 2), texts (2,), age ())"


def test_arrays():
    assert (
        repr(Arrays(x=np.zeros((5, 4)), labels=list("abcab"))) == "Arrays(5 rows, 3 classes, (4,))"
    )
    assert repr(Arrays(labels=[0, 1], inputs="labels")) == "Arrays(2 rows, ())"
    assert repr(Arrays(labels=[0, 1])) == "Arrays(2 rows)"


def test_a_repr_does_not_grow_with_the_data():
    def without_digits(source: object) -> str:
        return re.sub(r"[\d,]+", "0", repr(source))

    few, many = (Arrays(x=np.zeros(n), labels=list(map(str, range(n)))) for n in (10, 10_000))
    assert without_digits(few) == without_digits(many)
    few, many = (Arrays(**{f"f{i}": [1] for i in range(n)}) for n in (10, 1_000))
    assert without_digits(few) == without_digits(many)
    assert repr(many) == "Arrays(1 row, f0 (), f1 (), f2 (), and 997 more)"
    columns = {f"l{i}": ["a", "b"] for i in range(100)}
    source = TextTable({"t": ["a", "b"], **columns}, text="t", label=list(columns))
    assert repr(source) == (
        "TextTable(2 rows, 2 classes of 'l0', 2 classes of 'l1', 2 classes of 'l2', and 97 more, "
        "(1,))"
    )
