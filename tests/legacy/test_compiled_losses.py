"""`train_step` of tf.keras 2, with `compiled_loss` and `compiled_metrics`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

X = np.random.default_rng(0).normal(size=(10, 3)).astype("float32")
Y = X[:, :1] + 3

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="a script for TensorFlow 2"
)


class TrainedByTape(keras.Model):
    """The form of the guide of TensorFlow 2.2 to 2.15."""

    regularized = True

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            losses = self.losses if self.regularized else None
            loss = self.compiled_loss(y, y_pred, regularization_losses=losses)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self.compiled_metrics.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}


@pytest.mark.parametrize("regularized", [True, False])
def test_the_loss_is_logged_and_is_that_of_tf_keras_2(installed, regularized):
    # It was the mean of the predictions; and the losses of the layers were always part of it.
    inputs = keras.Input((3,))
    outputs = keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.5))(inputs)
    model = TrainedByTape(inputs, outputs)
    model.regularized = regularized
    model.compile(keras.optimizers.SGD(0.0), "mse", metrics=["mae"])
    kernel = model.layers[1].get_weights()[0]
    error = X @ kernel - Y
    penalty = 0.5 * (kernel**2).sum() if regularized else 0.0
    history = model.fit(X, Y, batch_size=4, epochs=2, verbose=0).history
    assert history["loss"] == pytest.approx([(error**2).mean() + penalty] * 2, rel=1e-5)
    assert history["mae"] == pytest.approx([abs(error).mean()] * 2, rel=1e-5)
    # A second step size shows that the gradient has the same losses.
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(X, Y, batch_size=10, epochs=1, verbose=0)
    gradient = 2 * X.T @ error / 10 + (kernel if regularized else 0.0)
    np.testing.assert_allclose(
        model.layers[1].get_weights()[0], kernel - 0.1 * gradient, rtol=1e-4, atol=1e-6
    )


class OwnLoss(keras.Model):
    def _loss(self, data, training):
        x, y = data
        return keras.ops.mean(keras.ops.square(self(x, training=training) - y))

    def train_step(self, data):
        return {"loss": self._loss(data, training=True)}

    def test_step(self, data):
        return {"loss": self._loss(data, training=False)}


@pytest.mark.parametrize("loss", [None, "mse"])
def test_the_loss_that_an_own_step_returns_is_logged(installed, loss):
    # It was 0.0, the mean of no losses.
    inputs = keras.Input((3,))
    model = OwnLoss(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", loss)
    expected = ((model.predict(X, verbose=0) - Y) ** 2).mean()
    history = model.fit(X, Y, batch_size=10, validation_data=(X, Y), verbose=0).history
    assert history["loss"] == pytest.approx([expected], rel=1e-5)
    assert history["val_loss"] == pytest.approx([expected], rel=1e-5)
    assert model.evaluate(X, Y, batch_size=10, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_a_metric_of_the_model_that_is_called_loss_is_logged(installed):
    class Summed(OwnLoss):
        @property
        def metrics(self):
            return [self.total]

        def train_step(self, data):
            self.total.update_state(2.0)
            return {"loss": self.total.result()}

    inputs = keras.Input((3,))
    model = Summed(inputs, keras.layers.Dense(1)(inputs))
    model.total = keras.metrics.Sum(name="loss")
    model.compile("sgd")
    assert model.fit(X, Y, batch_size=5, verbose=0).history["loss"] == [4.0]
    assert model.get_metrics_result()["loss"] == 4.0
