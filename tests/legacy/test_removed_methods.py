"""Methods and attributes of models, metrics and weights that Keras 3 removed, after `install()`."""

from __future__ import annotations

import keras
import numpy as np
import pytest


def test_functions_of_a_model_need_not_be_made_for_a_thread(installed):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model._make_predict_function()
    model._make_test_function()
    model._make_train_function()
    assert model.predict(np.ones((3, 2))).shape == (3, 1)


def test_names_of_the_inputs(installed):
    inputs = [keras.Input((2,), name=name) for name in ("b", "a")]
    assert keras.Model(inputs, keras.layers.add(inputs)).input_names == ["b", "a"]
    one = keras.Sequential([keras.Input((2,), name="c"), keras.layers.Dense(1)])
    assert one.input_names == ["c"]
    assert keras.Sequential([keras.layers.Dense(1)]).input_names == []

    class Named(keras.Model):
        def __init__(self):
            super().__init__()
            self.input_names = ["own"]

    assert Named().input_names == ["own"]


def test_reset_states_of_a_metric(installed):
    mean = keras.metrics.Mean()
    mean.update_state([2.0, 4.0])
    mean.reset_states()
    mean.update_state(8.0)
    assert float(mean.result()) == 8


def test_weights_in_sets_and_dicts(installed):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), keras.layers.Dense(2)])
    weights = model.trainable_weights
    assert len(set(weights)) == len({weight: None for weight in weights}) == 4
    total = sum(int(np.prod(weight.shape)) for weight in set(model.trainable_weights))
    assert total == model.count_params()
    assert weights[0] in set(weights)
    assert set(weights[:2]) - set(weights[1:]) == {weights[0]}


@pytest.mark.parametrize("name", ["input_names", "_make_predict_function"])
def test_names_are_those_of_keras_3_without_install(name):
    assert not hasattr(keras.Model, name)
