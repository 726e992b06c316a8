"""The batches that a model trains on from old generators, and the results."""

from __future__ import annotations

import itertools
import threading
import time

import keras
import numpy as np
import pytest

from keras_bigdata import legacy
from tests.helpers.recording import recording_model
from tests.legacy.numbered_batches import EveryEpoch, batch, numbered, numbers


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("workers", [0, 1, 4])
def test_nothing_is_lost_or_replayed_between_epochs(model, workers):
    log, seen = [], EveryEpoch()
    train, val = numbered(log), numbered()
    history = legacy.fit_generator(
        model,
        train,
        steps_per_epoch=4.0,
        epochs=3,
        verbose=0,
        validation_data=val,
        validation_steps=1.5,
        workers=workers,
        max_queue_size=3,
        callbacks=[seen],
    )
    assert seen.trained == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert seen.tested == [[0, 1], [2, 3], [4, 5]]
    # Nothing beyond the batches trained on was read, and the user can read on.
    assert log == list(range(12))
    assert float(next(train)[1][0, 0]) == 12
    assert float(next(val)[1][0, 0]) == 6
    assert history.epoch == [0, 1, 2]
    assert set(history.history) == {"loss", "val_loss"}


def test_a_second_call_goes_on_and_evaluation_takes_as_much_as_asked(model):
    train = numbered()
    legacy.fit_generator(model, train, 3, 1, 0)
    legacy.fit_generator(model, train, 3, initial_epoch=4, epochs=6, verbose=0)
    assert numbers(model.take()) == list(range(9))
    legacy.evaluate_generator(model, train, steps=2)
    assert numbers(model.take_tested()) == [9, 10]
    assert legacy.predict_generator(model, train, steps=2).shape == (4, 1)
    assert float(next(train)[1][0, 0]) == 13


def test_samples_end_an_epoch_with_the_batch_that_reaches_them(model):
    def uneven(log):
        for number in itertools.count():
            log.append(number)
            yield batch(number, rows=1 if number % 3 == 2 else 4)  # passes of 9 samples

    train_log, val_log, seen = [], [], EveryEpoch()
    legacy.fit_generator(
        model,
        uneven(train_log),
        samples_per_epoch=9,
        nb_epoch=3,
        verbose=0,
        validation_data=uneven(val_log),
        nb_val_samples=5,
        callbacks=[seen],
    )
    assert seen.trained == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert seen.tested == [[0, 1], [2, 3], [4, 5]]
    assert (train_log, val_log) == (list(range(9)), list(range(6)))
    assert not model.stop_training


def test_a_callback_that_stops_within_an_epoch_of_samples_is_heard(model):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, number, logs=None):
            if number == 1:
                self.model.stop_training = True

    legacy.fit_generator(
        model, numbered(), samples_per_epoch=6, nb_epoch=3, verbose=0, callbacks=[Stop()]
    )
    assert numbers(model.take()) == [0, 1]


def test_the_queue_is_bounded_and_fills_while_the_model_works(model):
    log, at_first_step = [], []

    class Slow(keras.callbacks.Callback):
        def on_train_batch_begin(self, number, logs=None):
            if number == 0:
                time.sleep(0.3)
                at_first_step.append(len(log))

    legacy.fit_generator(
        model, numbered(log), 20, 1, 0, workers=1, max_queue_size=4, callbacks=[Slow()]
    )
    # The two inspected first, four in the queue, and one being read.
    assert 5 <= at_first_step[0] <= 8
    assert numbers(model.take()) == list(range(20))


def test_without_workers_a_batch_is_read_when_it_is_needed_and_on_the_same_thread(model):
    threads, log = set(), []
    steps = []

    def recording_thread():
        for item in numbered(log):
            threads.add(threading.current_thread())
            yield item

    class Steps(keras.callbacks.Callback):
        def on_train_batch_begin(self, number, logs=None):
            steps.append((number, len(log)))

    legacy.fit_generator(model, recording_thread(), 5, 1, 0, workers=0, callbacks=[Steps()])
    assert threads == {threading.main_thread()}
    # After the two that are inspected first.
    assert steps[2:] == [(2, 3), (3, 4), (4, 5)]


def test_validation_on_arrays_and_its_frequency(model):
    x, y = batch(7, rows=5)
    seen = EveryEpoch()
    history = legacy.fit_generator(
        model, numbered(), 2, 3, 0, [seen], [x, y], validation_freq=[1, 3]
    )
    # In batches as large as those of training; Keras evaluates some twice to build its step.
    assert [len(epoch) > 0 for epoch in seen.tested] == [True, False, True]
    assert len(history.history["val_loss"]) == 2
    np.testing.assert_allclose(
        history.history["val_loss"][-1], model.evaluate(x, y, verbose=0), rtol=1e-5
    )
    np.testing.assert_array_equal(seen.validation_data[0], x)
    np.testing.assert_array_equal(seen.validation_data[1], y)
    assert seen.validation_data[2].shape == (5,)


def test_the_same_generator_may_train_and_validate(model):
    both, seen = numbered(), EveryEpoch()
    legacy.fit_generator(model, both, 2, 2, 0, [seen], both, 2, workers=0)
    used = list(itertools.chain(*seen.trained, *seen.tested))
    assert len(used) == len(set(used)) == 8


def test_a_training_that_is_over_takes_nothing(model):
    train = numbered()
    history = legacy.fit_generator(model, train, 3, initial_epoch=5, epochs=5, verbose=0)
    assert history.history == {}
    assert float(next(train)[1][0, 0]) == 0


@pytest.mark.slow
@pytest.mark.every_backend
def test_old_figures_are_those_of_plain_fit():
    """`fit_generator` and `train_on_batch` end with the same weights after the same batches."""
    rng = np.random.default_rng(0)
    batches = [(rng.random((4, 3), np.float32), rng.integers(0, 2, 4)) for _ in range(6)]

    def model():
        keras.utils.set_random_seed(0)
        new = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
        loss = "sparse_categorical_crossentropy"
        new.compile("sgd", loss, metrics=["accuracy"], run_eagerly=True)
        return new

    class_weight = {0: 1.0, 1: 3.0}
    plain, old = model(), model()
    for x, y in batches:
        plain.train_on_batch(x, y, class_weight=class_weight)
    legacy.fit_generator(old, iter(batches), 6, class_weight=class_weight, verbose=0)
    for one, other in zip(plain.get_weights(), old.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    np.testing.assert_allclose(
        legacy.evaluate_generator(old, iter(batches), 6), plain.evaluate(x, y, verbose=0), rtol=1e-5
    )
    expected = plain.predict(x, verbose=0)
    for form in (lambda b: b, lambda b: b[0], list):
        predicted = legacy.predict_generator(old, map(form, batches), 6)
        np.testing.assert_allclose(predicted, expected, rtol=1e-5, atol=1e-6)
    predicted = legacy.predict_generator(old, iter(batches), val_samples=9)
    np.testing.assert_allclose(predicted, expected[:9], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("built", [True, False])
def test_models_that_are_built_by_the_first_batch_miss_none(built):
    model = recording_model(built)
    legacy.fit_generator(model, numbered(), 3, 2, 0)
    assert numbers(model.take()) == list(range(6))
