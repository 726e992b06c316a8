"""Class weights and classes are those of the targets of a sequence."""

from __future__ import annotations

import numpy as np
import pytest

from keras_bigdata import Arrays, ShardError, ShardSequence, ShardWriter, pack
from keras_bigdata.loading.classes import class_weights
from keras_bigdata.loading.classes.class_forms import ClassCounter
from tests.helpers.unindexed_pickles import ROLES, dump


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
    assert both.class_weight() == ({0: 4 / 6, 1: 2.0}, {0: 4 / 3, 1: 4 / 3, 2: 4 / 6})
    named = ShardSequence(tmp_path, targets={"animal": "labels", "sort": {"kind": "kind"}})
    assert named.class_weight() == dict(
        animal={0: 4 / 6, 1: 2.0}, sort={"kind": {0: 4 / 3, 1: 4 / 3, 2: 4 / 6}}
    )


def test_classes_of_several_label_columns_are_picked_by_target(tmp_path):
    classes = {"kind": ["x"], "sky": ["y", "z"]}
    with ShardWriter(tmp_path, inputs="x", targets=("kind", "sky"), classes=classes) as writer:
        writer.write({"x": np.zeros((2, 2)), "kind": np.zeros(2, int), "sky": np.ones(2, int)})
    assert ShardSequence(tmp_path).classes == classes
    assert ShardSequence(tmp_path, targets="sky").classes == ["y", "z"]


def sequence_of(directory, values, parts=2, **arguments):
    """A sequence over shards of these targets, `y`, cut into parts."""
    for number, rows in enumerate(np.array_split(np.arange(len(values)), parts)):
        content = {"x": np.zeros((len(rows), 2)), "y": values[rows]}
        dump(directory / f"{number}.pkl", content)
    return ShardSequence(directory, 2, **{"inputs": "x", "targets": "y", **arguments})


LABELS = np.array([0, 2, 0, 0, 2, 3])
BALANCED = {0: 6 / 9, 2: 6 / 6, 3: 6 / 3}


@pytest.mark.parametrize(
    "targets",
    [
        LABELS,
        LABELS[:, None].astype("u1"),
        np.eye(4)[LABELS],
        np.eye(4, dtype="u1")[LABELS],
        np.eye(4, dtype=bool)[LABELS],
        np.eye(4, dtype="f4")[LABELS][:, None, None],
    ],
)
def test_class_numbers_and_one_hot_rows_have_the_same_weights(tmp_path, targets):
    assert sequence_of(tmp_path, targets).class_weight() == BALANCED


@pytest.mark.parametrize("dtype", ["f4", bool, "i8"])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (2, 3, 1)])
def test_two_classes_may_be_floats_or_booleans(tmp_path, dtype, shape):
    targets = np.arange(6).reshape(6, *(1 for _ in shape)) * np.ones(shape, int) == 4
    assert sequence_of(tmp_path, targets.astype(dtype)).class_weight() == {0: 0.6, 1: 3.0}


def test_pixels_of_masks_are_counted(tmp_path):
    masks = np.zeros((6, 4, 5), np.uint8)
    masks[2, :, 1], masks[3:, 0, 0] = 7, 1
    expected = {0: 120 / (3 * 113), 1: 120 / (3 * 3), 7: 120 / (3 * 4)}
    assert sequence_of(tmp_path / "a", masks).class_weight() == expected
    assert sequence_of(tmp_path / "b", masks[..., None]).class_weight() == expected


def test_masks_are_read_a_batch_at_a_time(tmp_path, monkeypatch):
    sizes = []
    add = ClassCounter.add
    monkeypatch.setattr(class_weights, "_MAX_BATCH_BYTES", 50)
    monkeypatch.setattr(
        ClassCounter, "add", lambda self, array: (sizes.append(array.nbytes), add(self, array))
    )
    masks = np.random.default_rng(0).integers(0, 2, (11, 4, 5)).astype(np.uint8)
    masks[0] = 0
    weights = sequence_of(tmp_path, masks, parts=3).class_weight()
    assert weights[1] == masks.size / (2 * masks.sum())
    assert sizes == [40] * 5 + [20]


