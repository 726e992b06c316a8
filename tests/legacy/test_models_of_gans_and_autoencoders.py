"""Losses that are symbolic tensors of a model, attributes of such tensors, shared optimizers."""

from __future__ import annotations

import keras
import numpy as np
import pytest

X = np.random.default_rng(0).random((8, 3)).astype("float32")


def autoencoder():
    inputs = keras.Input((3,))
    code = keras.layers.Dense(2, kernel_initializer="ones", name="code")(inputs)
    outputs = keras.layers.Dense(3, kernel_initializer="ones")(code)
    return keras.Model(inputs, outputs), inputs, code, outputs


def test_a_loss_of_tensors_of_the_model_trains_it(installed):
    from keras import backend as K

    model, inputs, code, outputs = autoencoder()
    model.add_loss(K.mean(K.square(inputs - outputs)) + 0.1 * K.mean(K.square(code)))
    model.compile(optimizer=keras.optimizers.SGD(0.01))
    code = X.sum(axis=1, keepdims=True).repeat(2, axis=1)
    expected = np.mean((X - code.sum(axis=1, keepdims=True)) ** 2) + 0.1 * np.mean(code**2)
    assert model.evaluate(X, verbose=0) == pytest.approx(expected, rel=1e-5)
    before = [np.array(weights) for weights in model.get_weights()]
    history = model.fit(X, epochs=2, verbose=0, validation_data=(X, None))
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    assert history.history["loss"][1] < history.history["loss"][0] < expected * 1.001
    assert len(model.layers) == 3
    assert model.predict(X, verbose=0).shape == (8, 3)


def test_a_loss_of_several_numbers_is_refused(installed):
    from keras import backend as K

    model, inputs, _, outputs = autoencoder()
    with pytest.raises(ValueError, match="the mean or the sum"):
        model.add_loss(K.mean(K.square(inputs - outputs), axis=-1))


def test_shapes_of_symbolic_tensors(installed):
    x = keras.Input((4, 3))
    assert x._keras_shape == x.get_shape() == (None, 4, 3)
    assert x.get_shape().as_list() == [None, 4, 3]
    assert x.get_shape().ndims == 3


def test_one_optimizer_for_the_models_of_a_gan(installed):
    rate = 0.01
    optimizer = keras.optimizers.SGD(rate)
    first, *_ = autoencoder()
    second, *_ = autoencoder()
    first.compile(optimizer, "mse")
    with pytest.warns(UserWarning, match="is the optimizer of another model"):
        second.compile(loss="mse", optimizer=optimizer)
    assert first.optimizer is optimizer
    assert second.optimizer is not optimizer
    assert float(second.optimizer.learning_rate) == pytest.approx(rate)
    for model in (first, second, first):
        model.train_on_batch(X, X)
    first.compile(optimizer, "mse")  # again, without a warning
    assert first.optimizer is optimizer
