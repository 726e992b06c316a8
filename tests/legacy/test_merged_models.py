"""Models of Keras 1 in which a branch is used twice, and other things around models."""

from __future__ import annotations

import keras
import numpy as np
import pytest


@pytest.mark.slow
def test_a_model_in_two_branches_is_one_input(installed):
    from keras.layers import Dense, Merge
    from keras.models import Sequential

    left = Sequential([keras.Input((4,)), Dense(3)])
    right = Sequential([keras.Input((5,)), Dense(3)])
    both = Sequential([Merge([left, right], mode="sum")])
    model = Sequential([Merge([both, right], mode="concat"), Dense(1)])
    model.compile("sgd", "mse")
    assert model.layers[0].layers == [both, right]
    x, y = np.ones((8, 4)), np.ones((8, 5))
    model.fit([x, y], np.ones(8), nb_epoch=1, verbose=0)
    assert model.count_params() == (4 * 3 + 3) + (5 * 3 + 3) + (6 + 1)
    kernel, bias = model.layers[-1].get_weights()
    right_output = right.predict(y, verbose=0)
    merged = np.concatenate([left.predict(x, verbose=0) + right_output, right_output], axis=-1)
    np.testing.assert_allclose(
        model.predict([x, y], verbose=0), merged @ kernel + bias, rtol=1e-5, atol=1e-6
    )


@pytest.mark.slow
def test_a_model_with_merged_branches_is_saved_with_their_weights(installed, tmp_path):
    from keras.layers import Dense, Merge
    from keras.models import Sequential

    branches = [Sequential([keras.Input((4,)), Dense(3)]) for _ in range(2)]
    model = Sequential([Merge(branches, mode="mul"), Dense(1)])
    inputs = [np.ones((2, 4)), np.ones((2, 4))]
    before = model.predict(inputs, verbose=0)
    model.save_weights(tmp_path / "w.weights.h5")
    model.set_weights([0 * weights for weights in model.get_weights()])
    model.load_weights(tmp_path / "w.weights.h5")
    np.testing.assert_allclose(model.predict(inputs, verbose=0), before, rtol=1e-6)


@pytest.mark.slow
def test_reset_states_of_a_model(installed):
    inner = keras.Sequential([keras.layers.SimpleRNN(2, stateful=True)])
    model = keras.Sequential([keras.Input(batch_shape=(1, 3, 1)), inner, keras.layers.Dense(1)])
    x = np.ones((1, 3, 1), np.float32)
    first = model.predict(x, verbose=0)
    assert (model.predict(x, verbose=0) != first).any()
    model.reset_states()
    np.testing.assert_array_equal(model.predict(x, verbose=0), first)


def test_an_initializer_that_is_a_function_is_called_as_in_keras_1(installed):
    shapes = []

    def ones(shape, name):
        shapes.append(shape)
        return keras.backend.variable(np.ones(shape), name=name)

    layer = keras.layers.SimpleRNN(output_dim=3, init=ones, inner_init=lambda s: np.eye(*s))
    layer.build((None, 2, 1))
    assert shapes == [(1, 3)]
    assert layer.get_weights()[0].tolist() == [[1, 1, 1]]
    assert layer.get_weights()[1].tolist() == np.eye(3).tolist()


def test_the_batch_size_of_the_first_layer(installed):
    layer = keras.layers.SimpleRNN(2, stateful=True, batch_size=4, input_shape=(3, 1))
    assert keras.Sequential([layer]).input_shape == (4, 3, 1)
