"""Every id once per epoch, through real fits, any way a user may set it up.

Runs on the backend that KERAS_BACKEND names; test_backends.py runs it on all of them.
"""

from __future__ import annotations

import itertools
import random

import keras
import numpy as np
import pytest

from keras_bigdata import ShardSequence
from tests.helpers.matrix import all_pairs
from tests.helpers.recording import EpochIds, recording_model
from tests.helpers.transforms import identity
from tests.helpers.unindexed_pickles import ROLES

SIZES = [7, 1, 12, 30, 5, 18, 9, 21]
TOTAL = sum(SIZES)
MODES = ["window", "shards", "global", None]
BATCH_SIZES = [1, 10, 16, 200]
STEPS = [("window", 1), ("window", 3), ("shards", 5), (None, 11), ("global", 25)]

# A busy machine is as slow as slow storage here. The warning has its test in test_fit_calls.py.
pytestmark = pytest.mark.filterwarnings("ignore:Batches are requested in random order")


@pytest.fixture(scope="module")
def model():
    return recording_model(built=True)


def trained(model, data, epochs=2, **fit):
    ids = EpochIds()
    model.fit(data, epochs=epochs, verbose=0, callbacks=[ids], **fit)
    return ids.epochs


def planned(directory, batch_size, epochs, **settings):
    """Returns the ids of each epoch as the sequence itself serves them, without `fit`."""
    data = ShardSequence(directory, batch_size, **settings, workers=0)
    ids = []
    for epoch in range(epochs):
        data.epoch = epoch
        ids.append([id_ for index in range(len(data)) for id_ in data[index][1].tolist()])
    return ids


@pytest.mark.quick_cases(4)
@all_pairs(shuffle=MODES, fit_shuffle=[True, False], batch_size=BATCH_SIZES, workers=[0, 1, 2, 4])
def test_once_per_epoch_in_threads(shards, model, shuffle, fit_shuffle, batch_size, workers):
    directory = shards(SIZES[:5])
    settings = {**ROLES, "shuffle": shuffle, "window_shards": 3, "seed": 5}
    data = ShardSequence(directory, batch_size, **settings, workers=workers, max_queue_size=3)
    epochs = trained(model, data, shuffle=fit_shuffle)
    assert [sorted(ids) for ids in epochs] == [list(range(sum(SIZES[:5])))] * 2
    assert data.epoch == 2
    if not fit_shuffle:
        # The same seed gives the same order, whatever the workers.
        assert epochs == planned(directory, batch_size, 2, **settings)
        assert (epochs[0] != epochs[1]) == (shuffle is not None)


# Processes start in a second. The slow test below combines all that these leave out.
@pytest.mark.parametrize(
    ("workers", "fit_shuffle"),
    [
        pytest.param(0, True, marks=pytest.mark.slow),
        (0, False),
        (1, True),
        (2, False),
        pytest.param(4, True, marks=pytest.mark.slow),
    ],
)
def test_once_per_epoch_in_processes(shards, model, workers, fit_shuffle):
    directory = shards(SIZES)
    settings = {**ROLES, "seed": 5}
    data = ShardSequence(
        directory, 16, **settings, workers=workers, use_multiprocessing=True, transform=identity
    )
    epochs = trained(model, data, shuffle=fit_shuffle)
    assert [sorted(ids) for ids in epochs] == [list(range(TOTAL))] * 2
    if not fit_shuffle:
        assert epochs == planned(directory, 16, 2, **settings)


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@pytest.mark.parametrize("fit_shuffle", [True, False])
@pytest.mark.parametrize("shuffle", MODES)
def test_once_per_epoch_in_processes_any_way(shards, model, shuffle, fit_shuffle, batch_size):
    """Each mode and each batch size, with either `fit_shuffle`, meets each number of workers."""
    directory = shards(SIZES)
    settings = {**ROLES, "shuffle": shuffle, "window_shards": 3, "seed": 5}
    turn = MODES.index(shuffle) + BATCH_SIZES.index(batch_size) + fit_shuffle
    data = ShardSequence(
        directory,
        batch_size,
        **settings,
        workers=(1, 2, 4)[turn % 3],
        use_multiprocessing=True,
        transform=identity,
        max_queue_size=3,
    )
    epochs = trained(model, data, shuffle=fit_shuffle)
    assert [sorted(ids) for ids in epochs] == [list(range(TOTAL))] * 2
    if not fit_shuffle:
        assert epochs == planned(directory, batch_size, 2, **settings)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("shuffle", MODES)
