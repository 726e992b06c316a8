"""Callbacks whose methods are the generators of a training."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata.legacy import fit_generator
from tests.legacy.small_classifier import classifier


class Numbers(keras.callbacks.Callback):
    """Prepares its data when the training begins, as scripts for Keras 1 and 2 did."""

    def __init__(self, fails=False):
        super().__init__()
        self.events = []
        self.fails = fails

    def on_train_begin(self, logs=None):
        self.events.append(("begin", self.params["epochs"], self.model is not None))
        self.rows = np.ones((4, 3), np.float32)

    def on_epoch_end(self, epoch, logs=None):
        self.events.append(("end", epoch))

    def batches(self, size):
        while True:
            if self.fails:
                raise OSError("no data")
            yield self.rows[:size], np.zeros(size, np.int64)


@pytest.mark.slow
def test_on_train_begin_is_called_once_before_the_generator_reads():
    model = classifier(run_eagerly=True)
    numbers = Numbers(fails=True)
    with pytest.raises(OSError, match="no data"):
        fit_generator(model, numbers.batches(4), 1, callbacks=[numbers], verbose=0)
    numbers.fails = False
    for _ in range(2):
        numbers.events.clear()
        fit_generator(
            model,
            numbers.batches(4),
            steps_per_epoch=1,
            epochs=2,
            validation_data=numbers.batches(2),
            validation_steps=1,
            callbacks=[numbers],
            verbose=0,
        )
        assert numbers.events == [("begin", 2, True), ("end", 0), ("end", 1)]
        assert "on_train_begin" not in vars(numbers)
