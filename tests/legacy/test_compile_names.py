"""Names of losses and metrics that `compile` took in Keras 1 and 2, after `install()`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata.legacy.calling_script import set_default_keras_version
from keras_bigdata.legacy.training import binary_accuracy

X = np.random.default_rng(0).random((6, 3)).astype("float32")
Y = X[:, :2] / X[:, :2].sum(1, keepdims=True)


def evaluated(loss, metrics=(), outputs=1):
    """Returns the names and the results of `evaluate` for softmax outputs of equal weights."""
    inputs = keras.Input((3,))
    layers = [keras.layers.Dense(2, "softmax", kernel_initializer="ones") for _ in range(outputs)]
    predictions = [layer(inputs) for layer in layers]
    model = keras.Model(inputs, predictions if outputs > 1 else predictions[0])
    model.compile("sgd", loss, metrics=list(metrics), run_eagerly=True)
    results = model.evaluate(X, [Y] * outputs if outputs > 1 else Y, batch_size=3, verbose=0)
    return model.metrics_names, results


# Softmax of two equal sums: each prediction is 0.5. By the formulas of Keras 2.2.4.
P = np.full_like(Y, 0.5)
VALUES = {
    "logcosh": np.log(np.cosh(P - Y)).mean(),
    "kullback_leibler_divergence": (Y * np.log(Y / P)).sum(1).mean(),
    "cosine_proximity": -(Y.sum(1) * 0.5 / np.linalg.norm(Y, axis=1) / np.sqrt(0.5)).mean(),
}
OTHER_NAMES = {"kullback_leibler_divergence": ["kld", "KLD"], "cosine_proximity": ["cosine"]}


@pytest.mark.filterwarnings("ignore:compile. the metric 'cosine")
@pytest.mark.parametrize("name", VALUES)
def test_a_loss_is_computed_and_logged_as_in_keras_2(name, installed):
    assert evaluated(name)[1] == pytest.approx(VALUES[name], rel=1e-5)
    for each in (name, *OTHER_NAMES.get(name, [])):
        names, results = evaluated("mse", [each, "mae"])
        assert names == ["loss", name, "mean_absolute_error"]
        assert results[1] == pytest.approx(VALUES[name], rel=1e-5)


def test_each_output_has_a_metric_of_its_own(installed):
    names, results = evaluated("logcosh", ["logcosh"], outputs=2)
    assert [name.partition("_")[2] for name in names[1:]].count("logcosh") == 0
    assert sum(name.endswith("_logcosh") for name in names) == 2
    assert results[-2:] == pytest.approx([VALUES["logcosh"]] * 2, rel=1e-5)


def test_the_sign_of_the_cosine_is_told(installed):
    with pytest.warns(UserWarning, match="negative cosine, as in Keras before 2.3"):
        evaluated("mse", ["cosine_proximity"])


def test_crossentropy_is_that_of_the_loss(installed):
    names, results = evaluated("binary_crossentropy", ["crossentropy"])
    assert names == ["loss", "binary_crossentropy"]
    assert results[0] == pytest.approx(results[1])
    with pytest.raises(ValueError, match="Could not interpret metric identifier: ce"):
        evaluated("mse", ["ce"])


def test_metrics_of_keras_1_are_means_over_batches(installed):
    names, results = evaluated("mse", ["fscore", "matthews_correlation"])
    assert names == ["loss", "fmeasure", "matthews_correlation"]
    # 0.5 is rounded to 0: nothing is predicted as positive.
    assert results[1:] == [0, 0]


@pytest.mark.parametrize("keras_version", [1, 2])
def test_precision_is_that_of_keras_1_in_its_scripts_only(keras_version, installed):
    set_default_keras_version(keras_version)
    try:
        model = keras.Sequential([keras.Input((1,)), keras.layers.Activation("linear")])
        model.compile("sgd", "mse", metrics=["precision"], run_eagerly=True)
        predicted = np.array([[1.0], [1.0], [1.0], [0.0], [1.0], [0.0]])
        true = np.array([[1.0], [1.0], [0.0], [1.0], [1.0], [0.0]])
        result = model.evaluate(predicted, true, batch_size=3, verbose=0)[1]
    finally:
        set_default_keras_version(2)
    # 2 of 3 in the first batch, 1 of 1 in the second one; 3 of 4 in all.
    assert result == pytest.approx((2 / 3 + 1) / 2 if keras_version == 1 else 3 / 4, rel=1e-5)


@pytest.mark.filterwarnings("ignore:metrics=")
def test_accuracy_by_position_is_binary_with_a_binary_loss(installed, monkeypatch):
    # Passed by its name it was right.
    monkeypatch.setattr(binary_accuracy, "keras_root", lambda: "keras")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "sigmoid")])
    model.layers[0].set_weights([np.zeros((3, 2)), np.array([1.0, -1.0])])
    for arguments, named in (
        (("sgd", "binary_crossentropy", ["accuracy"]), {}),
        (("sgd", "binary_crossentropy"), {"metrics": ["accuracy"]}),
    ):
        model.compile(*arguments, **named)
        # One of two numbers is right; the position of the greatest is right.
        assert model.evaluate(X, np.ones((6, 2)), verbose=0)[1] == 0.5


def test_a_second_compile_without_metrics_has_none(installed):
    # Those of the first one were computed and returned.
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse", metrics=["mae"])
    assert len(model.evaluate(X, Y, verbose=0)) == 2
    model.compile("sgd", "mse")
    assert isinstance(model.evaluate(X, Y, verbose=0), float)
    assert set(model.fit(X, Y, verbose=0).history) == {"loss"}
    assert model.metrics_names == ["loss"]


def test_a_model_that_is_compiled_without_metrics_may_read_its_own(installed):
    class Own(keras.Model):
        def train_step(self, data):
            self.seen.update_state(3.0)
            return {metric.name: metric.result() for metric in self.metrics}

    inputs = keras.Input((3,))
    model = Own(inputs, keras.layers.Dense(2)(inputs))
    model.seen = keras.metrics.Mean(name="seen")
    model.compile("sgd")
    assert model.fit(X, Y, verbose=0).history["seen"] == [3.0]
