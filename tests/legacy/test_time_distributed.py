"""`TimeDistributed` calls a layer once, with the frames of all steps, where that matters."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras.layers import BatchNormalization, Dense, TimeDistributed

from keras_bigdata.legacy.layers import activity_regularizers

# Rows of 3 steps of 2 numbers. The steps have different means.
X = (np.arange(24.0).reshape(4, 3, 2) ** 1.5 / 10).astype("float32")
MEAN, VARIANCE = X.mean((0, 1)), X.var((0, 1))
NORMALIZED = (X - MEAN) / np.sqrt(VARIANCE + 0.001)

pytestmark = pytest.mark.filterwarnings("ignore:The model does not have any trainable")


@pytest.fixture(autouse=True)
def _installed(installed):
    pass


def compiled(*layers, shape=(3, 2)):
    model = keras.Sequential([keras.Input(shape), *layers])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    return model


def normalization():
    return BatchNormalization(momentum=0.5)


@pytest.mark.parametrize("shape", [(3, 2), (None, 2)])
def test_moving_averages_were_updated_once_for_each_step(shape):
    # The moving mean of ones was 0.875 after one batch.
    x = np.ones((4, 3, 2), np.float32)
    model = compiled(TimeDistributed(normalization()), shape=shape)
    model.train_on_batch(x, x)
    assert model.get_weights()[2] == pytest.approx(0.5)
    assert model.get_weights()[3] == pytest.approx(0.5)


def test_statistics_are_those_of_all_frames():
    # Each step was normalized with its own mean and variance.
    model = compiled(TimeDistributed(normalization()))
    outputs = np.asarray(keras.ops.convert_to_numpy(model(X, training=True)))
    assert outputs == pytest.approx(NORMALIZED, abs=1e-4)
    steps = (X - X.mean(0)) / np.sqrt(X.var(0) + 0.001)
    assert np.abs(steps - NORMALIZED).max() > 0.4
    # The call has updated the moving averages, which the prediction uses.
    mean, variance = MEAN / 2, (1 + VARIANCE) / 2
    predicted = model.predict(X, batch_size=3, verbose=0)
    assert predicted == pytest.approx((X - mean) / np.sqrt(variance + 0.001), abs=1e-4)


@pytest.mark.slow
@pytest.mark.every_backend
def test_a_network_of_images_with_a_normalization(tmp_path):
    network = keras.Sequential(
        [
            keras.Input((2, 2, 1)),
            keras.layers.Conv2D(1, 1, kernel_initializer="ones"),
            normalization(),
            keras.layers.Flatten(),
        ]
    )
    images = X.reshape(4, 3, 2, 1, 1).repeat(2, axis=3)
    model = compiled(TimeDistributed(network), shape=(3, 2, 2, 1))
    model.train_on_batch(images, np.zeros((4, 3, 4)))
    weights = model.get_weights()
    assert weights[-2] == pytest.approx(X.mean() / 2)
    assert weights[-1] == pytest.approx((1 + X.var()) / 2, rel=1e-5)
    expected = (images - weights[-2]) / np.sqrt(weights[-1] + 0.001)
    expected = expected.reshape(4, 3, 4)
    assert model.predict(images, verbose=0) == pytest.approx(expected, abs=1e-4)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.predict(images, verbose=0) == pytest.approx(expected, abs=1e-4)
    loaded.train_on_batch(images, np.zeros((4, 3, 4)))
    assert loaded.get_weights()[-2] == pytest.approx(X.mean() * 0.75)


def test_a_normalization_ignored_the_mask():
    model = compiled(keras.layers.Masking(), TimeDistributed(normalization()))
    x = np.concatenate([X, np.zeros_like(X)])
    model.train_on_batch(x, x)
    assert model.get_weights()[2] == pytest.approx(MEAN / 4, rel=1e-5)


@pytest.mark.parametrize("root", ["keras", "tensorflow.keras"])
@pytest.mark.filterwarnings("ignore:Dense. the loss of")
def test_activity_regularizer_of_the_layer_had_no_effect(monkeypatch, root):
    monkeypatch.setattr(activity_regularizers, "keras_root", lambda: root)
    layer = Dense(1, kernel_initializer="ones", activity_regularizer=keras.regularizers.L2(0.5))
    model = compiled(TimeDistributed(layer))
    outputs = X.sum(2, keepdims=True)
    expected = 0.5 * np.sum(outputs**2) / (1 if root == "keras" else 12)
    assert model.evaluate(X, outputs, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_one_within_another_is_called_once():
    x = np.ones((2, 2, 3, 2), np.float32)
    inputs = keras.Input((None, 3, 2))
    model = keras.Model(inputs, TimeDistributed(TimeDistributed(normalization()))(inputs))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.train_on_batch(x, x)
    assert model.get_weights()[2] == pytest.approx(0.5)


def test_two_rows_of_three_steps_became_two_rows_of_two_steps():
    # In the second `predict`, whose data have another number of steps.
    model = compiled(TimeDistributed(Dense(1, kernel_initializer="ones")), shape=(None, 2))
    for steps in (1, 3, 2):
        x = X[:2, :steps]
        assert model.predict(x, verbose=0) == pytest.approx(x.sum(2, keepdims=True), rel=1e-5)


def test_a_mask_reaches_the_frames_of_an_unknown_number_of_steps():
    class Counted(keras.layers.Layer):
        def call(self, inputs, mask=None):
            return inputs + keras.ops.cast(mask, inputs.dtype)[:, None]

    model = compiled(keras.layers.Masking(7.0), TimeDistributed(Counted()), shape=(None, 2))
    x = np.arange(1.0, 13.0, dtype=np.float32).reshape(2, 3, 2)
    x[1, 2] = 7
    for steps in (1, 3):
        masked = np.all(x == 7, axis=-1, keepdims=True)[:, :steps]
        expected = np.where(masked, 0, x[:, :steps] + 1)
        assert model.predict(x[:, :steps], verbose=0) == pytest.approx(expected)


def test_layers_with_states_are_called_for_each_step():
    layer = TimeDistributed(keras.layers.SimpleRNN(2, stateful=True))
    assert layer(np.ones((2, 3, 4, 2), np.float32)).shape == (2, 3, 2)
    assert layer.layer.states[0].shape == (2, 2)
