"""Batches whose rows have any length, as generators yield them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from keras_bigdata import PackError, Ragged, ShardWriter, capture
from keras_bigdata.packing import capture as capture_module
from keras_bigdata.shards.fields.roles import Roles
from tests.helpers.ragged_sets import assert_same, stored_rows

ROWS = [np.arange(length, dtype=np.int32) for length in (3, 0, 5, 1, 1, 7, 2, 0, 4, 4)]
LABELS = np.arange(10)
CUTS = [(0, 4), (4, 5), (5, 8), (8, 10)]


def as_objects(rows: list[Any]) -> np.ndarray:
    array = np.empty(len(rows), object)
    array[:] = rows
    return array


class RaggedTensor:
    """What this package uses of a `tf.RaggedTensor`."""

    def __init__(self, rows: list[Any], ragged_rank: int = 1) -> None:
        self.ragged_rank = ragged_rank
        self.values = np.concatenate(rows)
        self.row_splits = np.cumsum([0, *map(len, rows)])


def batches(convert: Any) -> Any:
    for start, stop in CUTS:
        yield convert(ROWS[start:stop]), LABELS[start:stop]


@pytest.mark.parametrize("convert", [Ragged.from_rows, RaggedTensor, as_objects])
@pytest.mark.parametrize("shard_samples", [None, 1, 3, 100])
def test_rows_of_any_length_come_back(tmp_path: Path, convert: Any, shard_samples: int | None):
    index = capture(batches(convert), tmp_path / "s", shard_samples=shard_samples, verbose=0)
    assert index.roles == Roles("x", "y")
    assert str(index.fields["x"]) == "'x': int32 (rows, any)"
    assert_same(stored_rows(index, "x"), ROWS)
    if shard_samples == 3:
        assert index.samples.tolist() == [3, 3, 3, 1]


def test_a_tensorflow_dataset_of_ragged_tensors(tmp_path: Path):
    import tensorflow as tf

    ragged = tf.ragged.constant([row.tolist() for row in ROWS], dtype=tf.int32)
    dataset = tf.data.Dataset.from_tensor_slices((ragged, LABELS)).batch(3)
    index = capture(dataset, tmp_path / "s", verbose=0)
    assert_same(stored_rows(index, "x"), ROWS)
    nested = tf.ragged.constant([[[1, 2], [3]], [[4]]])
    with pytest.raises(PackError, match=r"field 'x' \(RaggedTensor\) has 2 dimensions of any"):
        capture([nested], tmp_path / "t", verbose=0)


def test_a_nested_batch_of_several_variants(tmp_path: Path):
    def generator() -> Any:
        for number in range(4):
            rows = [row + number for row in ROWS[:5]]
            image = np.full((5, 2), number, np.float32)
            yield {"text": Ragged.from_rows(rows, padding=-1), "image": image}, image[:, 0]

    index = capture(generator(), tmp_path / "s", steps=2, variants=2, shard_samples=4, verbose=0)
    assert index.roles.inputs == {"text": "x.text", "image": "x.image"}
    assert index.fields["x.text"].padding == -1
    for variant in range(2):
        expected = [row + 2 * variant + step for step in range(2) for row in ROWS[:5]]
        assert_same(stored_rows(index, "x.text", variant), expected)


def test_rows_that_the_generator_fills_again_are_copied(tmp_path: Path):
    values = np.zeros(6)

    def refilling() -> Any:
        for number in range(3):
            values[:] = number
            yield Ragged(values, [0, 2, 6])

    index = capture(refilling(), tmp_path / "s", verbose=0)
    expected = [np.full(length, float(number)) for number in range(3) for length in (2, 4)]
    assert_same(stored_rows(index, "x"), expected)


def padded(rows: list[np.ndarray]) -> np.ndarray:
    return Ragged.from_rows(rows).padded()


FIRST = Ragged.from_rows(ROWS[:3])


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        ([padded(ROWS[:4]), padded(ROWS[4:])], r"shape \(7,\), but of shape \(5,\).*from_rows"),
        ([np.zeros((2, 3)), as_objects([[1.0], [2.0, 3.0]])], r"different length, but rows of"),
        ([FIRST, padded(ROWS[:3])], r"'x' is an array .* two ways: .* without padding"),
        ([FIRST, Ragged.from_rows([[1.0]])], "'x' has dtype float64, but int32"),
        ([FIRST, Ragged.from_rows([[[1]]], np.int32)], r"shape \(any, 1\), but of shape \(any,\)"),
        ([FIRST, Ragged.from_rows(ROWS, padding=1)], "'x' has the padding 1, but 0"),
        ([as_objects([[1, 2], [3, 4]])], r"two ways: .*Ragged\.from_rows"),
        ([as_objects([[1], ["a", "b"]])], "row 1 holds texts"),
        ([([np.zeros(2), np.zeros(3)], np.zeros(2))], r"several inputs .*Ragged\.from_rows"),
        ([([[1, 2], [3]], np.zeros(2))], r"'x\.0\.0' is a single number .*Ragged\.from_rows"),
        ([(LABELS[:2], as_objects([[1, 0], [2]]))], r"'y' is a target of lists .* two ways"),
        ([(LABELS[:3], LABELS[:3], FIRST)], "'w' has rows of any length, and sample weights"),
        ([RaggedTensor(ROWS, ragged_rank=2)], "has 2 dimensions of any length"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, stream: list[Any], message: str):
    with pytest.raises(PackError, match=message):
        capture(iter(stream), tmp_path / "s", verbose=0)
    assert not list((tmp_path / "s").glob("*"))


def test_shards_are_full_by_bytes_if_later_rows_are_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(capture_module, "SHARD_BYTES", 8000)
    lengths = [1] * 10 + [500] * 10
    stream = (Ragged.from_rows([np.zeros(length)] * 2) for length in lengths)
    index = capture(stream, tmp_path / "s", verbose=0)
    assert index.num_samples == 40
    assert index.samples.tolist() == [22, *[2] * 9]
    stream = (Ragged.from_rows([np.zeros(length)] * 2) for length in lengths)
    index = capture(stream, tmp_path / "t", shard_samples=20, verbose=0)
    assert index.samples.tolist() == [20, 20]


def test_the_size_of_shards_follows_from_the_first_batch(tmp_path: Path):
    stream = [Ragged.from_rows([np.zeros(20_000)] * 5)] * 40  # 32 MB
    assert len(capture(stream, tmp_path / "s", verbose=0)) == 8


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    size=st.integers(1, 4),
    shard_samples=st.integers(1, 5),
)
def test_any_cut_into_batches_and_shards(
    tmp_path_factory: Any, lengths: list[int], size: int, shard_samples: int
):
    rows = [np.arange(length, dtype=np.int16) + number for number, length in enumerate(lengths)]
    stream = [Ragged.from_rows(rows[start : start + size]) for start in range(0, len(rows), size)]
    folder = tmp_path_factory.mktemp("capture") / "s"
    index = capture(stream, folder, shard_samples=shard_samples, verbose=0)
    assert_same(stored_rows(index, "x"), rows)


# ---- ShardWriter


def test_a_field_that_begins_with_rows_of_any_length_keeps_them(tmp_path: Path):
    with ShardWriter(tmp_path / "s", inputs="x") as writer:
        writer.write({"x": [[1, 2], [3]]})
        writer.write({"x": [[4, 5], [6, 7]]})
        writer.write({"x": [[]]})
        writer.write({"x": as_objects([[8], [9]])})
        writer.write({"x": RaggedTensor([np.array([1]), np.array([2, 3])])})
    index = writer.index
    assert index is not None
    rows = [[1, 2], [3], [4, 5], [6, 7], [], [8], [9], [1], [2, 3]]
    assert_same(stored_rows(index, "x"), [np.array(row, np.int64) for row in rows])


def test_the_padding_of_the_first_shard_is_that_of_lists(tmp_path: Path):
    with ShardWriter(tmp_path / "s") as writer:
        writer.write({"x": Ragged.from_rows([[1]], padding=-1)})
        writer.write({"x": [[1, 2], [3]]})
        with pytest.raises(Exception, match=r"\(rows, any\); .* padded with -1"):
            writer.write({"x": Ragged.from_rows([[1]])})


@pytest.mark.parametrize(
    ("first", "later", "message"),
    [
        ([[1, 2], [3, 4]], [[1], [2, 3]], r"\(rows, any\).*\(rows, 2\)\. .*Ragged\.from_rows"),
        ([[1], [2, 3]], np.zeros((2, 2), int), r"\(rows, 2\).*\(rows, any\)\. .*Ragged\.from_rows"),
        ([[1], [2, 3]], [[1.5], [2]], "float64"),
        ([[1], [2, 3]], [["a"], ["b"]], "row 0 holds texts"),
        ([[[1]], [[2], [3]]], [[[1, 2]]], r"\(rows, any, 2\)"),
    ],
)
def test_later_shards_must_have_the_same_rows(tmp_path: Path, first: Any, later: Any, message: str):
    writer = ShardWriter(tmp_path / "s")
    writer.write({"x": first})
    with pytest.raises(Exception, match=message):
        writer.write({"x": later})
    index = writer.close()
    assert len(index) == 1


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({"targets": "x"}, "'x' is a target of lists of whole numbers .* two ways"),
        ({"sample_weights": "x"}, "'x' has rows of any length, and sample weights"),
    ],
)
def test_roles_of_rows_of_any_length(tmp_path: Path, roles: Any, message: str):
    writer = ShardWriter(tmp_path / "s", inputs="y", **roles)
    with pytest.raises(Exception, match=message):
        writer.write({"y": np.zeros(2), "x": [[1], [2, 3]]})
    assert not list((tmp_path / "s").glob("*.pkl"))
