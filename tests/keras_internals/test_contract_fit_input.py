"""How callbacks find the data of the `fit` that calls them. Fails if a release changes it."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata.keras_internals import callbacks as internals
from keras_bigdata.keras_internals import tf_data
from tests.keras_internals.datasets import Calls, call_on_train_begin, shared_model


def test_callbacks_find_the_input_of_fit():
    found = []
    find = call_on_train_begin(lambda callback: found.append(internals.fit_input()))
    data = Calls()
    shared_model().fit(data, verbose=0, shuffle=False, callbacks=[find])
    shared_model().fit(data, verbose=0, steps_per_epoch=2, callbacks=[find])
    shared_model().fit(np.ones((4, 1)), np.ones((4, 1)), verbose=0, callbacks=[find])
    assert found == [
        internals.FitInput(data, False, None),
        internals.FitInput(data, True, 2),
        internals.FitInput(None, False, None),
    ]
    assert internals.fit_input() is None


def test_an_epoch_may_be_ended_early_through_the_adapter_of_fit():
    class EndEarly(keras.callbacks.Callback):
        batches = 0

        def on_train_begin(self, logs=None):
            self.adapter = internals.fit_input().adapter

        def on_train_batch_begin(self, batch, logs=None):
            self.batches += 1

        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = False
            self.adapter.on_epoch_end()

    data, early = Calls(), EndEarly()
    history = shared_model().fit(data, epochs=3, verbose=0, shuffle=False, callbacks=[early])
    assert history.epoch == [0, 1, 2]
    assert early.batches == 6 < 3 * len(data)


def test_callbacks_find_the_tf_data_of_fit():
    tf = pytest.importorskip("tensorflow")
    found = []
    find = call_on_train_begin(lambda callback: found.append(internals.fit_input()))
    data = tf.data.Dataset.from_tensors((np.ones((4, 1)), np.ones((4, 1))))
    shared_model().fit(data, verbose=0, shuffle=False, callbacks=[find])
    assert found == [internals.FitInput(None, False, None, data)]
    weights = {"shuffle": False, "class_weight": {1: 2.0}}
    shared_model().fit(data, verbose=0, **weights, callbacks=[find])
    assert tf_data.read_datasets(tf_data.read_datasets(found[1].tf_dataset)[0]) == [data]
