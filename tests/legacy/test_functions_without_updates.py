"""`keras.backend.function` does not change the model, after `install()`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata.legacy.backend.functions import tf_keras_function

ROWS = np.array([[1.0, 10.0], [3.0, 30.0]])
STEPS = np.ones((2, 3, 2))


@pytest.fixture
def K(installed):
    return keras.backend


def training_function(K, *layers):
    model = keras.Sequential([keras.Input((2,)), *layers])
    return model, K.function([model.input, K.learning_phase()], [model.output])


def test_moving_averages_stay_what_they_were_in_the_training_phase(K):
    model, function = training_function(K, keras.layers.BatchNormalization())
    before = model.get_weights()
    outputs = function([ROWS, 1])[0]
    np.testing.assert_allclose(outputs, [[-1, -1], [1, 1]], atol=1e-3)  # by the batch
    for value, former in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, former)
    model.compile("sgd", "mse", run_eagerly=True)
    model.train_on_batch(ROWS, ROWS)
    assert np.abs(model.get_weights()[2] - before[2]).max() > 0.01


def test_dropout_drops_other_units_in_each_call(K):
    _, function = training_function(K, keras.layers.Dropout(0.5))
    first, second = (function([np.ones((20, 2)), 1])[0] for _ in range(2))
    assert ((first == 0) != (second == 0)).any()


def test_states_of_an_rnn_do_not_advance(K):
    inputs = keras.Input(batch_shape=(2, 3, 2))
    layer = keras.layers.SimpleRNN(1, stateful=True)
    model = keras.Model(inputs, layer(inputs))
    function = K.function([model.input], [model.output])
    first = function([STEPS])[0]
    np.testing.assert_array_equal(function([STEPS])[0], first)
    function = tf_keras_function([model.input], [model.output])
    assert np.any(function([STEPS])[0] != function([STEPS])[0])  # as TensorFlow 2 did
