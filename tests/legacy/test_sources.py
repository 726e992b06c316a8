"""Sources of batches of every kind: iterators, sequences, `tf.data`."""

from __future__ import annotations

import itertools
import threading

import keras
import numpy as np
import pytest

from keras_bigdata import legacy
from tests.legacy.numbered_batches import EveryEpoch, OldSequence, batch, numbered, numbers


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


@pytest.mark.quick_cases(1)
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


@pytest.mark.slow
@pytest.mark.every_backend
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


@pytest.mark.slow
@pytest.mark.every_backend
def test_parts_of_a_batch_that_are_not_inputs_of_the_model_are_left_out(installed):
    """A generator that adds the texts of its images, for a callback, as in Keras 1 and 2."""
    image, length = keras.Input((3,), name="image"), keras.Input((1,), name="length")
    outputs = keras.layers.Dense(1, name="score")(keras.layers.Concatenate()([image, length]))
    model = keras.Model([image, length], outputs)
    model.compile("sgd", "mse")
    x = {"text": ["a", "b"], "length": np.ones((2, 1)), "image": np.full((2, 3), 2.0)}
    pair = (x, {"score": np.zeros(2)})
    expected = model.predict([x["image"], x["length"]], verbose=0)
    loss = float(np.mean(expected**2))
    generator = itertools.repeat(pair)
    assert model.evaluate_generator(generator, 1) == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(model.predict_generator(generator, 1), expected, rtol=1e-5)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5)
    np.testing.assert_allclose(model.predict_on_batch(x), expected, rtol=1e-5)
    assert model.test_on_batch(*pair) == pytest.approx(loss, rel=1e-5)
    history = model.fit_generator(generator, 2, 2, 0, validation_data=generator, validation_steps=1)
    assert history.history["loss"][1] < loss
    model.fit(*pair, epochs=1, verbose=0)
    # A name that the model needs is not replaced by another.
    with pytest.raises((ValueError, KeyError), match=r"image|length"):
        model.predict({"text": np.ones((2, 1)), "image": x["image"]}, verbose=0)
