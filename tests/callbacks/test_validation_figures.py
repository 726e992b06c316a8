"""The figures of a validation are those of all rows, whatever the model and the backend."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata import WeightedValidation
from tests.helpers.small_models import (
    Chain,
    assert_results,
    classifier_with_variables,
    make_data,
    validate,
)


def two_numbers(**arguments):
    """A model that predicts 0 for both outputs."""
    x = keras.Input((1,))
    outputs = {
        name: keras.layers.Dense(1, kernel_initializer="zeros", name=name)(x) for name in "ab"
    }
    model = keras.Model(x, outputs)
    model.compile(keras.optimizers.SGD(0.0), {"a": "mse", "b": "mae"}, **arguments)
    return model


def rows_with_an_outlier(rows=33):
    """All targets are 0 but that of the last row, which is alone in its batch of 32."""
    a = np.zeros((rows, 1), "float32")
    a[-1] = 9
    return np.ones((rows, 1), "float32"), {"a": a, "b": np.arange(rows, dtype="float32")[:, None]}


TRUTH = {"a_loss": 81 / 33, "b_loss": 16.0, "loss": 81 / 33 + 16.0}


STEPS = [1, pytest.param(4, marks=pytest.mark.slow)]


@pytest.mark.slow
@pytest.mark.parametrize("steps", STEPS[:1] if keras.backend.backend() == "torch" else STEPS)
def test_the_loss_of_an_output_is_an_average_over_rows(steps):
    x, y = rows_with_an_outlier()
    model = two_numbers(steps_per_execution=steps)
    # The function that this traces averages over batches on TensorFlow.
    before = model.evaluate(x, y, verbose=0, return_dict=True)
    assert_results(validate(model, (x, y)), TRUTH)
    parts = {
        "first": (x[:3], {name: part[:3] for name, part in y.items()}),
        "rest": (x[3:], {name: part[3:] for name, part in y.items()}),
    }
    logs = validate(model, parts)
    assert_results(logs, TRUTH)
    assert_results(logs, {"a_loss": 0.0, "b_loss": 1.0}, "val_first_")
    assert_results(logs, {"a_loss": 81 / 30, "b_loss": 17.5}, "val_rest_")
    assert_results(validate(model, parts, per_set=False), TRUTH)
    # A dataset whose batches have any sizes.
    batches = Chain([(x, y)], 32)
    batches.batches += Chain([(x, y)], 10).batches
    assert_results(validate(model, batches), TRUTH)
    assert model.evaluate(x, y, verbose=0, return_dict=True) == before


@pytest.mark.slow
def test_the_loss_of_an_output_is_that_of_one_batch_in_every_epoch_of_a_fit():
    x, y = rows_with_an_outlier()
    w = {"a": np.linspace(0, 2, 33), "b": np.linspace(3, 1, 33)}
    model = two_numbers()
    model.compile(keras.optimizers.SGD(0.001), {"a": "mse", "b": "mae"}, loss_weights=[2.0, 0.5])
    expected = []
    record = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: expected.append(
            model.evaluate(x, y, sample_weight=w, batch_size=33, verbose=0, return_dict=True)
        )
    )
    for _ in range(2):
        expected.clear()
        history = model.fit(
            x, y, epochs=2, verbose=0, callbacks=[WeightedValidation((x, y, w)), record]
        ).history
        for epoch in range(2):
            logs = {name: values[epoch] for name, values in history.items()}
            assert_results(logs, expected[epoch])
        model.compile("sgd", {"a": "mae", "b": "mse"})  # the losses of the next fit


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="right without the hook")
def test_where_keras_hides_its_losses_averages_over_batches_are_warned_of(monkeypatch):
    model = two_numbers()
    x, y = rows_with_an_outlier()
    validation = WeightedValidation((x, y))
    monkeypatch.setattr(
        type(model._compile_loss), "__call__", lambda self, *args: type(self).call(self, *args)
    )
    validation.set_model(model)
    validation.on_train_begin()
    with pytest.warns(UserWarning, match=r"averages over batches .* 'val_loss'"):
        validation.on_epoch_end(0, {})
    validation.on_epoch_end(1, {})  # once


class SeveralResults(keras.metrics.Metric):
    """A metric with several results by name."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.largest = self.add_weight(shape=(), initializer="zeros", name="largest")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.largest.assign(keras.ops.maximum(self.largest, keras.ops.max(y_pred)))

    def result(self):
        return {"largest": self.largest * 1, "twice": self.largest * 2}


@pytest.mark.slow
def test_a_metric_whose_result_is_a_dict_over_two_sets():
    model = classifier_with_variables(["accuracy", SeveralResults(name="several")])
    sets = [make_data(70, 1), make_data(40, 2)]
    reference = model.evaluate(Chain(sets), verbose=0, return_dict=True)
    assert {"largest", "twice", "accuracy", "loss"} == set(reference)
    for per_set in (True, False):
        assert_results(validate(model, sets, per_set=per_set), reference)
    assert_results(validate(model, sets[0]), model.evaluate(Chain(sets[:1]), return_dict=True))


class PlainNumbers(keras.Model):
    """A model whose test step returns numbers of the batch."""

    returned = "error"

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(4, activation="softmax")
        self.tracker = keras.metrics.Mean(name="tracked")

    def call(self, x):
        return self.dense(x)

    def test_step(self, *args):
        x, y = args[-1]
        if keras.backend.backend() == "jax":
            raise NotImplementedError
        error = keras.ops.mean(keras.ops.abs(self(x) - y))
        self.tracker.update_state(error, sample_weight=keras.ops.shape(x)[0])
        mean = self.tracker.result()
        constant = keras.ops.convert_to_tensor(0.25)
        return {
            "error": {"error": error, "mean_error": mean},
            "loss": {"loss": error},
            "tracked": {"mean": mean, "root": keras.ops.sqrt(mean), "constant": constant},
        }[self.returned]

    def reset_metrics(self):
        super().reset_metrics()
        self.tracker.reset_state()


def plain_numbers(returned):
    keras.utils.set_random_seed(0)
    model = PlainNumbers()
    model.returned = returned
    model.compile("sgd", "categorical_crossentropy")
    model(make_data(2)[0])
    return model


custom_steps = pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="test steps have another signature"
)


@pytest.mark.slow
@custom_steps
@pytest.mark.parametrize("returned", ["error", "loss"])
def test_a_test_step_that_returns_numbers_of_the_last_batch_is_refused(returned):
    model = plain_numbers(returned)
    match = rf"`test_step` of the model returns '{returned}', which .*self\.tracker\.result"
    for sets in (make_data(70), [make_data(5), make_data(70)]):
        with pytest.raises(ValueError, match=match):
            validate(model, sets)
    # A single batch has the same figure in any case.
    validate(plain_numbers("error"), make_data(20))


@pytest.mark.slow
@custom_steps
def test_a_test_step_that_returns_results_of_metrics_is_accepted():
    model = plain_numbers("tracked")
    sets = [make_data(70, 1), make_data(40, 2)]
    logs = validate(model, sets)
    x, y = (np.concatenate(part) for part in zip(*sets, strict=True))
    error = np.mean(np.abs(keras.ops.convert_to_numpy(model(x)) - y))
    assert_results(logs, {"mean": error, "root": np.sqrt(error), "constant": 0.25})
