"""Layers, gates and metrics as scripts for Keras 1 and 2 defined and used them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata.legacy.layers import gates
from keras_bigdata.legacy.training import binary_accuracy

X = np.linspace(-1, 1, 8).reshape(4, 2).astype("float32")


class OfKeras1(keras.layers.Layer):
    def __init__(self, output_dim, **kwargs):
        self.output_dim = output_dim
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        self.W = self.add_weight(
            (input_shape[1], self.output_dim), "uniform", name=f"{self.name}_W"
        )
        self.b = self.add_weight((self.output_dim,), "zero", "bias")
        self.scale = self.add_weight((1,), "one", name="scale")
        self.trainable_weights = [self.W]

    def call(self, x, mask=None):
        return keras.ops.matmul(x, self.W) + self.b

    def get_output_shape_for(self, input_shape):
        return (input_shape[0], self.output_dim)


class OfKeras2(keras.layers.Layer):
    def build(self, input_shape):
        self.W = self.add_weight("a/kernel", (input_shape[1], 3), None, "ones")
        super().build(input_shape)

    def call(self, x):
        return keras.ops.matmul(x, self.W)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 3)


def test_own_layers(installed):
    first, second = OfKeras1(5), OfKeras2()
    model = keras.Sequential([keras.Input((2,)), first, second])
    assert model.output_shape == (None, 3)
    assert first.compute_output_shape((None, 2)) == (None, 5)
    assert second.get_output_shape_for((None, 2)) == (None, 3)
    assert [weight.name for weight in first.trainable_weights] == [first.W.name]
    assert len(first.non_trainable_weights) == 2
    np.testing.assert_array_equal(second.get_weights()[0], np.ones((5, 3)))
    before = [np.array(weight) for weight in first.get_weights()]
    model.compile("sgd", "mse")
    model.train_on_batch(X, np.ones((4, 3)))
    moved = [not np.array_equal(*two) for two in zip(before, first.get_weights(), strict=True)]
    assert sum(moved) == 1
    with pytest.raises(TypeError, match="must be variables of Keras"):
        first.trainable_weights = [1.0]
    with pytest.raises(TypeError, match="'shape' twice"):
        second.add_weight("name", (1,), shape=(2,))
    # As Keras 3 has it.
    layer = keras.layers.Layer()
    assert layer.add_weight((1,), "ones", "float16").dtype == "float16"


def test_gates(installed, monkeypatch):
    monkeypatch.setattr(gates, "keras_root", lambda: "keras")
    with pytest.warns(UserWarning, match="GRU: `recurrent_activation` is hard_sigmoid and `reset"):
        gru = keras.layers.GRU(3)
    assert not gru.reset_after
    with pytest.warns(UserWarning, match="LSTM: `recurrent_activation` is hard_sigmoid, the"):
        lstm = keras.layers.LSTM(3)
    with pytest.warns(UserWarning, match=r"In Keras 3 it is x / 6 \+ 0.5"):
        activation = keras.layers.Activation("hard_sigmoid")
    values = keras.ops.convert_to_numpy(activation(np.float32([-3, -1, 0, 1, 3])))
    np.testing.assert_allclose(values, [0, 0.3, 0.5, 0.7, 1], rtol=1e-6)
    copy = keras.layers.LSTM.from_config(lstm.get_config())
    assert copy.cell.recurrent_activation is gates.hard_sigmoid
    assert keras.layers.LSTM(3, recurrent_activation="sigmoid").cell.recurrent_activation is (
        keras.activations.sigmoid
    )
    monkeypatch.setattr(gates, "keras_root", lambda: "tensorflow.keras")
    assert keras.layers.GRU(3).reset_after


def test_gates_are_saved_and_loaded(installed, monkeypatch, tmp_path):
    monkeypatch.setattr(gates, "keras_root", lambda: "keras")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Activation(gates.hard_sigmoid)])
    model.save(tmp_path / "old.keras")
    again = keras.models.load_model(tmp_path / "old.keras")
    assert again.layers[0].activation is gates.hard_sigmoid
    config = keras.layers.Activation("relu").get_config()
    with gates.names_of_keras_3_if(True):
        new = keras.layers.Activation.from_config({**config, "activation": "hard_sigmoid"})
    assert float(new(np.float32([1.0]))[0]) == pytest.approx(2 / 3)


def test_accuracy_of_several_binary_outputs(installed, monkeypatch):
    def difference(y_true, y_pred):
        return abs(y_true - y_pred)

    monkeypatch.setattr(binary_accuracy, "keras_root", lambda: "keras")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Activation("sigmoid")])
    with pytest.warns(UserWarning, match="accuracy of the single numbers"):
        model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    y = np.array([[0, 0], [0, 1], [1, 1], [0, 1]])
    logs = model.evaluate(X, y, verbose=0, return_dict=True)
    assert logs["accuracy"] == np.mean((X > 0) == y) == 0.75
    # Targets are columns for functions of the script.
    column = keras.Sequential([keras.Input((1,)), keras.layers.Activation("linear")])
    column.compile("sgd", "mse", metrics=[difference])
    logs = column.evaluate(np.arange(4.0)[:, None], np.arange(4.0), verbose=0, return_dict=True)
    assert logs["difference"] == 0


def test_arguments_without_an_effect(installed, tmp_path):
    with pytest.warns(UserWarning, match="pass depthwise_regularizer and pointwise_regularizer"):
        keras.layers.SeparableConv2D(4, 3, kernel_regularizer="l2")
    image = keras.utils.array_to_img(np.zeros((4, 6, 3)))
    image.save(tmp_path / "a.png")
    from keras.preprocessing.image import load_img

    assert load_img(tmp_path / "a.png", grayscale=True).mode == "L"
    assert load_img(tmp_path / "a.png", True, (2, 3)).size == (3, 2)
    assert load_img(tmp_path / "a.png", color_mode="rgba").mode == "RGBA"


def test_variables_in_trainable_weights_are_trained(installed):
    # They were listed, but TensorFlow computed no gradients for them.
    from keras import backend as K

    class Scale(keras.layers.Layer):
        def build(self, input_shape):
            self.scale = K.variable(np.ones(input_shape[-1]))
            self.fixed = K.variable(np.ones(input_shape[-1]))
            self.trainable_weights = [self.scale]
            super().build(input_shape)

        def call(self, inputs):
            return inputs * self.scale * self.fixed

    model = keras.Sequential([keras.Input((3,)), Scale()])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 3)), np.zeros((4, 3)), epochs=2, verbose=0)
    layer = model.layers[0]
    assert (K.get_value(layer.scale) < 1).all()
    np.testing.assert_array_equal(K.get_value(layer.fixed), 1)


def test_a_weight_that_tensorflow_cannot_train_is_refused(installed):
    class Fixed(keras.layers.Layer):
        def build(self, input_shape):
            self.trainable_weights = [self.add_weight(shape=(3,), trainable=False, name="w")]

    if keras.backend.backend() == "tensorflow":
        with pytest.raises(TypeError, match=r"Fixed: w was created with trainable=False"):
            Fixed()(np.ones((1, 3)))
