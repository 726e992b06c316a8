"""Sets whose classes or words are numbered differently are found."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from keras_bigdata import ShardIndex
from keras_bigdata.shards.fields.roles import Roles
from keras_bigdata.shards.index.shard_index import Field
from keras_bigdata.shards.reading.different_classes import different_classes


def index_of(directory="train", targets="labels", **metadata):
    names = ("labels", "kind", "weather", "x")
    fields = {name: Field(name, np.dtype("i4"), ()) for name in names}
    return ShardIndex.from_shards(
        Path(directory), fields, [], roles=Roles("x", targets), **metadata
    )


def test_sets_that_number_their_classes_differently_differ_with_both_lists():
    train = index_of("train", classes=["a", "b", "c"])
    val = index_of("val", classes=["a", "c"])
    assert different_classes(train, val) == (
        "class 1 is 'b' in train and 'c' in val; the classes are [a, b, c] and [a, c]"
    )
    assert different_classes(val, train) == (
        "class 1 is 'c' in val and 'b' in train; the classes are [a, c] and [a, b, c]"
    )


def test_equal_lists_and_a_list_that_continues_the_other_agree():
    train = index_of(classes=["a", "b", "c"], vocabulary=["", "the", "cup"])
    assert different_classes(train, index_of(classes=["a", "b", "c"])) is None
    assert different_classes(train, index_of(classes=["a", "b"], vocabulary=["", "the"])) is None
    assert different_classes(index_of(classes=["a", "b"]), train) is None


def test_classes_that_are_not_named_cannot_be_compared():
    assert different_classes(index_of(), index_of(classes=["a"])) is None
    assert different_classes(index_of(classes=["a"]), index_of()) is None


def test_a_number_and_its_text_are_one_class():
    assert different_classes(index_of(classes=[2, 10]), index_of(classes=["2", "10"])) is None
    assert different_classes(index_of(classes=[2, 10]), index_of(classes=["10", "2"])) is not None


def test_words_that_are_numbered_differently():
    one = index_of("train", vocabulary=["", "?", "cup", "red"])
    other = index_of("val", vocabulary=["", "?", "red"])
    assert different_classes(one, other) == (
        "word 2 is 'cup' in train and 'red' in val; the words are [, ?, cup, red] and [, ?, red]"
    )


def test_several_targets_are_compared_each_with_its_own():
    classes = {"kind": ["a", "b"], "weather": ["dry", "wet"]}
    targets = {"kind_output": "kind", "weather_output": "weather"}
    train = index_of("train", targets, classes=classes)
    same = index_of("val", targets, classes=classes)
    assert different_classes(train, same) is None
    other = index_of("val", targets, classes={**classes, "weather": ["wet", "dry"]})
    found = different_classes(train, other)
    assert "the classes of 'weather' are [dry, wet] and [wet, dry]" in str(found)
    # Nested differently, or one target only: the names of the fields say what belongs together.
    tuples = index_of("val", ("kind", "weather"), classes=other.classes)
    assert "'weather'" in str(different_classes(train, tuples))
    one = index_of("val", "kind", classes=["b", "a"])
    assert "class 0 is 'a' in train and 'b' in val" in str(different_classes(train, one))


def test_the_targets_that_are_used_are_compared():
    classes = {"kind": ["a", "b"], "weather": ["dry", "wet"]}
    train = index_of("train", ("kind", "weather"), classes=classes)
    val = index_of("val", classes=["wet", "dry"])
    assert "class 0 is 'dry'" in str(different_classes(train, val, "weather", "labels"))
    assert different_classes(train, val, "x", "labels") is None
    lost = index_of("val", None, classes=["wet", "dry"])  # the roles are unknown
    assert "class 0 is 'dry'" in str(different_classes(train, lost, "weather"))


def test_long_lists_are_shortened():
    words = [f"word {number}" for number in range(200_000)]
    swapped = [*words[:150_000], "x" * 100_000, *words[150_001:]]
    found = different_classes(index_of(vocabulary=words), index_of("val", vocabulary=swapped))
    assert "word 150000 is 'word 150000' in train and 'xxx" in str(found)
    assert "199,990 more" in str(found)
    assert len(str(found)) < 1000


def test_class_names_of_any_json_do_no_harm():
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    one = index_of("train", classes=[deep, None, {"a": 1}])
    assert different_classes(one, one) is None
    assert "class 1 is 'None'" in str(different_classes(one, index_of(classes=[deep, "b"])))
