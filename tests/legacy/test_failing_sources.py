"""Sources that fail or end early, and trainings that stop."""

from __future__ import annotations

import itertools
import threading
import traceback
import warnings

import keras
import numpy as np
import pytest

from keras_bigdata import legacy
from tests.legacy.numbered_batches import OldSequence, batch, numbered, numbers


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
