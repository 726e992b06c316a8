"""Losses with weights and regularizers of activities have the values of `keras` 2.2."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata.legacy.layers import SummedOverBatch, activity_regularizers
from keras_bigdata.legacy.training import trainable_at_compile

X = np.float32([[1], [2], [3], [4]])
Y = np.zeros((4, 1), np.float32)
WEIGHTS = np.float32([0, 2, 0, 1])


def script_for(monkeypatch, root):
    for module in (trainable_at_compile, activity_regularizers):
        monkeypatch.setattr(module, "keras_root", lambda: root)


def identity(**arguments):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Activation("linear", **arguments)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Some weights are zero")
@pytest.mark.filterwarnings("ignore:The model does not have any trainable")
def test_a_loss_is_the_mean_over_rows_whose_weights_are_not_zero(installed, monkeypatch):
    script_for(monkeypatch, "keras")
    model = identity()
    expected = (2 * 4 + 16) / 2
    loss = model.evaluate(X, Y, sample_weight=WEIGHTS, verbose=0)
    assert loss == pytest.approx(expected)
    # Of each batch, and their mean weighted by rows.
    loss = model.evaluate(X, Y, sample_weight=WEIGHTS, batch_size=3, verbose=0)
    assert loss == pytest.approx((8 * 3 + 16 * 1) / 4)
    history = model.fit(X, Y, sample_weight=WEIGHTS, verbose=0)
    assert history.history["loss"] == [pytest.approx(expected)]
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(7.5)
    assert model.test_on_batch(X, Y, WEIGHTS + 1) == pytest.approx((1 + 12 + 9 + 32) / 4)


@pytest.mark.filterwarnings("ignore:The model does not have any trainable")
def test_weights_of_one_class_only(installed, monkeypatch):
    script_for(monkeypatch, "keras")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Activation("softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    x = np.log(np.float32([[0.5, 0.5], [0.25, 0.75], [0.1, 0.9]]))
    with pytest.warns(UserWarning, match="Some weights are zero"):
        history = model.fit(x, np.array([0, 1, 1]), class_weight={0: 0.0, 1: 2.0}, verbose=0)
    expected = -(2 * np.log(0.75) + 2 * np.log(0.9)) / 2
    assert history.history["loss"] == [pytest.approx(expected, rel=1e-5)]


def test_no_weight_that_counts_is_a_loss_of_zero(installed, monkeypatch):
    script_for(monkeypatch, "keras")
    with pytest.warns(
        UserWarning, match="Some weights are zero: the loss is divided by the number"
    ):
        assert identity().test_on_batch(X, Y, 0 * WEIGHTS) == 0


@pytest.mark.slow
def test_weights_of_several_outputs(installed, monkeypatch):
    script_for(monkeypatch, "keras")
    inputs = keras.Input((1,))
    outputs = [keras.layers.Activation("linear", name=name)(inputs) for name in "ab"]
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="Some weights are zero"):
        loss = model.evaluate(X, [Y, Y], sample_weight=[WEIGHTS, np.ones(4)], verbose=0)[0]
    assert loss == pytest.approx(12 + 7.5)


@pytest.mark.slow
def test_scripts_for_tensorflow_keras_keep_the_mean_over_all_rows(installed, monkeypatch):
    script_for(monkeypatch, "tensorflow.keras")
    assert identity().evaluate(X, Y, sample_weight=WEIGHTS, verbose=0) == pytest.approx(6)
    model = identity(activity_regularizer="l1")
    assert model.evaluate(X, X, verbose=0) == pytest.approx(0.01 * 10 / 4)


def test_regularizers_of_activities_are_summed_over_the_batch(installed, monkeypatch):
    script_for(monkeypatch, "keras")
    with pytest.warns(UserWarning, match="Activation: the loss of `activity_regularizer` is summ"):
        model = identity(activity_regularizer="l1")
    assert model.evaluate(X, X, verbose=0) == pytest.approx(0.01 * 10)
    with pytest.warns(UserWarning, match="ActivityRegularization: the loss of"):
        layer = keras.layers.ActivityRegularization(l2=0.5)
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile("sgd", "mse")
    assert model.evaluate(X, X, verbose=0) == pytest.approx(0.5 * 30)
    copied = keras.layers.Dense.from_config(
        keras.layers.Dense(2, activity_regularizer=SummedOverBatch("l2")).get_config()
    )
    assert isinstance(copied.activity_regularizer, SummedOverBatch)
    assert isinstance(copied.activity_regularizer.regularizer, keras.regularizers.L2)
