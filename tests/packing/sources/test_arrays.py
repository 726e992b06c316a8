"""Arrays in memory and memory maps, read row by row."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from keras_bigdata import Arrays, PackError
from keras_bigdata.shards.fields.roles import Roles


def test_arrays_row_by_row(tmp_path: Path):
    images = np.arange(4 * 6, dtype=np.uint8).reshape(4, 2, 3)
    np.save(tmp_path / "x.npy", images)
    labels = [3, 1, 2, 0]
    source = Arrays(labels=labels, images=np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert len(source) == 4
    np.testing.assert_array_equal(source[2]["images"], images[2])
    assert source[2]["labels"] == 2
    assert source.roles == Roles("images", "labels")
    assert len(list(source)) == 4


def test_roles_of_arrays():
    x = np.zeros(3)
    assert Arrays(a=x, texts=x, images=x, labels=x).roles == Roles(
        ("images", "texts", "a"), "labels"
    )
    assert Arrays(x=x, age=x, targets="age").roles == Roles("x", "age")
    assert Arrays(x=x, labels=x, w=x, sample_weights="w").roles == Roles("x", "labels", "w")
    assert Arrays(x=x, labels=x, inputs={"image": "x"}).roles == Roles({"image": "x"}, "labels")
    assert Arrays(labels=x, inputs="labels").roles == Roles("labels")
    with pytest.raises(ValueError, match=r"the roles name \['y'\]|The roles name \['y'\]"):
        Arrays(x=x, targets="y")


def test_string_labels_of_arrays_become_classes():
    source = Arrays(x=np.zeros(3), labels=["dog", "cat", "dog"])
    assert source.classes == ["cat", "dog"]
    assert [int(sample["labels"]) for sample in source] == [1, 0, 1]
    other = Arrays(x=np.zeros(1), labels=["dog"], classes=source)
    assert other[0]["labels"] == 1
    with pytest.raises(ValueError, match="Received in row 0: 'cow'"):
        Arrays(x=np.zeros(1), labels=["cow"], classes=source)


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(
        ValueError, match=r"same number of rows, at least 1. Received: \{'a': 2, 'b': 3\}"
    ):
        Arrays(a=np.zeros(2), b=np.zeros(3))
    with pytest.raises(ValueError, match="same number of rows"):
        Arrays(a=np.zeros(0))
    with pytest.raises(ValueError, match="Received: none"):
        Arrays()
    with pytest.raises(TypeError, match="must be an array of numbers"):
        Arrays(a=np.array([{}, {}]))


def test_splits_of_arrays_are_stratified_views():
    labels = np.repeat([0, 1], [80, 20])
    rest, part = Arrays(x=np.arange(100), labels=labels).split(0.2, seed=3)
    assert [int(sample["labels"]) for sample in part].count(1) == 4
    assert sorted(int(sample["x"]) for one in (rest, part) for sample in one) == list(range(100))
    inner = rest.split(0.5)[1]
    assert {int(sample["x"]) for sample in inner} < {int(sample["x"]) for sample in rest}
    assert np.shares_memory(part._arrays["x"], rest._arrays["x"])


def test_a_pickled_part_of_arrays_takes_its_rows_only():
    part = Arrays(x=np.arange(100_000)).select([5, 7])
    content = pickle.dumps(part)
    assert len(content) < 2000
    assert [int(sample["x"]) for sample in pickle.loads(content)] == [5, 7]


def test_arrays_with_any_other_value_are_other_sources():
    labels = np.zeros(5000, np.int32)
    changed = labels.copy()
    changed[1234] = 1
    assert (
        Arrays(labels=labels).fingerprint()
        == Arrays(labels=labels.copy()).fingerprint()
        != Arrays(labels=changed).fingerprint()
    )


def test_a_missing_label_among_strings_is_no_class():
    with pytest.raises((PackError, ValueError), match="row 1"):
        Arrays(x=np.ones(3), labels=["a", float("nan"), "b"])


def test_text_is_no_array():
    with pytest.raises(TypeError, match="array of numbers"):
        Arrays(x=np.ones(2), words=["a", "b"])
