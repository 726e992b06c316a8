"""The batches that a model trains on from old generators, and the results."""

from __future__ import annotations

import itertools
import threading
import time
import traceback
import warnings

import keras
import numpy as np
import pytest

from keras_bigdata import legacy
from tests.helpers.recording import Recording, recording_model


class RecordingTests(Recording):
    """Also records the ids of the batches that it is evaluated on."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.tested = []

    def test_step(self, *arguments):
        ids = arguments[-1][1]
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.numpy_function(self.record_test, [ids], [])
        elif keras.backend.backend() == "jax":
            import jax

            jax.debug.callback(self.record_test, ids, ordered=True)
        else:
            self.record_test(ids.detach().cpu())
        return super().test_step(*arguments)

    def record_test(self, ids):
        self.tested.append(np.asarray(ids).reshape(-1).tolist())

    def take_tested(self):
        if keras.backend.backend() == "jax":
            import jax

            jax.effects_barrier()
        tested, self.tested = self.tested, []
        return tested


@pytest.fixture(scope="module")
def built():
    model = RecordingTests()
    model.compile("sgd", "mse")
    model(np.zeros((1, 3), np.float32))
    return model


@pytest.fixture
def model(built):
    built.take()
    built.take_tested()
    built.stop_training = False
    return built


def batch(number, rows=2):
    return np.full((rows, 3), number * 1e-3, np.float32), np.full((rows, 1), number, np.float32)


def numbered(log=None, end=None, rows=2):
    """Yields batches whose targets are their number. The arrays are the same ones, refilled."""
    x, y = batch(0, rows)
    for number in itertools.count() if end is None else range(end):
        x[:], y[:] = batch(number, rows)
        if log is not None:
            log.append(number)
        yield x, y


def numbers(batches):
    return [int(ids[0]) for ids in batches]


class EveryEpoch(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.trained, self.tested = [], []

    def on_epoch_end(self, epoch, logs=None):
        self.trained.append(numbers(self.model.take()))
        self.tested.append(numbers(self.model.take_tested()))


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


class Locked:
    """An iterator with a lock, by which old scripts shared a generator among threads."""

    def __init__(self, iterator):
        self.iterator = iterator
        self.lock = threading.Lock()

    def __iter__(self):
        return self

    def __next__(self):
        with self.lock:
            return next(self.iterator)


class OnlyNext:
    """An iterator of Python 2."""

    def __init__(self, iterator):
        self.next = iterator.__next__


SOURCES = {
    "zip": lambda: zip(*(map(lambda b, i=i: b[i].copy(), numbered()) for i in (0, 1)), strict=True),
    "map": lambda: map(list, numbered()),
    "lock": lambda: Locked(numbered()),
    "python 2": lambda: OnlyNext(numbered()),
    "iter of a list": lambda: iter([batch(number) for number in range(6)]),
    "lists in lists": lambda: ([[x], [y]] for x, y in numbered()),
    "weights of None": lambda: ((x, y, None) for x, y in numbered()),
}


@pytest.mark.parametrize("name", SOURCES)
def test_iterators_of_any_kind_are_read_in_order(model, name):
    legacy.fit_generator(model, SOURCES[name](), 3, 2, 0, workers=2)
    assert numbers(model.take()) == list(range(6))


def test_what_can_be_read_again_is_begun_again(model):
    batches = [batch(number) for number in range(3)]
    legacy.fit_generator(model, batches, epochs=2, verbose=0)
    legacy.fit_generator(model, batches, steps_per_epoch=2, epochs=2, verbose=0)
    assert numbers(model.take()) == [0, 1, 2] * 2 + [0, 1, 2, 0]


def test_tf_data_is_read_on_any_backend(model):
    tf = pytest.importorskip("tensorflow")
    x, y = (np.concatenate(parts) for parts in zip(*(batch(n) for n in range(3)), strict=True))
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(2)
    seen = EveryEpoch()
    legacy.fit_generator(model, data, epochs=2, verbose=0, validation_data=data, callbacks=[seen])
    assert seen.trained == seen.tested == [[0, 1, 2]] * 2
    unknown = tf.data.Dataset.from_generator(
        lambda: iter([batch(0), batch(1)]),
        output_signature=(tf.TensorSpec((None, 3)), tf.TensorSpec((None, 1))),
    )
    legacy.fit_generator(model, unknown, epochs=3, verbose=0)
    assert numbers(model.take()) == [0, 1] * 3
    with pytest.raises(ValueError, match="no end"):
        legacy.fit_generator(model, data.repeat(), epochs=2)


class OldSequence(keras.utils.Sequence):
    """A Sequence as in tutorials: no `super().__init__`, and data shuffled in place."""

    def __init__(self, count, length=None):
        self.count = count
        self.length = count if length is None else length
        self.ids = np.arange(count)
        self.indices = []
        self.ended = 0

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        self.indices.append(index)
        time.sleep(0.002 * (index % 3))  # so that threads overtake one another
        return batch(self.ids[index])

    def on_epoch_end(self):
        self.ended += 1
        self.ids[:] = (self.ids + 1) % self.count


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("workers", [0, 4])
def test_a_sequence_is_read_by_index_each_batch_once_a_pass(model, workers):
    sequence, val, seen = OldSequence(5), OldSequence(3), EveryEpoch()
    legacy.fit_generator(
        model, sequence, epochs=3, verbose=0, validation_data=val, workers=workers, callbacks=[seen]
    )
    assert [sorted(epoch) for epoch in seen.trained] == [list(range(5))] * 3
    assert seen.trained[0] != seen.trained[1]
    assert seen.tested == [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
    assert (sequence.ended, val.ended, len(sequence.indices)) == (3, 3, 15)


def test_order_does_not_depend_on_workers_and_passes_go_on_over_epochs(model):
    orders = []
    for workers in (0, 3):
        keras.utils.set_random_seed(4)
        sequence = OldSequence(5)
        legacy.fit_generator(model, sequence, 3, 3, 0, workers=workers, max_queue_size=2)
        orders.append(numbers(model.take()))
        assert sequence.ended == 1
    assert orders[0] == orders[1]
    assert sorted(orders[0][:5]) == list(range(5))
    legacy.fit_generator(model, OldSequence(5), 3, 2, 0, shuffle=False)
    assert numbers(model.take()) == [0, 1, 2, 3, 4, 1]


def test_lengths_may_be_floats(model):
    legacy.fit_generator(model, OldSequence(3, np.ceil(2.5)), epochs=1, verbose=0, shuffle=False)
    assert numbers(model.take()) == [0, 1, 2]


def test_something_like_a_sequence_is_one(model):
    class IndexedBatches:
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return batch(index)

    legacy.fit_generator(model, IndexedBatches(), epochs=2, verbose=0, shuffle=False)
    assert numbers(model.take()) == [0, 1] * 2


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


def failing(after):
    yield from numbered(end=after)
    raise OSError("image 17 is missing")


@pytest.mark.parametrize(("workers", "after"), [(0, 1), (1, 0), (1, 5)])
def test_an_error_of_the_generator_comes_with_its_traceback(model, workers, after):
    def check(call):
        with pytest.raises(OSError, match="image 17 is missing") as caught:
            call()
        frames = [frame.name for frame in traceback.extract_tb(caught.tb)]
        assert frames[-1] == "failing"

    check(lambda: legacy.fit_generator(model, failing(after), 3, 4, 0, workers=workers))
    assert numbers(model.take()) == list(range(after if after > 1 else 0))
    check(lambda: legacy.evaluate_generator(model, failing(after), 8, workers=workers))
    check(lambda: legacy.predict_generator(model, failing(after), 8, workers=workers))
    check(
        lambda: legacy.fit_generator(
            model, numbered(), 2, 4, 0, None, failing(after), 3, workers=workers
        )
    )


def test_an_error_of_a_sequence_in_threads(model):
    class Broken(OldSequence):
        def __getitem__(self, index):
            if index == 3:
                raise KeyError("no such id")
            return super().__getitem__(index)

    with pytest.raises(KeyError, match="no such id"):
        legacy.fit_generator(model, Broken(5), epochs=2, verbose=0, workers=3, shuffle=False)
    assert numbers(model.take()) == [0, 1, 2]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(("end", "epochs"), [(1, 1), (3, 1), (5, 2), (6, 2)])
def test_a_generator_that_ends_early_ends_the_training(model, workers, end, epochs):
    steps = int(model.optimizer.iterations)
    with pytest.warns(UserWarning, match=f"ended after {end} batches; training stopped"):
        history = legacy.fit_generator(model, numbered(end=end), 3, 5, 0, workers=workers)
    assert numbers(model.take()) == list(range(end))
    assert len(history.history["loss"]) == epochs
    # No step without data.
    assert int(model.optimizer.iterations) == steps + end


def test_next_that_ends_inside_a_generator_ends_it(model):
    def shortened():
        batches = numbered(end=4)
        while True:
            yield next(batches)

    with pytest.warns(UserWarning, match="ended after 4 batches"):
        legacy.fit_generator(model, shortened(), 3, 5, 0)
    assert numbers(model.take()) == [0, 1, 2, 3]


def test_a_validation_without_batches_is_reported(model):
    with pytest.warns(UserWarning, match="no batch left after 3: epoch 3 is not validated"):
        history = legacy.fit_generator(model, numbered(), 2, 3, 0, None, numbered(end=3), 2)
    assert numbers(model.take_tested()) == [0, 1, 2]
    assert len(history.history["val_loss"]) == 2
    with pytest.warns(UserWarning, match="ended after 2 batches; the prediction"):
        assert len(legacy.predict_generator(model, numbered(end=2), steps=5)) == 4
    with pytest.warns(UserWarning, match="ended after 2 batches; the evaluation"):
        legacy.evaluate_generator(model, numbered(end=2), steps=5)
    with pytest.raises(ValueError, match="no batch"):
        legacy.fit_generator(model, iter([]), 5)
    with pytest.raises(ValueError, match="no batch"):
        legacy.predict_generator(model, iter([]), 5)


def test_early_stopping_leaves_the_generator_usable(model):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    train = numbered()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        legacy.fit_generator(model, train, 3, 9, 0, [Stop()], workers=2, max_queue_size=4)
    assert numbers(model.take()) == list(range(6))
    assert 6 <= float(next(train)[1][0, 0]) <= 12  # what waited in the queue is lost
    assert not [t for t in threading.enumerate() if t.name.startswith("legacy-")]


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


def test_old_figures_are_those_of_plain_fit():
    """`fit_generator` and `train_on_batch` end with the same weights after the same batches."""
    rng = np.random.default_rng(0)
    batches = [(rng.random((4, 3), np.float32), rng.integers(0, 2, 4)) for _ in range(6)]

    def model():
        keras.utils.set_random_seed(0)
        new = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
        new.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
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


def test_what_is_no_source_or_no_batch_is_refused(model):
    for wrong in (np.ones((4, 3)), "path/to/images", {"x": 1}, 5):
        with pytest.raises(TypeError, match="must come from a generator"):
            legacy.fit_generator(model, wrong, 3)
    with pytest.raises(ValueError, match=r"end of an epoch is not known: pass `steps_per_epoch`"):
        legacy.fit_generator(model, numbered())
    with pytest.raises(ValueError, match="pass `validation_steps`"):
        legacy.fit_generator(model, numbered(), 3, validation_data=numbered())
    with pytest.raises(ValueError, match=r"must yield batches \(x, y\)"):
        legacy.fit_generator(model, itertools.repeat(np.ones((4, 3))), 3)
    with pytest.raises(ValueError, match="is empty"):
        legacy.fit_generator(model, itertools.repeat(batch(0, rows=0)), 3)
    ragged = np.array([[1], [1, 2]], dtype=object)
    with pytest.raises(TypeError, match="holds objects"):
        legacy.fit_generator(model, itertools.repeat((ragged, np.ones(2))), 3)
    with pytest.raises(TypeError, match=r"must be a keras\.Model"):
        legacy.fit_generator("model", numbered(), 3)
