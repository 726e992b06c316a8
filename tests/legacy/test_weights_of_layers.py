"""Weights that custom layers of Keras 1 and 2 set: trained, frozen, updated, in their order."""

from __future__ import annotations

import keras
import numpy as np
import pytest

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")


def scaling(how):
    """Returns a layer with a variable of `keras.backend`, which is trained, and one that is not."""
    from keras import backend as K

    class Scaling(keras.layers.Layer):
        def build(self, input_shape):
            self.first = self.add_weight(shape=(4,), name="first", initializer="ones")
            self.scale = K.variable(np.ones(4))
            self.last = self.add_weight(shape=(4,), name="last", initializer="ones")
            if how == "set":
                self.trainable_weights = [self.scale, self.first]
            elif how == "append":
                self.trainable_weights.append(self.scale)
            elif how == "extend":
                self.trainable_weights.extend([self.scale])
            elif how == "private":
                self._trainable_weights = [self.scale, self.first]
            else:
                self._trainable_weights.append(self.scale)
            super().build(input_shape)

        def call(self, inputs):
            return inputs * self.first * self.scale * self.last

    return Scaling


@pytest.mark.parametrize("how", ["set", "append", "extend", "private", "private append"])
def test_a_variable_that_is_added_to_the_trainable_weights_is_trained(installed, how):
    # Appended ones were lost without a word.
    model = keras.Sequential([keras.Input((4,)), scaling(how)()])
    model.compile("sgd", "mse")
    model.fit(X, 0 * X, epochs=1, verbose=0)
    layer = model.layers[0]
    moved = [bool((np.array(each) != 1).any()) for each in (layer.first, layer.scale, layer.last)]
    assert moved == [True, True, "append" in how or how == "extend"]
    names = [id(weight) for weight in layer.weights]
    if how in ("set", "private"):  # the order of Keras 2: the trainable ones first, as they are set
        assert names == [id(layer.scale), id(layer.first), id(layer.last)]
    assert len(layer.trainable_weights) == sum(moved)


@pytest.mark.parametrize("when", ["before", "after", "constructor"])
def test_a_frozen_layer_does_not_train_its_variables(installed, when):
    # The discriminator of a GAN was trained with its generator.
    layer = scaling("set")(trainable=when != "constructor")
    if when == "before":
        layer.trainable = False
    model = keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(1)])
    layer.trainable = False
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], epochs=1, verbose=0)
    assert all((np.array(weight) == 1).all() for weight in layer.weights)
    assert len(model.trainable_weights) == 2
    # What the layer excludes stays excluded.
    model.trainable = True
    layer.trainable = True
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], epochs=1, verbose=0)
    assert (np.array(layer.scale) != 1).any()
    assert (np.array(layer.last) == 1).all()


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.parametrize("is_frozen", [False, True])
def test_an_update_is_made_after_the_outputs_are_computed(installed, is_frozen):
    # A layer of center loss computed the loss with the new centers. A frozen one was updated too.
    from keras import backend as K

    class Center(keras.layers.Layer):
        def build(self, input_shape):
            self.center = self.add_weight(shape=(4,), initializer="zeros", trainable=False)
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, x):
            self.add_update((self.center, 0.5 * (self.center + K.mean(x, axis=0))), x)
            self.add_update(K.update_add(self.calls, 1.0))
            return K.sum(K.square(x - self.center), axis=1, keepdims=True)

        def compute_output_shape(self, input_shape):
            return (input_shape[0], 1)

    model = keras.Sequential([keras.Input((4,)), Center(trainable=not is_frozen)])
    model.compile("sgd", lambda y_true, y_pred: K.mean(y_pred))
    layer = model.layers[0]
    center = np.zeros(4)
    for _ in range(2):
        expected = ((X - center) ** 2).sum(axis=1).mean()
        assert model.train_on_batch(X, X[:, :1]) == pytest.approx(expected, rel=1e-5)
        center = center if is_frozen else 0.5 * (center + X.mean(axis=0))
        np.testing.assert_allclose(np.array(layer.center), center, rtol=1e-5, atol=1e-7)
    assert float(layer.calls) == (0 if is_frozen else 2)


def test_a_subclass_sets_the_kernel_of_a_layer(installed, tmp_path):
    # "property 'kernel' of 'Halved' object has no setter"
    from keras import backend as K

    class Halved(keras.layers.Dense):
        def build(self, input_shape):
            self.kernel = self.add_weight(
                shape=(input_shape[-1], self.units), initializer=self.kernel_initializer, name="k"
            )
            self.bias = None
            self.built = True

        def call(self, inputs):
            kernel, self.kernel = self.kernel, 0.5 * self.kernel
            outputs = super().call(inputs)
            self.kernel = kernel
            return outputs

    class Tied(keras.layers.Dense):
        def __init__(self, tied_to, **kwargs):
            super().__init__(4, **kwargs)
            self.tied_to = tied_to

        def build(self, input_shape):
            self.kernel = K.transpose(self.tied_to.kernel)
            self.bias = self.add_weight(shape=(4,), initializer="zeros", name="bias")
            self.built = True

    first = Halved(2, use_bias=False)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, first(inputs))
    kernel = np.array(first.kernel)
    np.testing.assert_allclose(model.predict(X, verbose=0), X @ kernel / 2, rtol=1e-5, atol=1e-6)
    model.compile("sgd", "mse")
    model.train_on_batch(X, X[:, :2])
    assert (np.array(first.kernel) != kernel).any()
    model.save_weights(tmp_path / "w.weights.h5")
    first.kernel.assign(kernel)
    model.load_weights(tmp_path / "w.weights.h5")
    assert (np.array(first.kernel) != kernel).any()
    assert len(model.weights) == 1
    tied = Tied(first)
    expected = X[:, :2] @ np.array(first.kernel).T
    found = keras.ops.convert_to_numpy(tied(X[:, :2]))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    image = np.ones((1, 5, 5, 1), "float32")
    assert keras.layers.Conv2D(3, 3)(image).shape == (1, 3, 3, 3)