def test_rows_of_several_classes_have_weights_for_a_loss_only(tmp_path):
    targets = np.array([[1, 0, 1], [1, 0, 0], [0, 0, 0], [1, 0, 0]])
    with pytest.warns(UserWarning, match=r"'y' have several classes or none.*fit\(class_weight=\)"):
        weights = sequence_of(tmp_path, targets).class_weight()
    assert weights == {0: 4 / (2 * 3), 2: 4 / (2 * 1)}
    # The weight of positives that gives them the sum of the negatives.
    assert [len(weights) * weights[c] - 1 for c in (0, 2)] == pytest.approx([1 / 3, 3 / 1])


@pytest.mark.parametrize(
    ("targets", "found"),
    [
        (np.linspace(0, 1, 6), "the value 0.2 of dtype float64"),
        (np.full(6, np.nan), "the value nan"),
        (np.array([0, 1, 0, -1, 0, 1]), "the label -1. Class numbers start at 0"),
        (np.array([0, 1, 10**9, 1, 0, 1]), "the label 1000000000. Class numbers are below"),
        (np.full((6, 3), 0.5), r"the value 0.5 in a row of shape \(3,\), where each column"),
        (np.array([[0, 1, 2]] * 6), r"the value 2 in a row of shape \(3,\)"),
        (np.ones((6, 2, 2, 3)), r"shape \(2, 2, 3\) whose last axis is not one-hot.*2, 2, 3, 1"),
        (np.eye(3)[np.zeros((6, 2), int)], "read in two ways: as class numbers 0 and 1 of 2 x 3"),
        (np.zeros((6, 0)), "hold no values"),
    ],
)
def test_targets_that_are_not_classes_are_refused_with_what_was_found(tmp_path, targets, found):
    with pytest.raises(ShardError, match=rf"(?s)'y' has .*{found}.*\(in (all )?rows"):
        sequence_of(tmp_path, targets).class_weight()
    with pytest.raises(ShardError, match=found):
        sequence_of(tmp_path, targets, class_weights="balanced")


@pytest.mark.slow
@pytest.mark.every_backend
def test_what_a_transform_makes_of_the_targets_is_counted(tmp_path):
    def merge(batch, rng):
        return {**batch, "kind": np.minimum(batch["y"], 1)}

    for processes in (False, True):
        data = sequence_of(
            tmp_path, LABELS, targets="kind", transform=merge, use_multiprocessing=processes
        )
        assert data.class_weight() == {0: 1.0, 1: 1.0}
        assert data.epoch == 0


def test_counts_in_the_index_are_used_without_reading_a_row(tmp_path):
    pack(Arrays(x=np.zeros((6, 2)), labels=LABELS), tmp_path / "s")
    data = ShardSequence(tmp_path / "s", 2)
    for shard in range(len(data.index)):
        data.index.path(shard).unlink()
    assert data.class_weight() == BALANCED


def test_each_row_counts_once_if_there_are_variants(tmp_path):
    augment = lambda sample, rng: {**sample, "y": 1 - sample["y"]}  # noqa: E731
    labels = np.array([0, 0, 0, 1])
    pack(Arrays(x=np.zeros(4), y=labels), tmp_path / "s", variants=2, augment=augment)
    data = ShardSequence(tmp_path / "s", inputs="x", targets="y")
    assert data.class_weight() == {0: 2.0, 1: 4 / 6}


def test_without_targets_there_are_no_classes(tmp_path):
    with pytest.raises(ShardError, match="this sequence has none"):
        sequence_of(tmp_path, LABELS, targets=None).class_weight()
    with pytest.raises(ValueError, match="`class_weights` need `targets`"):
        sequence_of(tmp_path, LABELS, targets=None, class_weights="balanced")
