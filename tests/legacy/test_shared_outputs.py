"""Models with several outputs of one layer, after `install()`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

X = np.ones((4, 2))
ZEROS = np.zeros((4, 1))


def with_shared_outputs(shared, **compiled):
    left, right = keras.Input((2,)), keras.Input((2,))
    model = keras.Model([left, right], [shared(left), shared(right)])
    model.compile("sgd", **compiled)
    shared.set_weights([np.ones((2, 1)), np.zeros(1)])
    return model


@pytest.mark.parametrize("is_model", [False, True])
def test_each_output_of_a_shared_layer_has_its_own_loss(is_model, installed):
    shared = keras.layers.Dense(1, name="score")
    if is_model:
        shared = keras.Sequential([keras.Input((2,)), shared], name="score")
    model = with_shared_outputs(
        shared, loss=["mse", "mae"], loss_weights=[1, 10], metrics=["mae"], run_eagerly=True
    )
    results = model.test_on_batch([X, 3 * X], [ZEROS, ZEROS])
    assert results == pytest.approx([64, 4, 6, 2, 6])
    assert model.evaluate([X, 3 * X], [ZEROS, ZEROS], verbose=0) == pytest.approx(results)
    names = ["score_loss", "score_1_loss", "score_mean_absolute_error"]
    assert model.metrics_names == ["loss", *names, "score_1_mean_absolute_error"]
    history = model.fit([X, 3 * X], [ZEROS, ZEROS], verbose=0).history
    assert [history[name] for name in names] == [[4], [6], [2]]


def test_names_of_shared_outputs_avoid_those_of_other_layers(installed):
    inputs = keras.Input((2,))
    first, other = (keras.layers.Dense(1, name=name) for name in ("a", "a_1"))
    model = keras.Model(inputs, [first(inputs), other(inputs), first(2 * inputs), first(-inputs)])
    assert model.output_names == ["a", "a_1", "a_2", "a_3"]
    model.compile("sgd", "mse", loss_weights={"a_2": 0.0, "a_3": 0.0}, run_eagerly=True)
    first.set_weights([np.ones((2, 1)), np.zeros(1)])
    other.set_weights([np.zeros((2, 1)), np.zeros(1)])
    assert model.test_on_batch(X, [ZEROS] * 4) == pytest.approx([4, 4, 0, 16, 4])


def test_a_model_with_shared_outputs_is_the_same_after_loading(tmp_path, installed):
    model = with_shared_outputs(keras.layers.Dense(1), loss=["mse", "mae"], metrics=["mae"])
    model.save(tmp_path / "model.h5")
    loaded = keras.models.load_model(tmp_path / "model.h5")
    assert loaded.output_names == model.output_names
    results = model.evaluate([X, 3 * X], [ZEROS, ZEROS], verbose=0)
    assert loaded.evaluate([X, 3 * X], [ZEROS, ZEROS], verbose=0) == pytest.approx(results)
