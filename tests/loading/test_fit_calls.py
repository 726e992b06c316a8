from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from keras_bigdata import ShardSequence
from keras_bigdata.loading.prefetching import batch_prefetch
from tests.helpers.recording import recording_model


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("shuffle", ["window", "global"])
def test_fit_that_shuffles_gets_the_batches_in_the_order_of_the_plan(shards, shuffle):
    arguments = {"batch_size": 8, "inputs": "x", "targets": "id", "seed": 3, "shuffle": shuffle}
    directory = shards([40, 30, 50, 20])
    orders = []
    for fit_shuffles in (False, True):
        model = recording_model(built=True)
        train = ShardSequence(directory, **arguments)
        model.fit(train, epochs=3, shuffle=fit_shuffles, verbose=0)
        orders.append(model.take())
        assert train.epoch == 3
    assert orders[0] == orders[1]


@pytest.mark.parametrize("shuffle", ["shards", None])
def test_fit_shuffles_batches_that_are_not_shuffled(shards, shuffle):
    train = ShardSequence(
        shards([40, 30]), batch_size=5, inputs="x", targets="id", seed=3, shuffle=shuffle
    )
    plain = [train[index][1].tolist() for index in range(len(train))]
    model = recording_model(built=True)
    model.fit(train, shuffle=True, verbose=0)
    seen = model.take()
    assert seen != plain
    assert sorted(map(tuple, seen)) == sorted(map(tuple, plain))


def test_a_subclass_is_served_in_order_too(shards):
    class Scaled(ShardSequence):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x * 2, y

    arguments = {"batch_size": 8, "inputs": "x", "targets": "id", "seed": 3}
    directory = shards([60])
    model = recording_model(built=True)
    model.fit(Scaled(directory, **arguments), shuffle=True, verbose=0)
    plain = ShardSequence(directory, **arguments)
    assert model.take() == [plain[index][1].tolist() for index in range(len(plain))]


def test_by_hand_a_batch_is_found_by_its_number_in_any_order(shards):
    train = ShardSequence(shards([60]), batch_size=8, inputs="x", targets="id", seed=3)
    train.on_epoch_begin()
    forwards = [train[index][1].tolist() for index in range(len(train))]
    order = np.random.default_rng(0).permutation(len(train))
    assert [train[int(index)][1].tolist() for index in order] == [forwards[i] for i in order]


def test_slow_reading_in_random_order_says_what_to_pass(shards, monkeypatch):
    clock = iter(range(10**9))
    monkeypatch.setattr(batch_prefetch, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    train = ShardSequence(
        shards([200]), batch_size=5, inputs="x", targets="id", seed=3, shuffle=None
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for index in range(0, 40, 2):
            train[index]
    assert ["shuffle=False" in str(warning.message) for warning in caught] == [True]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            for index in range(len(train)):
                train[index]
