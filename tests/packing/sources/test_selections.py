"""Rows that are selected, in every source: by number or mask, and nothing that is neither."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from keras_bigdata import Arrays, HDF5Table, ImageFolder, ImageTable, PackError, TextTable, pack
from tests.helpers.image_files import write_image
from tests.helpers.packs import read_rows

ROWS = 10
MASK = np.arange(ROWS) % 3 == 0
KINDS = ("arrays", "hdf5", "folder", "images", "texts")


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Any]:
    """A function that makes a source of ten rows, in which row i has the label i."""

    def make(kind: str) -> Any:
        if kind == "arrays":
            return Arrays(x=np.arange(ROWS), labels=np.arange(ROWS))
        if kind == "hdf5":
            with h5py.File(tmp_path / "t.h5", "w") as file:
                file["x"], file["y"] = np.arange(ROWS), np.arange(ROWS)
            return HDF5Table(tmp_path / "t.h5")
        columns = {"t": ["a"] * ROWS, "l": list(range(ROWS))}
        if kind == "texts":
            return TextTable(columns, text="t", label="l")
        root, size = tmp_path / "folder", (4, 4)
        for row in range(ROWS):
            write_image(root / f"{row}" / "1.png", row)
        if kind == "folder":
            return ImageFolder(root, size=size)
        return ImageTable(columns, image="{l}/1.png", label="l", root=root, size=size)

    return make


def labels_of(source: Any) -> list[int]:
    return [int(source[row]["labels"]) for row in range(len(source))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_boolean_mask_selects_the_rows_that_are_true(make, kind):
    source = make(kind)
    for mask in (MASK, MASK.tolist(), pd.Series(MASK), pd.Series(MASK, dtype="boolean")):
        assert labels_of(source.select(mask)) == [0, 3, 6, 9]
    assert labels_of(source.select([4, 4, 1])) == [4, 4, 1]
    assert labels_of(source.select(range(2, 8)).select([True, False] * 3)) == [2, 4, 6]
    assert type(source.select([1])) is type(source)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([True] * 9, ValueError, "mask of 9 booleans, but there are 10 rows"),
        ([ROWS], ValueError, "holds 10, but there are 10 rows, 0 to 9"),
        ([-1], ValueError, "from the end, or stand for a row that was not found"),
        (np.array([2**63], np.uint64), ValueError, "holds 9223372036854775808"),
        ([], ValueError, "selects none of the 10 rows"),
        ([False] * ROWS, ValueError, "selects none of the 10 rows"),
        ([1.7], TypeError, "integers, or booleans, .* with values of float64"),
        ([1.0], TypeError, "integers, or booleans, .* with values of float64"),
        ([True, 2], TypeError, "and not both"),
        (3, TypeError, "of one dimension. Received: rows=3 of type int"),
        (True, TypeError, "Received: rows=True of type bool"),
        ([[1, 2]], TypeError, "of one dimension"),
        ("12", TypeError, "Received: rows='12' of type str"),
        (["1"], TypeError, "with values of <U1"),
        (slice(-3, None), TypeError, r"of type slice. Pass range\(7, 10\)"),
        ({1, 2}, TypeError, "of type set"),
        (np.ma.masked_array([1, 2], [False, True]), TypeError, "Fill or leave out its masked"),
        (pd.Series([True, None] * 5, dtype="boolean"), TypeError, "with values of object"),
    ],
)
def test_what_is_neither_rows_nor_a_mask_is_refused(make, kind, rows, error, message):
    with pytest.raises(error, match=message):
        make(kind).select(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_one_row_is_read_by_an_integer(make, kind):
    source = make(kind)
    assert source[np.int64(3)]["labels"] == 3
    assert source[-1]["labels"] == ROWS - 1
    for row in (True, 1.0, "1", None, slice(1), [1]):
        with pytest.raises(TypeError, match="`select` takes several rows"):
            source[row]
    for row in (ROWS, -ROWS - 1):
        with pytest.raises(IndexError, match=f"There are 10 rows. Received: row {row}"):
            source[row]
    assert len(list(source)) == ROWS


def test_problems_follow_their_rows():
    source = TextTable({"t": list("abcd"), "l": ["x", None, "y", "x"]}, text="t", label="l")
    part = source.select([3, 1, 1, 0])
    assert part.problems == {1: "row 1: there is no label", 2: "row 1: there is no label"}
    assert part.count_problems() == {"l": 2}
    assert not source.select([True, False, True, True]).problems
    # Row -3 used to be packed with the class number -1.
    with pytest.raises(PackError, match="there is no label"):
        source[-3]


def test_a_row_that_was_selected_twice_goes_to_one_part():
    for source in (
        Arrays(x=np.arange(20), labels=np.arange(20) % 2),
        TextTable({"t": list(map(str, range(20))), "l": [0, 1] * 10}, text="t", label="l"),
    ):
        twice = source.select(np.repeat(np.arange(20), 2))
        field = "x" if isinstance(source, Arrays) else "texts"
        sides = [
            {int(np.max(part[row][field])) for row in range(len(part))} for part in twice.split(0.3)
        ]
        assert not sides[0] & sides[1]
        assert len(sides[0] | sides[1]) == 20


# Classes that derive from a source


class Scaled(Arrays):
    """A user's class, with an attribute and a row of its own."""

    factor = 1000

    def __getitem__(self, row: int) -> dict[str, Any]:
        sample = super().__getitem__(row)
        return {**sample, "x": sample["x"] * self.factor}


