"""Losses that use symbolic tensors of the model, as those of variational autoencoders."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest

X = np.random.default_rng(0).random((8, 3)).astype("float32")

# The tensor that `module_loss` uses, as at the top of a script.
code = None


def autoencoder():
    inputs = keras.Input((3,))
    code = keras.layers.Dense(2, kernel_initializer="ones", name="code")(inputs)
    outputs = keras.layers.Dense(3, kernel_initializer="ones")(code)
    return keras.Model(inputs, outputs), code


def penalty():
    from keras import backend as K

    return 0.1 * K.sum(K.square(code), axis=-1)


def module_loss(y_true, y_pred):
    from keras import backend as K

    return K.mean(K.square(y_true - y_pred), axis=-1) + penalty()


def expected_loss(rows):
    values = rows.sum(axis=1, keepdims=True).repeat(2, axis=1)
    outputs = values.sum(axis=1, keepdims=True)
    return np.mean((rows - outputs) ** 2, axis=-1) + 0.1 * np.sum(values**2, axis=-1)


@pytest.mark.slow
def test_a_loss_that_uses_a_global_tensor_through_another_function(installed, monkeypatch):
    model, tensor = autoencoder()
    monkeypatch.setitem(globals(), "code", tensor)
    model.compile(keras.optimizers.SGD(0.001), module_loss)
    assert model.evaluate(X, X, batch_size=3, verbose=0) == pytest.approx(
        expected_loss(X).mean(), rel=1e-5
    )
    before = [np.array(weights) for weights in model.get_weights()]
    history = model.fit(X, X, epochs=3, verbose=0, validation_data=(X[:4], X[:4])).history
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    assert history["loss"][2] < history["loss"][1] < history["loss"][0]
    assert history["loss"][0] == pytest.approx(expected_loss(X).mean(), rel=1e-5)
    assert len(history["val_loss"]) == 3
    assert model.predict(X, verbose=0).shape == (8, 3)
    assert globals()["code"] is tensor


def test_the_gradient_is_that_of_the_whole_loss(installed):
    """One step of SGD moves the weights as the formula says."""
    from keras import backend as K

    inputs = keras.Input((1,))
    hidden = keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, "linear", False, "ones")(hidden))

    def loss(y_true, y_pred):
        return K.mean(K.square(hidden), axis=-1) + 0 * K.mean(y_pred, axis=-1)

    model.compile(keras.optimizers.SGD(0.1), loss)
    model.train_on_batch(np.array([[2.0]]), np.array([[0.0]]))
    first, second = (float(each[0, 0]) for each in model.get_weights())
    assert first == pytest.approx(1 - 0.1 * 2 * 2 * 2)  # d (2 w)^2 / d w = 8 w
    assert second == 1.0


@pytest.mark.slow
def test_tensors_in_closures_lists_and_metrics(installed):
    from keras import backend as K

    model, tensor = autoencoder()
    tensors = [tensor, 7]

    def size(y_true, y_pred):
        return K.mean(K.sum(K.square(tensors[0]), axis=-1)) + 0 * K.mean(y_pred)

    model.compile(
        "sgd", lambda t, p: K.mean(K.square(t - p) + 0.1 * K.sum(tensor**2)), metrics=[size]
    )
    values = X.sum(axis=1, keepdims=True).repeat(2, axis=1)
    total, metric = model.evaluate(X, X, batch_size=8, verbose=0)
    assert metric == pytest.approx(np.mean(np.sum(values**2, axis=-1)), rel=1e-5)
    outputs = values.sum(axis=1, keepdims=True)
    assert total == pytest.approx(np.mean((X - outputs) ** 2) + 0.1 * np.sum(values**2), rel=1e-5)


def test_two_models_share_a_loss(installed, monkeypatch):
    first, tensor = autoencoder()
    second = keras.Model(first.inputs, first.outputs)
    monkeypatch.setitem(globals(), "code", tensor)
    for model in (first, second):
        model.compile("sgd", module_loss)
    for model in (first, second):
        assert model.test_on_batch(X[:3], X[:3]) == pytest.approx(
            expected_loss(X[:3]).mean(), rel=1e-5
        )


def test_a_tensor_of_another_model_is_named_when_it_is_needed(installed, monkeypatch):
    model, _ = autoencoder()
    monkeypatch.setitem(globals(), "code", autoencoder()[1])
    model.compile("sgd", module_loss)
    assert model.predict(X, verbose=0).shape == (8, 3)
    with pytest.raises(ValueError, match=r"module_loss uses symbolic tensors .*from its inputs"):
        model.fit(X, X, verbose=0)


def test_a_sequential_model_says_how_to_build_it(installed, monkeypatch):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    monkeypatch.setitem(globals(), "code", model.layers[0].output)
    model.compile("sgd", module_loss)
    with pytest.raises(ValueError, match=r"Sequential is not one.*keras.Model\(inputs, outputs\)"):
        model.fit(X, X, verbose=0)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="gradients of TensorFlow")
def test_a_penalty_of_the_gradient_of_a_critic(installed):
    """As in a Wasserstein GAN: a `partial` has the tensor, and the loss its gradient."""
    from keras import backend as K

    inputs = keras.Input((2,))
    middle = keras.layers.Lambda(lambda x: 0.5 * x)(inputs)
    critic = keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)
    model = keras.Model(inputs, keras.layers.Lambda(lambda x: x**2)(critic(middle)))

    def penalty(y_true, y_pred, samples):
        (gradients,) = K.gradients(y_pred, samples)
        return K.mean(K.square(1 - K.sqrt(K.sum(K.square(gradients), axis=1))))

    loss = functools.partial(penalty, samples=middle)
    loss.__name__ = "penalty"
    model.compile(keras.optimizers.SGD(0.01), loss)
    x = np.float32([[2, 4], [6, 2]])
    # f(m) = (w m)^2 with w = (1, 1) has the gradient 2 (w m) w, of the length 2 (w m) sqrt(2).
    lengths = 2 * (0.5 * x).sum(axis=1) * 2**0.5
    assert model.train_on_batch(x, np.zeros((2, 1))) == pytest.approx(
        np.mean((1 - lengths) ** 2), rel=1e-5
    )
    # d/dw_i of (1 - 2 (w m) |w|)^2, with w m = s and |w| = sqrt(2).
    sums = (0.5 * x).sum(axis=1)
    slope = np.mean(
        -2 * (1 - lengths)[:, None] * 2 * (0.5 * x * 2**0.5 + sums[:, None] / 2**0.5), axis=0
    )
    np.testing.assert_allclose(model.get_weights()[0][:, 0], 1 - 0.01 * slope, rtol=1e-4)
