"""An epoch advances however a sequence is driven. Runs on the backend that KERAS_BACKEND names."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import keras
import pytest

from keras_bigdata import ShardSequence, legacy
from tests.helpers.recording import recording_model
from tests.helpers.unindexed_pickles import ROLES


@pytest.fixture
def train(shards):
    return ShardSequence(shards([7, 12, 30, 5]), 10, **ROLES, seed=5, window_shards=2)


def epoch_ids(train, epoch):
    plain = ShardSequence(train.index, 10, **ROLES, seed=5, window_shards=2, workers=0)
    return [plain.batch_of(epoch, index)[1].tolist() for index in range(len(plain))]


def test_batches_by_index_and_on_epoch_end_are_an_epoch(train):
    for epoch in range(3):
        seen = [train[index][1].tolist() for index in range(len(train))]
        assert seen == epoch_ids(train, epoch)
        train.on_epoch_end()
    assert train.epoch == 3


def test_on_epoch_end_after_some_batches_is_not_an_epoch(train):
    for index in range(len(train) - 1):
        train[index]
    train.on_epoch_end()
    assert train.epoch == 0
    train[len(train) - 1]
    train.on_epoch_end()
    assert train.epoch == 0


def test_epochs_in_a_list_are_different_ones(train):
    epochs = list(train.epochs(3))
    assert [epoch.number for epoch in epochs] == [0, 1, 2]
    for number, epoch in enumerate(epochs):
        assert [y.tolist() for _, y in epoch] == epoch_ids(train, number)
    assert train.epoch == 3


class Wrapped(keras.utils.PyDataset):
    """A dataset of the user that forwards the hook that Keras 2 had."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, index):
        return self.inner[index]

    def on_epoch_end(self):
        self.inner.on_epoch_end()


@pytest.mark.parametrize("batch_size", [10, 30, 60])  # 6 batches, 2 and 1
def test_a_sequence_inside_another_dataset_serves_the_next_epoch(train, batch_size):
    model = recording_model(built=True)
    inner = ShardSequence(train.index, batch_size, **ROLES, seed=5, window_shards=2)
    model.fit(Wrapped(inner), epochs=3, shuffle=False, verbose=0)
    seen = model.take()
    plain = ShardSequence(train.index, batch_size, **ROLES, seed=5, window_shards=2, workers=0)
    expected = [
        plain.batch_of(epoch, index)[1].tolist()
        for epoch in range(3)
        for index in range(len(plain))
    ]
    assert seen == expected
    assert inner.epoch == 3


def test_looking_at_all_batches_before_a_fit_takes_no_epoch(train):
    for index in range(len(train)):
        train[index]
    model = recording_model(built=True)
    model.fit(train, shuffle=False, verbose=0)
    assert model.take() == epoch_ids(train, 0)


def test_the_same_epoch_twice_without_a_hook_is_warned_of_once(train):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(4):
            for index in range(len(train)):
                train[index]
    assert len(caught) == 1
    assert "Call both hooks" in str(caught[0].message)


def test_no_warning_for_loops_after_looking_at_all_batches(train):
    for index in range(len(train)):
        train[index]
    for _ in range(2):
        for _ in train:
            pass
    assert train.epoch == 2


def test_no_warning_where_every_epoch_is_the_same(train):
    plain = ShardSequence(train.index, 10, **ROLES, shuffle=None)
    for view in (plain, train.unshuffled()):
        for _ in range(3):
            for index in range(len(view)):
                view[index]


@pytest.mark.parametrize(("processes", "automatic"), [(2, True), (2, False), (1, True)])
def test_batches_that_keras_would_divide_among_processes_are_refused(
    train, monkeypatch, processes, automatic
):
    # Keras 3.16 serves every second batch to each of two processes: the epoch never advances.
    distribution = SimpleNamespace(
        num_processes=processes,
        auto_shard_dataset=automatic,
        num_model_replicas=processes,
        data_shard_id=0,
    )
    monkeypatch.setattr(keras.distribution, "distribution", lambda: distribution)
    if processes == 1:
        train.on_epoch_begin()
        return
    if not automatic:
        with pytest.raises(ValueError, match="part='auto'"):
            train.on_epoch_begin()
        return
    with pytest.raises(ValueError, match="auto_shard_dataset=False"):
        train.on_epoch_begin()


def test_fit_generator_serves_the_next_epoch(shards):
    seeds = []

    def note(batch, rng):
        seeds.append(rng.bit_generator.state["state"]["state"])
        return batch

    train = ShardSequence(shards([30, 20]), 10, **ROLES, seed=5, transform=note, workers=0)
    model = recording_model(built=True)
    legacy.fit_generator(model, train, epochs=3, verbose=0, shuffle=False)
    assert len(set(seeds)) == 15
    assert train.epoch == 3
