"""Variables that change beside `fit`: `add_update`, `get_updates`, states of recurrent layers."""

from __future__ import annotations

import keras
import numpy as np
import pytest

X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")

not_on_jax = pytest.mark.skipif(keras.backend.backend() == "jax", reason="not on JAX")


def test_updates_of_a_layer_are_run_in_training_only(installed):
    from keras import backend as K

    class Counting(keras.layers.Layer):
        def build(self, input_shape):
            self.pairs = self.add_weight(shape=(), trainable=False, name="pairs")
            self.calls = self.add_weight(shape=(), trainable=False, name="calls")
            self.mean = self.add_weight(shape=(3,), trainable=False, name="mean")

        def call(self, inputs):
            self.add_update((self.pairs, self.pairs + 1), inputs)
            self.add_update(
                [
                    K.update_add(self.calls, 1.0),
                    K.moving_average_update(self.mean, K.mean(inputs, axis=0), 0.5),
                ],
                inputs,
            )
            return inputs

    model = keras.Sequential([keras.Input((3,)), Counting(), keras.layers.Dense(1)])
    layer = model.layers[0]
    layer.set_weights([np.zeros(()), np.zeros(()), np.zeros(3)])
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], batch_size=6, epochs=2, verbose=0)
    expected = [2, 2, 0.75 * X.mean(axis=0)]
    model.predict(X, verbose=0)
    model.evaluate(X, X[:, :1], verbose=0)
    for weight, value in zip(layer.get_weights(), expected, strict=True):
        np.testing.assert_allclose(weight, value, rtol=1e-5, atol=1e-7)


@not_on_jax
@pytest.mark.parametrize("order", ["keras 1", "keras 2", "names"])
def test_get_updates_is_a_training_step_of_a_function(installed, order):
    from keras import backend as K

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    kernel = model.get_weights()[0]
    weight = K.placeholder((None,))
    loss = K.mean(K.sum(K.square(model.output), axis=1) * weight)
    optimizer, weights = keras.optimizers.SGD(0.1), model.trainable_weights
    updates = {
        "keras 1": lambda: optimizer.get_updates(weights, [], loss),
        "keras 2": lambda: optimizer.get_updates(loss, weights),
        "names": lambda: optimizer.get_updates(params=weights, loss=loss),
    }[order]()
    train = K.function([model.input, weight], [loss, model.output], updates=updates)
    given = np.arange(6).astype("float32")
    for _ in range(2):
        outputs = X @ kernel
        results = train([X, given])
        assert results[0] == pytest.approx(((outputs**2).sum(axis=1) * given).mean(), rel=1e-5)
        np.testing.assert_allclose(results[1], outputs, rtol=1e-5, atol=1e-6)
        kernel = kernel - 0.1 * 2 * X.T @ (outputs * given[:, None]) / 6
        np.testing.assert_allclose(model.get_weights()[0], kernel, rtol=1e-4, atol=1e-6)
    assert K.function([model.input, weight], [], updates=updates)([X, given]) == []
    assert (model.get_weights()[0] != kernel).any()


def test_what_get_updates_cannot_take_is_refused(installed):
    from keras import backend as K

    with pytest.raises(TypeError, match="pass a symbolic loss and a list of variables"):
        keras.optimizers.SGD().get_updates(1.0, [])
    x = keras.Input((2,))
    with pytest.raises(NotImplementedError, match=r"What optimizer\.get_updates returns"):
        K.function([x], [x], updates=[(1, 2)])


def test_states_of_a_layer_are_set(installed):
    from keras import backend as K

    model = keras.Sequential(
        [keras.Input(batch_shape=(2, 4, 3)), keras.layers.SimpleRNN(5, stateful=True)]
    )
    layer = model.layers[0]
    value = np.full((2, 5), 0.5)
    for states in ([value], value):
        layer.reset_states(states=states)
        np.testing.assert_array_equal(K.get_value(layer.states[0]), value)
        layer.reset_states()
        assert not K.get_value(layer.states[0]).any()
    with pytest.raises(ValueError, match=r"has 1 states\. Received: 2 values"):
        layer.reset_states(states=[value, value])


def test_gradients_of_a_layer_of_a_sequential(installed):
    # Each `add` calls the layers again, and `layer.output` was not connected to the output.
    from keras import backend as K

    model = keras.Sequential()
    model.add(keras.Input((3,)))
    model.add(keras.layers.Dense(4, activation="relu", name="hidden"))
    model.add(keras.layers.Dense(2, name="out"))
    hidden = model.get_layer("hidden").output
    (gradient,) = K.gradients(model.output[:, 1], hidden)
    value, activation = K.function([model.input], [gradient, hidden])([X])
    kernel = model.get_layer("out").get_weights()[0]
    np.testing.assert_allclose(value, np.tile(kernel[:, 1], (6, 1)), rtol=1e-5)
    assert activation.shape == (6, 4)


def test_the_input_of_an_input_layer_and_models_from_json(installed):
    from keras import backend as K

    def own_loss(y_true, y_pred):
        return K.mean(K.abs(y_true - y_pred))

    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    assert model.layers[0].input is inputs
    function = K.function([model.layers[0].input, K.learning_phase()], [model.layers[-1].output])
    np.testing.assert_allclose(function([X, 0])[0], model.predict(X, verbose=0), rtol=1e-5)
    model.compile("sgd", own_loss)
    again = keras.models.model_from_json(model.to_json())
    assert not again.compiled
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0))
