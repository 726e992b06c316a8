"""`trainable` counts as it was at `compile`, and frozen layers normalize as they did."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata.legacy.training import trainable_at_compile

X = np.linspace(-1, 1, 24).reshape(8, 3)
NOISE = np.linspace(0, 1, 16).reshape(8, 2)
ONES = np.ones((8, 1))


@pytest.fixture
def gan(installed, monkeypatch):
    """Returns the discriminator, the generator and both, compiled in the usual order."""
    monkeypatch.setattr(trainable_at_compile, "keras_root", lambda: "keras")
    keras.utils.set_random_seed(0)
    layers = keras.layers
    discriminator = keras.Sequential(
        [keras.Input((3,)), layers.Dense(2), layers.BatchNormalization(), layers.Dense(1)]
    )
    discriminator.compile("sgd", "mse")
    discriminator.trainable = False
    generator = keras.Sequential([keras.Input((2,)), layers.Dense(3)])
    noise = keras.Input((2,))
    both = keras.Model(noise, discriminator(generator(noise)))
    both.compile("sgd", "mse")
    return discriminator, generator, both


def changes(model, train):
    before = model.get_weights()
    train()
    return [
        not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:A frozen BatchNormalization")
def test_the_usual_script_of_a_gan(gan):
    discriminator, generator, both = gan

    def all_change(model, train):
        return set(changes(model, train))

    def alone():
        discriminator.train_on_batch(X, ONES)

    def together():
        both.train_on_batch(NOISE, ONES)

    assert all_change(discriminator, alone) == {True}
    assert all_change(discriminator, together) == {False}
    assert all_change(generator, together) == {True}
    # Toggled without `compile`, as many scripts do in their loop.
    discriminator.trainable = True
    assert all_change(discriminator, together) == {False}
    assert discriminator.trainable
    discriminator.trainable = False
    assert all_change(discriminator, lambda: discriminator.fit(X, ONES, verbose=0)) == {True}
    assert not discriminator.trainable
    assert not any(layer.trainable for layer in discriminator.layers)
    # `compile` counts.
    discriminator.trainable = True
    both.compile("sgd", "mse")
    assert all_change(discriminator, together) == {True}


@pytest.mark.slow
def test_a_frozen_layer_normalizes_with_the_batch_in_training(gan):
    discriminator, generator, both = gan
    dense, _, last = discriminator.layers
    moving = discriminator.get_weights()[4:6]
    hidden = keras.ops.convert_to_numpy(dense(generator(NOISE)))
    normal = (hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + 1e-3)
    expected = float(np.mean((keras.ops.convert_to_numpy(last(normal)) - ONES) ** 2))
    with pytest.warns(UserWarning, match="with the mean and variance of each batch"):
        loss = both.train_on_batch(NOISE, ONES)
    assert float(np.asarray(loss)) == pytest.approx(expected, rel=1e-4)
    for before, after in zip(moving, discriminator.get_weights()[4:6], strict=True):
        np.testing.assert_array_equal(before, after)
    assert float(both.evaluate(NOISE, ONES, verbose=0)) != pytest.approx(expected, rel=1e-2)


@pytest.mark.slow
def test_flags_that_a_callback_sets_stay(installed):
    dense = keras.layers.Dense(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), dense])
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    model.layers[0].trainable = True

    class Freeze(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            dense.trainable = False

    moved = changes(model, lambda: model.fit(X, ONES, verbose=0, callbacks=[Freeze()]))
    assert moved == [False, False, True, True]
    assert model.layers[0].trainable
    assert not dense.trainable