class ShiftedImages(ImageFolder):
    def __getitem__(self, row: int) -> dict[str, Any]:
        sample = super().__getitem__(row)
        return {**sample, "images": sample["images"] + np.uint8(100)}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_class_with_its_own_rows_is_packed_by_them(tmp_path: Path, workers: int):
    source = Scaled(x=np.arange(20), labels=np.arange(20) % 2)
    source.factor = 7
    rest, part = source.split(0.25)
    assert type(part) is Scaled
    for number, one in enumerate((rest, part, source)):
        index = pack(one, tmp_path / str(number), shuffle=False, shard_samples=3, workers=workers)
        expected = [int(one[row]["x"]) for row in range(len(one))]
        assert read_rows(index)["x"].tolist() == expected
        assert all(value % 7 == 0 for value in expected)
    assert [int(sample["x"]) for sample in pickle.loads(pickle.dumps(source.select([3])))] == [21]


def test_a_class_with_its_own_rows_is_another_source(tmp_path: Path):
    x = np.arange(1, 5)
    pack(Scaled(x=x), tmp_path / "scaled")
    with pytest.raises(PackError, match=r"source.kind was 'Scaled' and is 'Arrays'"):
        pack(Arrays(x=x), tmp_path / "scaled")
    other = Scaled(x=x)
    other.factor = 3
    with pytest.raises(PackError, match=r"source.first_row_sha256 was"):
        pack(other, tmp_path / "scaled")

    class Named(Arrays):
        """Without rows of its own, it is what earlier releases have recorded."""

    assert Named(x=x).fingerprint() == Arrays(x=x).fingerprint()


def test_images_of_a_class_with_its_own_rows(make, tmp_path: Path):
    make("folder")
    source = ShiftedImages(tmp_path / "folder", size=(4, 4))
    index = pack(source.select(MASK), tmp_path / "out", shuffle=False, workers=1)
    assert read_rows(index)["images"][:, 0, 0, 0].tolist() == [100, 103, 106, 109]


# Splits


ONE_HOT = np.eye(4)[np.repeat(np.arange(4), [40, 30, 20, 10])]


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, bool])
def test_one_hot_labels_are_split_in_proportion(tmp_path: Path, dtype):
    labels = ONE_HOT.astype(dtype)
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["x"], file["y"] = np.arange(100), labels
    for source in (Arrays(x=np.arange(100), labels=labels), HDF5Table(tmp_path / "t.h5")):
        for seed in range(5):
            part = source.split(0.1, seed)[1]
            counts = np.sum([part[row]["labels"] for row in range(len(part))], axis=0)
            assert counts.astype(int).tolist() == [4, 3, 2, 1]


def test_every_combination_of_several_targets_is_split_in_proportion():
    a, b = np.arange(120) % 2, np.arange(120) % 3
    for seed in range(3):
        part = Arrays(x=np.arange(120), a=a, b=b, targets=("a", "b")).split(0.1, seed)[1]
        expected = [(i, k) for i in range(2) for k in range(3) for _ in range(2)]
        assert sorted((int(row["a"]), int(row["b"])) for row in part) == expected


def test_the_rows_of_earlier_splits_stay_the_same():
    # Packs of parts are continued by later releases: these lists must never change.
    labels = np.repeat([0, 1], [14, 6])
    source = Arrays(x=np.arange(20), labels=labels)
    first = [int(sample["x"]) for sample in source.split(0.25, seed=3)[1]]
    assert first == [0, 4, 7, 9, 16]
    inner = [int(sample["x"]) for sample in source.select(np.arange(20)[::-1]).split(0.25)[1]]
    assert inner == [17, 16, 8, 6, 4]
