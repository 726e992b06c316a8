"""Class numbers with names, and how many rows each class has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from keras_bigdata import (
    Arrays,
    HDF5Table,
    ShardError,
    ShardIndex,
    ShardSequence,
    ShardWriter,
    TextTable,
    pack,
)

Y = np.array([0, 2, 1, 2, 2])


def test_integer_labels_of_arrays_take_names(tmp_path: Path):
    source = Arrays(x=np.zeros(5), labels=Y, classes=["a", "b", "c"])
    assert (source.classes, source[1]["labels"]) == (["a", "b", "c"], 2)
    index = pack(source, tmp_path / "out")
    assert (index.classes, index.class_counts) == (["a", "b", "c"], [1, 1, 3])
    # Names for the only target, whatever it is called.
    index = pack(Arrays(x=Y, kind=Y, targets="kind", classes=list("abc")), tmp_path / "kind")
    assert index.classes_of("kind") == ["a", "b", "c"]
    with pytest.raises(ValueError, match="no field 'labels' and no other single target"):
        Arrays(x=np.zeros(5), classes=["a", "b"])


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([0, 1, 2], ["a", "b"], r"from 0 to 1, because there are 2 classes \('a', 'b'\).*: 2\.$"),
        ([0, -1], ["a", "b"], "Received: -1"),
        ([0, 0.5], ["a", "b"], r"Received: 0\.5"),
        ([1, 2, 3], [1, 2, 3], r"Received: 3\. If they are names .*astype\(str\)"),
        ([1, 2], [1, 2, 3], "may be class numbers .the label 1 is the class 2. or names among"),
        (np.eye(3), ["a", "b"], "holds 2 names .*have 3 columns"),
    ],
)
def test_labels_that_are_not_the_numbers_of_the_classes(labels, classes, message):
    with pytest.raises(ValueError, match=message):
        Arrays(x=np.zeros(len(labels)), labels=labels, classes=classes)


def test_labels_that_are_numbers_and_names_alike_are_taken(tmp_path: Path):
    assert Arrays(x=Y, labels=Y, classes=[0, 1, 2])[1]["labels"] == 2
    assert Arrays(x=Y, labels=Y.astype(str), classes=[2, 1, 0])[1]["labels"] == 0
    assert Arrays(x=Y, labels=Y > 1, classes=["no", "yes"]).classes == ["no", "yes"]


def test_classes_may_be_numpy_values(tmp_path: Path):
    names = list(np.unique(Y))
    with ShardWriter(tmp_path / "a", inputs="x", targets="labels", classes=names) as writer:
        writer.write({"x": Y, "labels": Y})
    assert ShardIndex.load(tmp_path / "a").classes == [0, 1, 2]
    words = {"labels": np.unique(["b", "a"])}
    with ShardWriter(tmp_path / "b", inputs="x", targets="labels", classes=words) as writer:
        writer.write({"x": Y, "labels": Y % 2})
    assert ShardIndex.load(tmp_path / "b").classes == {"labels": ["a", "b"]}
    assert Arrays(x=Y, labels=Y, classes=names).classes == [0, 1, 2]
    with pytest.raises(TypeError, match=r"`classes` must be a list\. Received: classes='abc'"):
        ShardWriter(tmp_path / "c", classes="abc")


def test_a_missing_value_is_not_a_class():
    for missing in (None, float("nan"), pd.NA):
        with pytest.raises(ValueError, match=r"must not hold missing values.*at position 1"):
            Arrays(x=Y, labels=Y, classes=["a", missing, "c"])


@pytest.mark.parametrize("values", [[3.0, 5.0, None], ["3", "5.0", " "], pd.array([3, 5, None])])
def test_numbers_of_any_kind_are_found_among_the_classes(values: Any):
    """pandas reads whole numbers as floats where one is missing."""
    source = TextTable({"t": list("abc"), "l": values}, text="t", label="l", classes=[5, 3])
    assert [source[0]["labels"], source[1]["labels"]] == [1, 0]
    assert source.problems == {2: "row 2: there is no label"}


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, bool])
def test_rows_of_several_labels_are_counted_by_class(tmp_path: Path, dtype: Any):
    labels = np.array([[1, 0, 1], [1, 0, 0], [0, 0, 0]], dtype)
    index = pack(Arrays(x=np.zeros(3), labels=labels, classes=list("abc")), tmp_path / "out")
    assert index.class_counts == [2, 0, 1]
    assert ShardIndex.load(tmp_path / "out").class_counts == [2, 0, 1]
    # They do not add up to the number of rows, which weights are made of too.
    with pytest.warns(UserWarning, match="several classes or none"):
        assert ShardSequence(tmp_path / "out", 2).class_weight() == {0: 3 / 4, 2: 3 / 2}


def test_numbers_to_predict_are_not_counted(tmp_path: Path):
    numbers = np.random.default_rng(0).normal(size=(6, 3))
    assert pack(Arrays(x=numbers, y=numbers, targets="y"), tmp_path / "a").class_counts is None
    # In one shard they are 0 and 1 by chance.
    numbers[:3] = 1
    source = Arrays(x=numbers, y=numbers, targets="y")
    options = {"shuffle": False, "shard_samples": 3}
    assert pack(source, tmp_path / "b", **options).class_counts is None


def test_counts_of_a_table_with_a_separator(tmp_path: Path):
    table = {"t": list("abcd"), "tags": ["x|y", "y", "", "z"]}
    index = pack(TextTable(table, text="t", label="tags", separator="|"), tmp_path / "out")
    assert dict(zip(index.classes, index.class_counts, strict=True)) == {"x": 1, "y": 2, "z": 1}


def test_counts_of_hdf5_one_hot_labels(tmp_path: Path):
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["x"], file["y"] = np.zeros(5), np.eye(3, dtype=np.float32)[Y]
    assert pack(HDF5Table(tmp_path / "t.h5"), tmp_path / "out").class_counts == [1, 1, 3]


def test_a_writer_refuses_labels_that_the_classes_do_not_name(tmp_path: Path):
    writer = ShardWriter(tmp_path / "a", inputs="x", targets="labels", classes=["a", "b"])
    with pytest.raises(ShardError, match="2 classes, but the largest label is 2"):
        writer.write({"x": Y, "labels": Y})
    with pytest.raises(ShardError, match="2 classes, but the smallest label is -1"):
        writer.write({"x": Y, "labels": Y % 2 - 1})
    writer = ShardWriter(tmp_path / "b", inputs="x", targets="labels", classes=["a", "b"])
    with pytest.raises(ShardError, match="2 classes, but the rows of 'labels' have 3 columns"):
        writer.write({"x": Y, "labels": np.eye(3, dtype=int)[Y]})
