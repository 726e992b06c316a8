"""Optimizers with the arguments of Keras 1 and 2 train as they did there."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest

from keras_bigdata import legacy
from keras_bigdata.legacy.optimizers import arguments

# What the sources of Keras 2.2.4 give for gradients 0.5, 0.25 and 1e-4 of one weight.
GRADIENTS = (0.5, 0.25, 1e-4)


@pytest.fixture
def root(installed, monkeypatch):
    """Sets the Keras that the calling script is taken to import."""

    def set_root(name):
        monkeypatch.setattr(arguments, "keras_root", lambda: name)

    set_root("keras")
    return set_root


def steps(optimizer, gradients=GRADIENTS):
    """Returns the changes of a weight, step by step."""
    weight = keras.Variable(np.zeros(1, np.float32))
    values = [0.0]
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(np.float32([gradient]))], [weight])
        values.append(float(keras.ops.convert_to_numpy(weight.value)[0]))
    return np.diff(values)


def test_decay_reduces_the_rate_after_each_batch(root):
    optimizer = keras.optimizers.SGD(lr=0.1, decay=0.5)
    expected = [-0.1 * g / (1 + 0.5 * n) for n, g in enumerate((1, 1, 1))]
    np.testing.assert_allclose(steps(optimizer, (1, 1, 1)), expected, rtol=1e-6)
    assert float(optimizer.lr) == pytest.approx(0.1)
    optimizer.lr = 0.2
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert (again.decay, float(again.lr)) == (0.5, pytest.approx(0.2))
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    with pytest.raises(TypeError, match="needs a number as the learning rate"):
        keras.optimizers.SGD(schedule, decay=0.5)


def test_decay_in_fit(root):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(1, 0.0, 1.0), "mae")
    start = model.get_weights()[0][0, 0] + 10  # far from the target, so the gradient is 1
    model.set_weights([np.float32([[start]])])
    model.fit(np.ones((4, 1)), np.zeros((4, 1)), batch_size=1, verbose=0)
    expected = start - (1 + 1 / 2 + 1 / 3 + 1 / 4)
    assert model.get_weights()[0][0, 0] == pytest.approx(expected, rel=1e-5)


def test_rmsprop_and_adagrad_add_epsilon_outside_the_root(root):
    square, expected = 0.0, []
    for gradient in GRADIENTS:
        square = 0.5 * square + 0.5 * gradient**2
        expected.append(-0.01 * gradient / (np.sqrt(square) + 1e-4))
    np.testing.assert_allclose(
        steps(keras.optimizers.RMSprop(0.01, 0.5, 1e-4)), expected, rtol=1e-3
    )
    tiny = steps(keras.optimizers.RMSprop(lr=0.01), (1e-5,))
    np.testing.assert_allclose(tiny, [-0.01 * 1e-5 / (1e-5 * 0.1**0.5 + 1e-7)], rtol=0.04)
    with pytest.warns(UserWarning, match=r"Adagrad: the learning rate is 0\.01"):
        adagrad = keras.optimizers.Adagrad()
    square, expected = 0.0, []
    for gradient in GRADIENTS:
        square += gradient**2
        expected.append(-0.01 * gradient / np.sqrt(square))
    np.testing.assert_allclose(steps(adagrad), expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "rate"), [("Adadelta", 1.0), ("Adagrad", 0.01), ("Adamax", 0.002)]
)
def test_default_rates_depend_on_the_import(root, name, rate):
    make = getattr(keras.optimizers, name)
    with pytest.warns(UserWarning, match=f"{name}: the learning rate is {rate}. The default was"):
        assert float(make().lr) == pytest.approx(rate)
    with pytest.warns(UserWarning, match="in `keras` 1 and 2"):
        assert float(keras.optimizers.get(name.lower()).lr) == pytest.approx(rate)
    root("")
    with pytest.warns(UserWarning, match=f"{name}: the learning rate is 0.001. The default was"):
        assert float(make().lr) == pytest.approx(0.001)
    root("tensorflow.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert float(make().lr) == pytest.approx(0.001)
        root("keras")
        assert float(make(0.5).lr) == 0.5
        assert float(make.from_config(make(0.25).get_config()).lr) == 0.25


def test_nadam_says_that_its_first_batches_differ(root):
    with pytest.warns(UserWarning, match="reaches its final value within about 100 batches"):
        assert float(keras.optimizers.Nadam(0.1, schedule_decay=0.004).lr) == pytest.approx(0.1)


def test_positions(root):
    make = keras.optimizers
    assert (make.Adam(0.1, 0.8, 0.99, 1e-3, 0.5).decay, make.SGD(0.1, 0.9, 0.5).decay) == (0.5, 0.5)
    assert make.SGD(0.1, 0.9, 0.5, True).nesterov
    assert make.SGD(0.1, 0.9, True).nesterov
    assert make.Adam(0.1, 0.8, 0.99, 1e-3, True).amsgrad
    assert make.RMSprop(0.1, 0.9, None, 0.5).decay == 0.5
    with pytest.warns(UserWarning, match="0.9 at position 3 is taken as `epsilon`. It is `eps"):
        make.RMSprop(0.1, 0.9, 0.9)
    root("")
    with pytest.warns(UserWarning, match="1e-06 at position 3 is taken as `momentum`"):
        assert make.RMSprop(0.1, 0.9, 1e-6).momentum == 1e-6
    root("tensorflow.keras")
    assert make.RMSprop(0.1, 0.9, 0.5).momentum == 0.5
    with pytest.raises(TypeError, match="'momentum' twice"):
        make.SGD(0.1, 0.9, momentum=0.9)
    with pytest.raises(TypeError, match="at most 4 positional arguments here"):
        make.RMSprop(0.1, 0.9, 0.5, 0.5, 0.5)


def test_the_norm_is_that_of_all_gradients(root):
    optimizer = keras.optimizers.SGD(1.0, clipnorm=1.0)
    weights = [keras.Variable(np.zeros(1, np.float32)) for _ in range(2)]
    optimizer.apply([keras.ops.ones(1) * 3, keras.ops.ones(1) * 4], weights)
    clipped = [float(keras.ops.convert_to_numpy(weight.value)[0]) for weight in weights]
    assert clipped == pytest.approx([-0.6, -0.8])
    root("tensorflow.keras")
    assert keras.optimizers.SGD(1.0, clipnorm=1.0).global_clipnorm is None


def test_keras_1_had_another_epsilon(root, monkeypatch):
    assert keras.optimizers.Adam(lr=0.1).epsilon == 1e-7
    monkeypatch.setattr("keras_bigdata.legacy.calling_script._default_keras_version", [1])
    assert keras.optimizers.Adam(lr=0.1).epsilon == 1e-8


def test_code_for_keras_3_is_unchanged(root):
    optimizer = keras.optimizers.RMSprop(0.1, 0.9, momentum=0.5, clipnorm=1.0)
    assert (optimizer.epsilon, optimizer.clipnorm) == (1e-7, 1.0)
    copy = keras.optimizers.RMSprop.from_config(optimizer.get_config())
    assert copy.get_config() == optimizer.get_config()
    assert keras.optimizers.AdamW(0.1).epsilon == 1e-7


def test_own_optimizers_of_keras_2_explain_themselves(root):
    class Own(keras.optimizers.Optimizer):
        def get_updates(self, loss, params):
            raise NotImplementedError

    with pytest.raises(TypeError, match="update_step\\(gradient, variable, learning_rate\\)"):
        Own()
    legacy.install()  # again, without an effect
    assert float(keras.optimizers.SGD(lr=0.25).lr) == 0.25
