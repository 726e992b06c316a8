"""Losses that are symbolic tensors of a model, attributes of such tensors, shared optimizers."""

from __future__ import annotations

import copy
import json
import pickle

import keras
import numpy as np
import pytest

X = np.random.default_rng(0).random((8, 3)).astype("float32")


def autoencoder():
    inputs = keras.Input((3,))
    code = keras.layers.Dense(2, kernel_initializer="ones", name="code")(inputs)
    outputs = keras.layers.Dense(3, kernel_initializer="ones")(code)
    return keras.Model(inputs, outputs), inputs, code, outputs


@pytest.mark.slow
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
    with pytest.raises(ValueError, match="a loss must be a scalar"):
        model.add_loss(K.mean(K.square(inputs - outputs), axis=-1))


def test_shapes_of_symbolic_tensors(installed):
    x = keras.Input((4, 3))
    assert x._keras_shape == x.get_shape() == (None, 4, 3)
    assert x.get_shape().as_list() == [None, 4, 3]
    assert x.get_shape().ndims == 3
    assert x.shape == (None, 4, 3)
    assert x.shape.as_list() == [None, 4, 3]
    assert x.shape[1:].as_list() == [4, 3]
    assert x.shape[-1].value == x.get_shape()[-1].value == 3
    assert x.shape[0] is None
    # A shape from a tensor is an argument of layers and functions, and it can be saved.
    y = keras.layers.Reshape(x.shape[1:])(keras.layers.Dense(x.shape[-1])(x))
    both = keras.layers.TimeDistributed(keras.layers.Dense(2))(y)
    assert keras.ops.reshape(both, (-1, both.shape[1] * both.shape[2])).shape == (None, 8)
    model = keras.Model(x, both)
    again = keras.Model.from_config(json.loads(json.dumps(model.get_config())))
    assert again.output_shape == (None, 4, 2)
    assert copy.deepcopy(x.shape) == pickle.loads(pickle.dumps(x.shape)) == x.shape


def test_layers_get_the_tuples_of_keras_as_shapes(installed):
    class Chosen(keras.layers.Layer):
        def build(self, input_shape):
            self.kinds = [type(shape) for shape in input_shape]

        def call(self, inputs):
            return inputs[0] + inputs[1]

        def compute_output_shape(self, input_shape):
            return input_shape[0] if type(input_shape[0]) is tuple else "one input"

    layer = Chosen()
    both = layer([keras.Input((3,)), keras.Input((3,))])
    assert layer.kinds == [tuple, tuple]
    assert both.shape.as_list() == [None, 3]


def test_a_layer_derived_from_the_base_class_of_merge_layers(installed):
    names = {}
    exec(
        "from keras.layers.merge import _Merge\nfrom keras.layers.convolutional import _Conv", names
    )

    class Mixed(names["_Merge"]):
        def _merge_function(self, inputs):
            return 0.25 * inputs[0] + 0.75 * inputs[1]

    inputs = [keras.Input((3,)), keras.Input((3,))]
    model = keras.Model(inputs, Mixed()(inputs))
    assert model.output_shape == (None, 3)
    np.testing.assert_allclose(model.predict([X, 2 * X], verbose=0), 1.75 * X, rtol=1e-6)
    assert issubclass(keras.layers.Conv2D, names["_Conv"])
    made = names["_Conv"](rank=2, filters=3, kernel_size=2, padding="same")
    assert made(np.ones((1, 4, 4, 1), "float32")).shape == (1, 4, 4, 3)


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
