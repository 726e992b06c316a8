"""Models of layers with the arguments of Keras 1: trained, saved and loaded."""

from __future__ import annotations

import re
import textwrap

import keras
import numpy as np
import pytest

from keras_bigdata.legacy import layers as own_layers
from keras_bigdata.legacy.layers import Highway, MaxoutDense

pytestmark = [
    pytest.mark.usefixtures("installed"),
    pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`"),
]


def weights_of(model):
    return [array.copy() for array in model.get_weights()]


@pytest.mark.slow
def test_a_convolutional_network_with_channels_first(tmp_path):
    from keras.layers import (
        Activation,
        BatchNormalization,
        Convolution2D,
        Dense,
        Dropout,
        Flatten,
        MaxPooling2D,
        SpatialDropout2D,
    )

    model = keras.Sequential()
    model.add(
        Convolution2D(
            4, 3, 3, border_mode="same", dim_ordering="th", init="normal", input_shape=(3, 8, 8)
        )
    )
    model.add(BatchNormalization(mode=0, axis=1, beta_init="zero", gamma_init="one"))
    model.add(Activation("relu"))
    model.add(MaxPooling2D(pool_size=(2, 2), border_mode="valid", dim_ordering="th"))
    model.add(SpatialDropout2D(p=0.1, dim_ordering="th"))
    model.add(Flatten())
    model.add(Dropout(p=0.2))
    model.add(Dense(output_dim=2, init="uniform"))
    assert model.output_shape == (None, 2)
    assert [len(layer.get_weights()) for layer in model.layers] == [2, 4, 0, 0, 0, 0, 0, 2]
    model.compile("sgd", "mse")
    before = weights_of(model)
    x = np.random.default_rng(0).normal(size=(8, 3, 8, 8)).astype("float32")
    model.fit(x, np.ones((8, 2)), verbose=0)
    assert all((a != b).any() for a, b in zip(before, weights_of(model), strict=True))
    model.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    # The saved model is one of Keras 3.
    assert model.get_config()["layers"][1]["config"]["padding"] == "same"


@pytest.mark.slow
def test_a_recurrent_network(tmp_path):
    model = keras.Sequential()
    model.add(keras.layers.Embedding(20, 8, input_length=5, dropout=0.5))
    model.add(keras.layers.LSTM(4, dropout_W=0.1, dropout_U=0.1, return_sequences=True))
    model.add(keras.layers.GRU(output_dim=3, consume_less="mem"))
    model.add(MaxoutDense(4))
    model.add(Highway(activation="relu"))
    model.add(keras.layers.BatchNormalization(mode=1))
    model.add(keras.layers.BatchNormalization(mode=2))
    model.add(keras.layers.Dense(1))
    # Built without data, as in Keras 1: an embedding matrix can be set.
    model.layers[0].set_weights([np.ones((20, 8))])
    model.compile("sgd", "mse")
    x = np.arange(20).reshape(4, 5)
    model.fit(x, np.ones((4, 1)), verbose=0)
    model.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert loaded.layers[0].dropout == 0.5


def test_the_dropout_of_an_embedding_drops_words():
    layer = keras.layers.Embedding(50, 8, init="one", dropout=0.5)
    outputs = np.asarray(layer(np.tile(np.arange(50), (2, 1)), training=True))
    np.testing.assert_array_equal(outputs[0], outputs[1])  # the same words in all rows
    assert set(outputs[0].ravel()) == {0.0, 2.0}
    assert all(len(set(word)) == 1 for word in outputs[0])
    np.testing.assert_array_equal(layer(np.arange(50)[None]), np.ones((1, 50, 8)))


def test_models_that_begin_with_a_merge(tmp_path):
    left = keras.Sequential([keras.layers.Dense(2, init="one", input_dim=3)])
    right = keras.Sequential([keras.layers.Dense(2, init="one", input_shape=(2,))])
    model = keras.Sequential()
    model.add(keras.layers.Merge([left, right], mode="concat", concat_axis=1))
    model.add(keras.layers.Dense(1, init="one"))
    model.compile("sgd", "mse")
    x = [np.ones((6, 3)), np.full((6, 2), 2.0)]
    np.testing.assert_array_equal(model.predict(x, verbose=0), np.full((6, 1), 14.0))
    before = weights_of(model)
    assert len(before) == 6
    model.fit(x, np.zeros((6, 1)), batch_size=3, verbose=0)
    assert all((a != b).any() for a, b in zip(before, weights_of(model), strict=True))


LEFT = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
RIGHT = np.array([[2.0, 0.0], [0.0, 5.0]], np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"mode": "sum"}, [[3, 2], [3, 9]]),
        ({"mode": "mul"}, [[2, 0], [0, 20]]),
        ({"mode": "ave"}, [[1.5, 1], [1.5, 4.5]]),
        ({"mode": "max"}, [[2, 2], [3, 5]]),
        ({"mode": "concat"}, [[1, 2, 2, 0], [3, 4, 0, 5]]),
        ({"mode": "concat", "concat_axis": 0}, [[1, 2], [3, 4], [2, 0], [0, 5]]),
        ({"mode": "dot", "dot_axes": 1}, [[2], [20]]),
        ({"mode": "cos", "dot_axes": 1}, [[[1 / 5**0.5]], [[0.8]]]),
        ({"mode": lambda x: x[0] - x[1], "output_shape": (2,)}, [[-1, 2], [3, -1]]),
        ({"mode": lambda x, k: x[0] * k, "arguments": {"k": 2}}, [[2, 4], [6, 8]]),
    ],
)
def test_merge_modes(arguments, expected):
    result = keras.layers.merge([LEFT, RIGHT], **arguments)
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    layer = keras.layers.Merge(**arguments)
    inputs = [keras.Input((2,)), keras.Input((2,))]
    assert layer(inputs).shape[1:] == np.shape(expected)[1:]


def test_the_axes_of_a_dot():
    # Shapes (4, 5) and (6, 5) over axis 2: (4, 6), as `batch_dot` of Keras 1.
    a, b = np.random.default_rng(0).normal(size=(2, 2, 4, 5)).astype("float32")
    b = np.concatenate([b, b[:, :2]], axis=1)
    result = keras.layers.merge([a, b], mode="dot", dot_axes=2)
    np.testing.assert_allclose(result, np.einsum("bij,bkj->bik", a, b), rtol=1e-5)
    with pytest.raises(TypeError, match="must be models"):
        keras.layers.Merge([keras.layers.Dense(3), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="`mode` must be one of"):
        keras.layers.merge([a, b], mode="add")


@pytest.mark.filterwarnings("ignore:LSTM. `recurrent_activation` is hard_sigmoid")
def test_shapes_of_whole_batches():
    lstm = keras.layers.LSTM(3, batch_input_shape=(2, 5, 4), stateful=True)
    model = keras.Sequential([lstm])
    assert model.input_shape == (2, 5, 4)
    assert model.predict(np.ones((2, 5, 4)), verbose=0).shape == (2, 3)
    model = keras.Sequential([keras.layers.LSTM(3, input_dim=4, input_length=5)])
    assert model.input_shape == (None, 5, 4)
    model = keras.Sequential([keras.layers.SpatialDropout1D(0.5, input_shape=(5, 4))])
    model.add(keras.layers.Flatten())
    assert model.output_shape == (None, 20)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, batch_input_shape=(4, 3))])
    assert model.input_shape == (None, 3)


def test_layers_that_keras_removed_compute_what_they_did():
    # (batch, positions, patch) @ (positions, patch, filters), as in Keras 1.
    layer = keras.layers.LocallyConnected2D(2, 2, 2, init="normal", input_shape=(3, 3, 1))
    x = np.random.default_rng(0).normal(size=(4, 3, 3, 1)).astype("float32")
    outputs = np.asarray(layer(x))
    kernel = layer.get_weights()[0]
    for row in range(2):
        for column in range(2):
            patch = x[:, row : row + 2, column : column + 2].reshape(4, -1)
            expected = patch @ kernel[row * 2 + column]
            np.testing.assert_allclose(outputs[:, row, column], expected, rtol=1e-5, atol=1e-6)

    maxout = keras.layers.MaxoutDense(
        2, nb_feature=2, weights=[np.stack([np.eye(2), -np.eye(2)]), np.zeros((2, 2))]
    )
    np.testing.assert_array_equal(maxout(np.array([[1.0, -3.0]])), [[1.0, 3.0]])

    highway = keras.layers.Highway(activation="relu", init="zero")
    gate = 1 / (1 + np.exp(-1))  # the bias of the gate is 1
    np.testing.assert_allclose(highway(np.array([[2.0, 4.0]])), (1 - gate) * np.array([[2.0, 4.0]]))
    for layer in (maxout, highway):
        assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.slow
@pytest.mark.parametrize("name", own_layers.__all__)
def test_examples_in_docstrings(name):
    (code,) = re.findall(r"```python\n(.*?)```", getattr(own_layers, name).__doc__, re.DOTALL)
    exec(textwrap.dedent(code), {"keras": keras})


def test_modes_of_batch_normalization():
    x = np.array([[1.0, 2.0], [3.0, 6.0]], np.float32)
    by_batch = keras.layers.BatchNormalization(mode=2, epsilon=1e-6)(x)
    np.testing.assert_allclose(by_batch, [[-1, -1], [1, 1]], rtol=1e-4)
    by_sample = keras.layers.BatchNormalization(mode=1, epsilon=1e-6)(x)
    np.testing.assert_allclose(by_sample, [[-1, 1], [-1, 1]], rtol=1e-4)
