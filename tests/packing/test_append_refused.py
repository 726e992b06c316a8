"""`pack(append=True)` of sources that cannot be added: nothing is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from keras_bigdata import Arrays, ImageFolder, PackError, ShardIndex, TextTable, capture, pack
from keras_bigdata.shards.fields.roles import Roles
from tests.helpers.appended_sets import pack_more
from tests.helpers.packs import read_files, read_rows


def one_hot(names: list[str], numbers: list[int], **options: Any) -> Arrays:
    labels = np.eye(len(names), dtype=np.uint8)[numbers]
    return Arrays(x=np.arange(len(numbers)) + 0.5, labels=labels, classes=names, **options)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            Arrays(x=np.float32([1, 2]), labels=[0, 1]),
            r"classes are \['cat', 'dog'\] in the directory and none in the source",
        ),
        (
            Arrays(x=np.float32([1, 2]), labels=["1", "2"], classes=[1, 2]),
            r"\['cat', 'dog'\] in the directory and \[1, 2\] in the source, .* two ways",
        ),
        (
            Arrays(x=np.float64([1, 2]), labels=["cat", "dog"]),
            r"fields differ. They are .*float32 .* in the directory and .*float64",
        ),
        (
            Arrays(x=np.float32([1, 2]), w=[1, 2], labels=["cat", "dog"], sample_weights="w"),
            "roles differ. They are inputs='x', targets='labels' in the dir.*sample_weights='w'",
        ),
        (
            TextTable({"x": ["a"], "y": ["cat"]}, text="x", label="y"),
            "roles differ. They are inputs='x'",
        ),
    ],
)
def test_a_source_that_differs_is_refused_with_both_lists(packed: Path, source, message):
    files = read_files(packed)
    with pytest.raises(PackError, match=f"cannot be appended: .*{message}"):
        pack(source, packed, append=True)
    assert read_files(packed) == files
    assert not (packed / ".packing").exists()


def test_labels_with_one_column_per_class_have_no_room_for_new_ones(tmp_path: Path):
    out = tmp_path / "h"
    pack(one_hot(["a", "b", "c"], [0, 1, 2, 1]), out)
    with pytest.raises(PackError, match=r"new classes: \['d'\].*one column per class"):
        pack(one_hot(["a", "b", "c", "d"], [3, 1]), out, append=True)
    for names in (["b", "a", "c"], ["a", "b"]):
        with pytest.raises(PackError, match="others, or in another order"):
            pack(one_hot(names, [1, 0]), out, append=True)
    index = pack(one_hot(["a", "b", "c"], [0, 0]), out, append=True)
    assert index.class_counts == [3, 2, 1]


def test_more_classes_than_the_dtype_holds_are_refused(tmp_path: Path):
    def numbered(names: list[str], dtype: type) -> Arrays:
        return Arrays(
            x=np.zeros(len(names)) + len(names[0]),
            labels=np.arange(len(names)).astype(dtype),
            classes=names,
        )

    pack(numbered(["no", "yes"], bool), tmp_path / "b")
    with pytest.raises(PackError, match=r"3 classes, but the field .*bool.* up to 1 only"):
        pack(numbered(["maybe", "no"], bool), tmp_path / "b", append=True)
    pack(numbered([f"c{i}" for i in range(200)], np.uint8), tmp_path / "u")
    with pytest.raises(PackError, match=r"400 classes, but the field .*uint8.* up to 255 only"):
        pack(numbered([f"new{i}" for i in range(200)], np.uint8), tmp_path / "u", append=True)


def test_two_spellings_of_one_class_are_refused(tmp_path: Path):
    pack(Arrays(x=[1.0, 2.0], labels=["3", "4"], classes=["3", "4"]), tmp_path / "s")
    source = Arrays(x=[1.5, 2.5], labels=["3.0", "x"], classes=["3", "3.0", "x"])
    with pytest.raises(PackError, match="two classes of the source, and both are the class '3'"):
        pack(source, tmp_path / "s", append=True)


def test_a_number_without_a_name_is_refused_and_nothing_changes(packed: Path):
    class Wrong:
        classes = ("bee", "dog")

        def __len__(self) -> int:
            return 3

        def __getitem__(self, row: int) -> dict[str, Any]:
            return {"x": np.float32(row), "labels": np.int32(row)}

    files = read_files(packed)
    with pytest.raises(PackError, match="2 classes, but the largest label is 2"):
        pack(Wrong(), packed, append=True, workers=1)
    assert read_files(packed) == files
    assert ShardIndex.load(packed).classes == ["cat", "dog"]


def test_shards_that_no_source_is_recorded_of_are_refused(tmp_path: Path):
    capture([(np.ones((4, 2)), np.zeros(4))], tmp_path / "c")
    with pytest.raises(PackError, match=r"does not name a source .*'capture'.*Shards"):
        pack(Arrays(x=np.ones((4, 2)), labels=np.zeros(4)), tmp_path / "c", append=True)


def test_a_shard_that_the_index_does_not_name_is_not_overwritten(packed: Path):
    stray = packed / "shard-00003.pkl"
    stray.write_bytes(b"mine")
    with pytest.raises(PackError, match=r"does not name: shard-00003.pkl"):
        pack_more(packed)
    assert stray.read_bytes() == b"mine"
    assert not (packed / ".packing").exists()


class Sentences:
    """Two fields of token ids with one vocabulary."""

    roles = Roles(inputs=("texts", "titles"))

    def __init__(self, vocabulary: list[str]) -> None:
        self.vocabulary = vocabulary
        self.text_fields: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return 1

    def __getitem__(self, row: int) -> dict[str, Any]:
        number = np.int32(len(self.vocabulary) - 1)
        return {"texts": np.array([number, 0]), "titles": np.array([number])}


def test_integers_that_may_be_words_are_not_left_as_they_are(tmp_path: Path):
    pack(Sentences(["", "a", "b"]), tmp_path / "w")
    source = Sentences(["", "b"])
    with pytest.raises(PackError, match="'titles' of integers may hold numbers of words or other"):
        pack(source, tmp_path / "w", append=True)
    source.text_fields = ("texts", "titles")
    index = pack(source, tmp_path / "w", append=True)
    assert read_rows(index)["texts"].tolist() == [[2, 0], [2, 0]]
    assert read_rows(index)["titles"].tolist() == [[2], [2]]


@pytest.mark.parametrize("other", [{"resize": "crop"}, {"interpolation": "nearest"}])
def test_images_that_were_resized_in_another_way_are_refused(tmp_path, other):
    """They were appended, and their pictures are of another form than those before them."""
    folder = tmp_path / "images" / "a"
    folder.mkdir(parents=True)
    Image.fromarray(np.zeros((20, 60, 3), np.uint8)).save(folder / "x.png")
    pack(ImageFolder(tmp_path / "images", size=(4, 4)), tmp_path / "set", verbose=0)
    before = read_files(tmp_path / "set")
    options = {"append": True, "workers": 1, "verbose": 0}
    with pytest.raises(PackError, match=r"resized in different ways: .*stretch.*bilinear.* in the"):
        pack(ImageFolder(tmp_path / "images", size=(4, 4), **other), tmp_path / "set", **options)
    assert read_files(tmp_path / "set") == before
    Image.fromarray(np.ones((20, 60, 3), np.uint8)).save(folder / "y.png")
    pack(ImageFolder(tmp_path / "images", size=(4, 4)), tmp_path / "set", **options)
    assert ShardIndex.load(tmp_path / "set").num_samples == 3
