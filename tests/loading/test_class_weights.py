"""Class weights and classes are those of the targets of a sequence."""

from __future__ import annotations

import numpy as np
import pytest

from keras_bigdata import (
    ShardError,
    ShardSequence,
    ShardWriter,
)
from tests.conftest import ROLES
from tests.helpers.bare_pickles import dump


def test_class_weight_is_balanced(tmp_path):
    dump(tmp_path / "0.pkl", {"x": np.zeros((6, 2)), "id": np.array([0, 0, 0, 2, 0, 0])})
    dump(tmp_path / "1.pkl", {"x": np.zeros((2, 2)), "id": np.array([2, 0])})
    assert ShardSequence(tmp_path, **ROLES).class_weight() == {0: 8 / 12, 2: 8 / 4}


def test_class_weight_and_classes_are_those_of_the_targets_of_the_sequence(tmp_path):
    labels, kind = np.array([0, 0, 0, 1]), np.array([0, 1, 2, 2])
    with ShardWriter(tmp_path, inputs="x", targets="labels", classes=["cat", "dog"]) as writer:
        writer.write({"x": np.zeros((4, 2)), "labels": labels, "kind": kind})
    assert ShardSequence(tmp_path).class_weight() == {0: 4 / 6, 1: 2.0}
    assert ShardSequence(tmp_path).classes == ["cat", "dog"]
    kinds = ShardSequence(tmp_path, targets="kind")
    assert kinds.class_weight() == {0: 4 / 3, 1: 4 / 3, 2: 4 / 6}
    assert kinds.classes is None
    both = ShardSequence(tmp_path, targets=("labels", "kind"))
    assert both.classes == ["cat", "dog"]
    with pytest.raises(ShardError, match="class weights need one target"):
        both.class_weight()


def test_classes_of_several_label_columns_are_picked_by_target(tmp_path):
    classes = {"kind": ["x"], "sky": ["y", "z"]}
    with ShardWriter(tmp_path, inputs="x", targets=("kind", "sky"), classes=classes) as writer:
        writer.write({"x": np.zeros((2, 2)), "kind": np.zeros(2, int), "sky": np.ones(2, int)})
    assert ShardSequence(tmp_path).classes == classes
    assert ShardSequence(tmp_path, targets="sky").classes == ["y", "z"]
