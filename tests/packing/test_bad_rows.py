"""Rows that cannot be packed are named, and left out on request."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from keras_bigdata import (
    ImageFolder,
    ImageTable,
    PackError,
    pack,
)
from tests.helpers.packs import read_files, read_rows
from tests.packing.conftest import PHOTOS
from tests.packing.small_sources import Numbers, break_photos, open_table


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_row_is_named_and_nothing_is_left_half(photos: Path, tmp_path: Path, workers: int):
    (photos / "40.jpg").unlink()
    with pytest.raises(
        PackError, match=r"row 40: .*40\.jpg \(.*labels\.csv, line 42\): No such file.*on_error"
    ):
        pack(open_table(photos), tmp_path / "out", shard_samples=6, workers=workers)
    names = {entry.name for entry in (tmp_path / "out").iterdir()}
    assert "index.json" not in names
    assert not [name for name in names if name.startswith(".tmp-")]


def test_bad_rows_are_left_out_and_listed(photos: Path, tmp_path: Path, capsys):
    break_photos(photos)
    source = open_table(photos)
    pack(source, tmp_path / "two", shard_samples=7, on_error="skip", workers=2)
    index = pack(source, tmp_path / "out", shard_samples=7, on_error="skip", workers=1)
    assert read_files(tmp_path / "two") == read_files(tmp_path / "out")
    assert index.num_samples == PHOTOS - 3
    skipped = index.provenance["skipped"]
    assert [entry["row"] for entry in skipped] == [10, 21, 30]
    assert [Path(entry["file"]).name for entry in skipped] == ["10.jpg", "21.png", "30.jpg"]
    assert "No such file" in skipped[0]["error"]
    assert "not an image" in skipped[1]["error"]
    assert "truncated" in skipped[2]["error"].lower()
    printed = capsys.readouterr().err
    assert "3 rows left out" in printed
    assert "10.jpg" in printed
    captions = read_rows(index)["texts"]
    left = {index.vocabulary[row[2]] for row in captions}
    assert left == {str(number) for number in range(PHOTOS)} - {"10", "21", "30"}


def test_a_bad_row_is_left_out_of_every_variant(photos: Path, tmp_path: Path):
    break_photos(photos)

    def same(sample: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return sample

    index = pack(
        open_table(photos), tmp_path / "out", variants=2, augment=same, on_error="skip", workers=1
    )
    one, two = read_rows(index, 0), read_rows(index, 1)
    assert len(one["labels"]) == PHOTOS - 3
    np.testing.assert_array_equal(one["texts"], two["texts"])


def test_missing_labels_are_reported_before_any_work(photos: Path, tmp_path: Path):
    path = photos / "labels.csv"
    path.write_text(path.read_text().replace("number 5,dog", "number 5,").replace("8,dog", "8,"))
    with pytest.raises(
        PackError, match=r"5 of 60 rows.*row 5: .*line 7\): there is no label; row 8"
    ):
        pack(open_table(photos), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    index = pack(open_table(photos), tmp_path / "out", on_error="skip")
    assert [entry["row"] for entry in index.provenance["skipped"]] == [5, 8, 28, 38, 58]
    assert index.num_samples == PHOTOS - 5


def test_two_rows_of_one_image_are_two_rows(photos: Path, tmp_path: Path):
    with open(photos / "labels.csv", "a") as file:
        file.write("0.jpg,another caption,cat\r\n")
    assert pack(open_table(photos), tmp_path / "out").num_samples == PHOTOS + 1


class Uneven(Numbers):
    def __getitem__(self, row: int) -> dict[str, Any]:
        sample = super().__getitem__(row)
        if row == 3:
            sample["x"] = np.zeros(5, np.float32)
        if row == 4:
            sample["x"] = sample["x"].astype(np.float64)
        if row == 5:
            del sample["labels"]
        if row == 6:
            sample["x"] = [[1], [1, 2]]
        if row == 7:
            raise KeyError("seven")
        if row == 8:
            return [1]  # type: ignore[return-value]
        return sample


def test_rows_unlike_the_others_are_bad_rows(tmp_path: Path):
    index = pack(Uneven(), tmp_path / "out", on_error="skip", workers=1)
    errors = {entry["row"]: entry["error"] for entry in index.provenance["skipped"]}
    assert "float32 of shape (5,); in other rows it is float32 of shape (2,)" in errors[3]
    assert "float64 of shape (2,)" in errors[4]
    assert "the fields are ['x']; in other rows they are ['x', 'labels']" in errors[5]
    assert "field 'x' is not an array" in errors[6]
    assert "KeyError: 'seven'" in errors[7]
    assert "Received: list" in errors[8]
    assert errors.keys() == {3, 4, 5, 6, 7, 8}
    with pytest.raises(PackError, match=r"row [3-8]: "):
        pack(Uneven(), tmp_path / "other", workers=1)


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are texts there")
def test_a_file_name_that_is_not_utf_8_is_a_bad_row(tmp_path):
    """It ended every call of `pack`, and no message named the file."""
    folder = tmp_path / "images" / "a"
    folder.mkdir(parents=True)
    for name in (b"good.png", b"bad\xff.png"):
        with open(os.fsencode(folder) + b"/" + name, "wb") as file:
            Image.new("RGB", (4, 4)).save(file, "PNG")
    source = ImageFolder(tmp_path / "images", size=(4, 4))
    with pytest.raises(PackError, match=r"bad\\udcff.png: the name of the file is not UTF-8"):
        pack(source, tmp_path / "a", verbose=0)
    index = pack(source, tmp_path / "b", on_error="skip", verbose=0)
    assert index.num_samples == 1
    index.provenance["skipped"][0]["error"].encode()


def test_a_file_name_with_a_nul_is_a_bad_row(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    table = {"f": [str(tmp_path / "a.png"), str(tmp_path / "a\0.png")]}
    source = ImageTable(table, image="f", size=(4, 4))
    assert pack(source, tmp_path / "set", on_error="skip", verbose=0).num_samples == 1
