"""Existing generators of every kind are captured, in any number of variants."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata import Arrays, ShardSequence, capture, pack
from tests.helpers.recording import recording_model
from tests.helpers.unindexed_pickles import rows_of
from tests.packing.captured import SIZES, TOTAL, Locked, OldSequence, batches, endless, stored_ids


class OnlyNext:
    def __init__(self, iterator):
        self.__next = iterator

    def __next__(self):
        return next(self.__next)


class Again:
    """Can be iterated any number of times, but not indexed."""

    def __iter__(self):
        return batches()


class OnlyIndex:
    """The old sequence protocol: indices until an IndexError."""

    def __getitem__(self, index):
        return list(batches())[index]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(batches, id="generator"),
        pytest.param(lambda: iter(list(batches())), id="iterator"),
        pytest.param(lambda: list(batches()), id="list"),
        pytest.param(lambda: OldSequence(SIZES), id="old sequence"),
        pytest.param(lambda: Locked(batches()), id="wrapper"),
        pytest.param(lambda: OnlyNext(batches()), id="only next"),
        pytest.param(Again, id="iterable"),
        pytest.param(OnlyIndex, id="only index"),
        pytest.param(lambda: zip(*map(list, zip(*batches(), strict=True)), strict=True), id="zip"),
        pytest.param(lambda: map(list, batches()), id="map, lists for tuples"),
    ],
)
@pytest.mark.parametrize("steps", [None, len(SIZES), 3])
def test_every_kind_of_source(tmp_path, source, steps):
    capture(source(), tmp_path / "s", steps=steps)
    assert stored_ids(tmp_path / "s") == list(range(sum(SIZES[:steps])))


@pytest.mark.parametrize("source", [OldSequence(SIZES), Again(), list(batches())])
def test_one_pass_a_variant(tmp_path, source):
    index = capture(source, tmp_path / "s", variants=3)
    assert (index.variants, index.num_samples) == (3, TOTAL)
    for variant in range(3):
        shift = 1000 * variant if isinstance(source, OldSequence) else 0
        assert stored_ids(tmp_path / "s", variant) == list(range(shift, shift + TOTAL))


def test_variants_of_a_generator_are_cut_out_of_its_stream(tmp_path):
    generator = endless()
    capture(generator, tmp_path / "s", steps=len(SIZES), variants=2, shard_samples=8)
    for variant in range(2):
        ids = list(range(variant * TOTAL, (variant + 1) * TOTAL))
        assert stored_ids(tmp_path / "s", variant) == ids
    # No further batch was taken, and the generator can be continued.
    assert next(generator)[1][0] == 2 * TOTAL


def test_more_steps_than_a_pass_begin_the_next_one(tmp_path):
    capture(OldSequence([4, 4, 4]), tmp_path / "s", steps=4)
    assert stored_ids(tmp_path / "s") == [*range(12), *range(1000, 1004)]


def test_variants_alternate_by_epoch(tmp_path):
    capture(endless(), tmp_path / "s", steps=len(SIZES), variants=2)
    model = recording_model(built=True)
    train = ShardSequence(tmp_path / "s", 7)
    for epoch in range(4):
        model.fit(train, verbose=0, shuffle=False)
        start = epoch % 2 * TOTAL
        seen = sorted(id_ for batch in model.take() for id_ in batch)
        assert seen == list(range(start, start + TOTAL))


def test_a_shard_sequence_can_be_captured(tmp_path):
    pack(Arrays(x=rows_of(np.arange(20)), labels=np.arange(20)), tmp_path / "a")
    source = ShardSequence(tmp_path / "a", 8, seed=1)
    capture(source, tmp_path / "b", variants=2)
    again = ShardSequence(tmp_path / "a", 8, seed=1)
    for variant in range(2):
        expected = [id_ for index in range(3) for id_ in again.batch_of(variant, index)[1]]
        assert stored_ids(tmp_path / "b", variant) == expected


@pytest.mark.parametrize("said", [{"num_batches": None}, {}])
def test_a_sequence_without_an_end_needs_steps(tmp_path, said):
    def batch(self, index):
        ids = np.arange(4) + 4 * index
        return rows_of(ids), ids

    Endless = type("Endless", (keras.utils.PyDataset,), {"__getitem__": batch, **said})

    with pytest.raises(ValueError, match="a Endless that never ends needs `steps`"):
        capture(Endless(), tmp_path / "s")
    capture(Endless(), tmp_path / "s", steps=3)
    assert stored_ids(tmp_path / "s") == list(range(12))
