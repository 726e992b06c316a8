"""Loops of one's own over a ShardSequence. Runs on the backend that KERAS_BACKEND names."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata import ShardSequence
from tests.helpers.recording import EpochIds, recording_model
from tests.helpers.transforms import identity
from tests.helpers.unindexed_pickles import ROLES, rows_of

SIZES = [7, 1, 12, 30, 5, 18, 9, 21]
TOTAL = sum(SIZES)


@pytest.fixture
def directory(shards):
    return shards(SIZES)


def sequence(directory, **settings):
    return ShardSequence(directory, 10, **ROLES, seed=5, window_shards=3, **settings)


def epochs_of(directory, count, **settings):
    """What a sequence serves, asked for by index."""
    plain = sequence(directory, workers=0, **settings)
    return [
        [plain.batch_of(epoch, index)[1].tolist() for index in range(len(plain))]
        for epoch in range(count)
    ]


def ids(batches):
    return [y.tolist() for _, y in batches]


@pytest.mark.parametrize(
    "settings",
    [
        {"workers": 0},
        {"workers": 2, "max_queue_size": 3},
        pytest.param(
            {"workers": 2, "transform": identity, "use_multiprocessing": True},
            marks=pytest.mark.slow,
        ),
        {"shuffle": "global"},
        {"last_batch": "drop"},
        {"steps_per_epoch": 4},
    ],
)
def test_each_loop_is_the_next_epoch(directory, settings):
    train = sequence(directory, **settings)
    order = {k: v for k, v in settings.items() if k in ("shuffle", "last_batch", "steps_per_epoch")}
    expected = epochs_of(directory, 3, **order)
    assert [ids(train) for _ in range(3)] == expected
    assert train.epoch == 3
    again = sequence(directory, **settings)
    numbers = []
    for epoch, batches in zip(again.epochs(3), expected, strict=True):
        numbers.append(epoch.number)
        assert len(epoch) == len(batches)
        assert ids(epoch) == batches
    assert numbers == [0, 1, 2]
    assert again.epoch == 3


def test_a_loop_that_is_broken_off_is_served_again(directory):
    train = sequence(directory)
    expected = epochs_of(directory, 2)
    for number, (_, y) in enumerate(train):
        assert y.tolist() == expected[0][number]
        if number == 3:
            break
    assert train.epoch == 0

    def failing():
        for _ in train:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert ids(train) == expected[0]
    assert ids(train) == expected[1]


def test_epochs_counts_those_that_are_broken_off(directory):
    train = sequence(directory)
    numbers = []
    for turn, epoch in enumerate(train.epochs(4)):
        numbers.append(epoch.number)
        for _ in epoch:
            if turn == 1:
                break
    assert numbers == [0, 1, 1, 2]
    assert train.epoch == 3


def test_loops_that_do_not_ask_for_a_batch_too_many(directory):
    expected = epochs_of(directory, 9)
    train = sequence(directory)
    steps = range(len(train))
    for epoch in range(3):
        assert [y.tolist() for _, (_, y) in zip(steps, train, strict=False)] == expected[epoch]
    for epoch in range(3, 6):
        batches = iter(train)
        assert [next(batches)[1].tolist() for _ in steps] == expected[epoch]
    for epoch in train.epochs(3):
        batches = iter(epoch)
        assert [next(batches)[1].tolist() for _ in steps] == expected[epoch.number]
    assert train.server.advance() == 9


def test_the_epoch_advances_after_the_last_batch_not_before(directory):
    train = sequence(directory)
    assert [train.epoch for _ in train] == [0] * len(train)
    assert train.epoch == 1


def test_two_loops_side_by_side_are_one_epoch(directory):
    train = sequence(directory)
    expected = epochs_of(directory, 2)
    pairs = [(a[1].tolist(), b[1].tolist()) for a, b in zip(train, train, strict=True)]
    assert pairs == list(zip(expected[0], expected[0], strict=True))
    assert train.epoch == 1


def test_loops_over_two_epochs_side_by_side_are_two_epochs(directory):
    # The second one was marked as consumed in place of the first: both were served again.
    train = sequence(directory)
    expected = epochs_of(directory, 5)
    for number in (0, 2):
        pairs = [
            (one[1].tolist(), other[1].tolist())
            for one, other in zip(*train.epochs(2), strict=True)
        ]
        assert [list(each) for each in zip(*pairs, strict=True)] == expected[number : number + 2]
        assert train.epoch == number + 2
    last, first = list(train.epochs(2))[::-1]
    assert ids(last) == epochs_of(directory, 6)[5]
    assert train.epoch == 4
    assert ids(first) == expected[4]
    assert train.epoch == 6


@pytest.mark.parametrize("is_same_seed", [True, False])
def test_a_position_that_is_set_in_a_loop_ends_the_loop_with_an_error(directory, is_same_seed):
    # The loop went on to its end, and the next one began behind the position that was set.
    train = sequence(directory)
    state = {**train.state_dict(), "batch": 2}
    if not is_same_seed:
        state["seed"] = 6
    loop = iter(train)
    for _ in range(5):
        next(loop)
    train.load_state_dict(state)
    with pytest.raises(RuntimeError, match=r"End the loop with `break`.* batch 5 of epoch 0"):
        next(loop)
    assert (train.epoch, train.state_dict()["batch"]) == (0, 2)
    assert len(ids(train)) == len(train) - 2


def test_setting_the_epoch_goes_back(directory):
    train = sequence(directory)
    expected = epochs_of(directory, 3)
    batches = iter(train)
    for _ in range(len(train)):
        next(batches)  # the last batch is given, the loop is not over
    train.epoch = 0
    assert ids(train) == expected[0]
    train.load_state_dict({**train.state_dict(), "epoch": 2})
    assert ids(train) == expected[2]


def test_variants_and_unshuffled_views(directory):
    view = sequence(directory).unshuffled()
    assert ids(view) == ids(view)
    assert sum(len(batch) for batch in ids(view)) == TOTAL
    assert view.epoch == 0


def test_what_a_subclass_does_to_batches_is_done_in_loops_too(directory):
    class Doubled(ShardSequence):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x, 2 * y

    doubled = Doubled(directory, 10, **ROLES, seed=5, window_shards=3)
    expected = [[2 * id_ for id_ in batch] for batch in epochs_of(directory, 1)[0]]
    assert ids(doubled) == expected


def test_index_and_length_are_as_before(directory):
    train = sequence(directory)
    expected = epochs_of(directory, 1)[0]
    assert [train[index][1].tolist() for index in range(len(train))] == expected
    assert train[-1][1].tolist() == expected[-1]
    assert train.epoch == 0
    with pytest.raises(IndexError):
        train[len(train)]


@pytest.mark.parametrize("count", [-1, 2.5, None])
def test_a_count_that_is_none(directory, count):
    with pytest.raises((TypeError, ValueError), match="`count` must be an integer"):
        sequence(directory).epochs(count)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(("built", "broken_off"), [(False, False), (True, True)])
def test_loops_and_fits_take_turns(directory, built, broken_off):
    train = sequence(directory)
    expected = epochs_of(directory, 6)
    model = recording_model(built=built)
    recorded = EpochIds()
    fit = {"verbose": 0, "shuffle": False, "callbacks": [recorded]}
    if broken_off:
        for _ in train:
            break
    model.fit(train, epochs=2, **fit)
    assert ids(train) == expected[2]
    model.fit(train, epochs=1, validation_data=train.unshuffled(), **fit)
    if broken_off:
        next(iter(train))
    assert ids(train) == expected[4]
    model.fit(train, epochs=1, **fit)
    flat = [[id_ for batch in epoch for id_ in batch] for epoch in expected]
    assert recorded.epochs == [flat[0], flat[1], flat[3], flat[5]]


@pytest.mark.slow
def test_train_on_batch_learns_as_fit_does(directory):
    """The same weights from a loop and from `fit`."""

    def model():
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adam(0.01), "mse")
        return model

    by_loop, by_fit = model(), model()
    for epoch in sequence(directory).epochs(3):
        for x, y in epoch:
            by_loop.train_on_batch(x, y.astype(np.float32))
    by_fit.fit(sequence(directory), epochs=3, verbose=0, shuffle=False)
    for mine, theirs in zip(by_loop.get_weights(), by_fit.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


def test_the_next_epoch_is_read_ahead_across_the_boundary(directory, monkeypatch):
    from keras_bigdata.loading.batches.batch_loader import BatchLoader

    here = []
    load = BatchLoader.load
    monkeypatch.setattr(BatchLoader, "load", lambda self, at: here.append(at) or load(self, at))
    train = sequence(directory, workers=1)
    for _ in range(3):
        for x, y in train:
            np.testing.assert_array_equal(x, rows_of(y))
    # Only the first batch is loaded while somebody waits.
    assert here == [0]
