"""`add_metric` of Keras 2: values of a model or of a layer that are logged."""

from __future__ import annotations

import keras
import numpy as np
import pytest

X = np.random.default_rng(0).normal(size=(10, 3)).astype("float32")
Y = X[:, :1]

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"

not_on_jax = pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="on JAX a value cannot leave the `call` of a layer"
)


@not_on_jax
def test_a_symbolic_tensor_of_a_model_is_logged(installed):
    from keras import backend as K

    inputs = keras.Input((3,))
    code = keras.layers.Dense(2, use_bias=False, name="code")(inputs)
    outputs = keras.layers.Dense(3, use_bias=False)(code)
    model = keras.Model(inputs, outputs)
    model.add_loss(K.mean(K.square(inputs - outputs)))
    model.add_metric(K.sum(K.square(code), axis=-1), name="size", aggregation="mean")
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    expected = ((X @ model.get_layer("code").get_weights()[0]) ** 2).sum(axis=1).mean()
    history = model.fit(X, epochs=2, batch_size=4, verbose=0, validation_data=(X, None)).history
    # Rows of an incomplete batch count as the others.
    assert history["size"] == pytest.approx([expected] * 2)
    assert history["val_size"] == pytest.approx([expected] * 2)
    model.predict(X[:2], verbose=0)
    assert model.metrics_names == ["loss", "size"]
    assert model.evaluate(X, batch_size=4, verbose=0)[1] == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.every_backend
def test_a_value_of_a_layer_is_logged_next_to_the_metrics_of_compile(installed):
    from keras import backend as K

    class Total(keras.layers.Layer):
        def call(self, values):
            self.add_metric(K.sum(values), name="total", aggregation="mean")
            return 2 * values

    if keras.backend.backend() == "jax":
        with pytest.raises(NotImplementedError, match="cannot leave its `call`"):
            Total()(X)
        return
    inner = keras.Sequential([keras.Input((3,)), Total()])  # a layer within a layer
    model = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(X, Y, epochs=2, batch_size=5, verbose=0).history
    assert history["total"] == pytest.approx([X.sum() / 2] * 2, rel=1e-5)
    assert model.metrics_names == ["loss", "mean_absolute_error", "total"]
    loss, error, total = model.evaluate(X, Y, batch_size=10, verbose=0)
    assert total == pytest.approx(X.sum(), rel=1e-5)
    difference = model.predict(X, verbose=0) - Y
    assert (loss, error) == pytest.approx([(difference**2).mean(), abs(difference).mean()])


@not_on_jax
def test_a_subclass_of_model_logs_the_metrics_that_it_has_once(installed):
    from keras import backend as K

    class Network(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)
            self.seen = keras.metrics.Mean(name="seen")

        def call(self, values):
            self.add_metric(K.mean(values), name="mean", aggregation="mean")
            self.add_metric(self.seen(values), name="seen")
            return self.dense(values)

    model = Network()
    model.compile("sgd", "mse")
    history = model.fit(X, Y, epochs=2, batch_size=5, verbose=0).history
    assert set(history) == {"loss", "mean", "seen"}
    assert history["mean"] == pytest.approx([X.mean()] * 2, rel=1e-4)


@not_on_jax
def test_what_cannot_be_logged_is_explained(installed):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    with pytest.raises(ValueError, match="pass a name"):
        model.add_metric(model.output, aggregation="mean")
    # A module of torch has its own error for any attribute.
    advice = r"write model\.add_metric\(tensor, name='kl'" if ON_TENSORFLOW else "metrics_tensors"
    with pytest.raises(AttributeError, match=advice):
        model.metrics_tensors.append(model.output)
    assert not hasattr(model, "metrics_tensors")