def test_processes_without_a_transform_read_in_threads(shards, model, shuffle):
    data = ShardSequence(
        shards(SIZES), 10, **ROLES, seed=1, shuffle=shuffle, workers=4, use_multiprocessing=True
    )
    epochs = trained(model, data, shuffle=False)
    assert [sorted(ids) for ids in epochs] == [list(range(TOTAL))] * 2


@pytest.mark.quick_cases(2)
@all_pairs(batches=[1, 2, 3, 20], built=[True, False], validate=[True, False], workers=[0, 2])
def test_two_fits_of_short_epochs(shards, batches, built, validate, workers):
    total = 6 * batches - 1
    directory = shards([total // 2, total - total // 2])
    data = ShardSequence(directory, 6, **ROLES, seed=3, workers=workers)
    assert len(data) == batches
    held_out = ShardSequence(directory, 6, **ROLES, shuffle=None) if validate else None
    model = recording_model(built=built)
    epochs = trained(model, data, epochs=3, shuffle=False, validation_data=held_out)
    epochs += trained(model, data, epochs=2, shuffle=False, validation_data=held_out)
    assert epochs == planned(directory, 6, 5, **ROLES, seed=3)
    assert data.epoch == 5


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_stopped_epoch_is_served_again(shards, workers):
    class StopAt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                self.model.stop_training = True

    data = ShardSequence(shards([40, 40, 40, 40]), 8, **ROLES, seed=3, workers=workers)
    model = recording_model(built=True)
    stopped = EpochIds()
    model.fit(data, epochs=2, verbose=0, shuffle=False, callbacks=[stopped, StopAt()])
    again = trained(model, data, epochs=2, shuffle=False)
    assert again[0][:24] == stopped.epochs[0][:24]
    assert [sorted(ids) for ids in again] == [list(range(160))] * 2


@pytest.mark.parametrize(
    ("shuffle", "steps"),
    [
        # How often a pass begins depends on the steps, and its order on the mode: all pairs of
        # them are slow tests.
        pytest.param(*pair, marks=[] if pair in STEPS else pytest.mark.slow)
        for pair in itertools.product(MODES, [1, 3, 5, 11, 25])
    ],
)
def test_steps_per_epoch_goes_on_where_the_last_epoch_stopped(shards, model, shuffle, steps):
    data = ShardSequence(
        shards(SIZES), 10, **ROLES, seed=2, shuffle=shuffle, steps_per_epoch=steps, workers=2
    )
    whole = ShardSequence(shards(SIZES), 10, **ROLES, seed=2, shuffle=shuffle, workers=0)
    passes = len(whole)
    epochs = trained(model, data, epochs=4, shuffle=False)
    stream = [id_ for epoch in epochs for id_ in epoch]
    expected = []
    for position in range(4 * steps):
        whole.epoch = position // passes
        expected += whole[position % passes][1].tolist()
    assert stream == expected


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("shuffle", MODES)
def test_drop_serves_at_most_once_and_other_rows_each_epoch(shards, model, shuffle):
    data = ShardSequence(
        shards(SIZES), 10, **ROLES, seed=2, shuffle=shuffle, last_batch="drop", workers=2
    )
    epochs = trained(model, data, epochs=4, shuffle=False)
    for ids in epochs:
        assert len(ids) == len(set(ids)) == TOTAL // 10 * 10
    assert len({frozenset(range(TOTAL)) - frozenset(ids) for ids in epochs}) == 4


def test_seed_follows_set_random_seed_without_disturbing_it(shards, model):
    directory = shards(SIZES)
    keras.utils.set_random_seed(11)
    expected = (random.random(), np.random.rand())
    keras.utils.set_random_seed(11)
    first = ShardSequence(directory, 10, **ROLES)
    assert (random.random(), np.random.rand()) == expected
    keras.utils.set_random_seed(11)
    second = ShardSequence(directory, 10, **ROLES)
    keras.utils.set_random_seed(12)
    third = ShardSequence(directory, 10, **ROLES)
    assert first.seed == second.seed != third.seed
    fit = {"epochs": 1, "shuffle": False}
    assert trained(model, first, **fit) == trained(model, second, **fit)


def test_batches_kept_by_the_user_never_change(shards):
    rows = 40_000  # large enough for recycled memory
    data = ShardSequence(shards([rows, rows, rows]), 8192, **ROLES, seed=1, workers=2)
    kept = []
    for epoch in range(3):
        data.epoch = epoch
        for index in range(len(data)):
            x, ids = data[index]
            kept.append((x, ids, x.copy(), ids.copy()))
    for x, ids, x_then, ids_then in kept:
        np.testing.assert_array_equal(x, x_then)
        np.testing.assert_array_equal(ids, ids_then)
        np.testing.assert_array_equal(x[:, 0], ids)
