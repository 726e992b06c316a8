"""Over several sets, every metric is that of one `evaluate` of all rows."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata.callbacks.validation import metric_states as _metric_states
from tests.helpers.small_models import (
    Chain,
    LargestError,
    assert_results,
    classifier,
    classifier_with_variables,
    evaluate,
    make_data,
    shared_classifier,
    two_outputs,
    validate,
)

SIZES = (1, 7, 230)


BACKEND = keras.backend.backend()


# Metrics of Keras ask for int64, which JAX does not have by default.
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64")
@pytest.mark.parametrize("count", [3, pytest.param(9, marks=pytest.mark.slow)])
def test_classification_equals_one_evaluate(count):
    def metrics():
        return [
            "accuracy",
            keras.metrics.AUC(name="auc"),
            keras.metrics.F1Score(name="f1_each"),
            keras.metrics.TopKCategoricalAccuracy(2, name="top2"),
            keras.metrics.AUC(multi_label=True, num_labels=4, name="auc_each"),
            keras.metrics.Precision(name="precision"),
            keras.metrics.Recall(name="recall", class_id=1),
            keras.metrics.F1Score(average="macro", name="f1"),
            keras.metrics.OneHotMeanIoU(4, name="iou"),
        ]

    # OneHotMeanIoU warns that it does not take weights.
    model = classifier_with_variables(
        metrics()[:count], weighted_metrics=metrics()[: min(count, 8)]
    )
    sets = [make_data(rows, seed, weights=True) for seed, rows in enumerate(SIZES)]
    logs = validate(model, sets, batch_size=32)
    reference = model.evaluate(Chain(sets), verbose=0, return_dict=True)
    assert len(reference) == {3: 7, 9: 18}[count]
    assert_results(logs, reference)
    for position, arrays in enumerate(sets):
        of_set = model.evaluate(Chain([arrays]), verbose=0, return_dict=True)
        assert_results(logs, of_set, f"val_{position}_")
    assert len(logs) == 4 * len(reference)
    # The average of the sets' results is another number.
    average = np.mean([logs[f"val_{i}_accuracy"] for i in range(3)])
    assert abs(average - logs["val_accuracy"]) > 0.01


@pytest.mark.slow
@pytest.mark.skipif(BACKEND == "jax", reason="JAX cannot compile some metrics of Keras")
def test_every_metric_of_keras_is_right_over_several_sets():
    metrics = keras.metrics
    by_kind = {
        "number": [
            metrics.MeanSquaredError(),
            metrics.RootMeanSquaredError(),
            metrics.MeanAbsoluteError(),
            metrics.MeanAbsolutePercentageError(),
            metrics.MeanSquaredLogarithmicError(),
            metrics.LogCoshError(),
            metrics.CosineSimilarity(),
            metrics.R2Score(),
            metrics.R2Score(class_aggregation="variance_weighted_average", num_regressors=2),
            metrics.Poisson(),
            metrics.PearsonCorrelation(),
            metrics.ConcordanceCorrelation(),
            metrics.KLDivergence(),
        ],
        "one_hot": [
            metrics.Accuracy(),
            metrics.CategoricalAccuracy(),
            metrics.TopKCategoricalAccuracy(2),
            metrics.CategoricalCrossentropy(),
            metrics.CategoricalHinge(),
            metrics.Hinge(),
            metrics.SquaredHinge(),
            metrics.F1Score(),
            metrics.FBetaScore(average="weighted", beta=0.5),
            metrics.OneHotIoU(3, [0, 2]),
            metrics.OneHotMeanIoU(3),
            metrics.BinaryIoU(),
        ],
        "label": [
            metrics.SparseCategoricalAccuracy(),
            metrics.SparseTopKCategoricalAccuracy(2),
            metrics.SparseCategoricalCrossentropy(),
            metrics.MeanIoU(3, sparse_y_pred=False),
            metrics.IoU(3, [1], sparse_y_pred=False),
        ],
        "yes_or_no": [
            metrics.AUC(),
            metrics.AUC(curve="PR", summation_method="majoring"),
            metrics.BinaryAccuracy(),
            metrics.BinaryCrossentropy(),
            metrics.Precision(),
            metrics.Recall(),
            metrics.TruePositives(),
            metrics.TrueNegatives(),
            metrics.FalsePositives([0.2, 0.7]),
            metrics.FalseNegatives(),
            metrics.PrecisionAtRecall(0.5),
            metrics.RecallAtPrecision(0.5),
            metrics.SensitivityAtSpecificity(0.5),
            metrics.SpecificityAtSensitivity(0.5),
        ],
    }
    tested = {type(metric) for group in by_kind.values() for metric in group}
    every = {
        value
        for value in vars(metrics).values()
        if isinstance(value, type) and issubclass(value, metrics.Metric)
    }
    # Mean and Sum take values, not targets and predictions, so they cannot be passed to `compile`;
    # the trackers of losses are Means. MeanMetricWrapper wraps functions.
    bases = {metrics.Metric, metrics.Mean, metrics.Sum, metrics.MeanMetricWrapper}
    assert {m.__name__ for m in every - tested - bases} == set()

    x = keras.Input((5,))
    outputs = {
        "number": keras.layers.Dense(2, activation="softplus", name="number")(x),
        "one_hot": keras.layers.Dense(3, activation="softmax", name="one_hot")(x),
        "label": keras.layers.Dense(3, activation="softmax", name="label")(x),
        "yes_or_no": keras.layers.Dense(1, activation="sigmoid", name="yes_or_no")(x),
    }
    model = keras.Model(x, outputs)
    model.compile("sgd", "mse", metrics=by_kind, run_eagerly=True)

    def arrays(rows, seed):
        rng = np.random.default_rng(seed)
        label = rng.integers(0, 3, (rows, 1))
        return rng.normal(size=(rows, 5)).astype("float32"), {
            "number": rng.uniform(0.1, 3, (rows, 2)).astype("float32"),
            "one_hot": np.eye(3, dtype="float32")[label[:, 0]],
            "label": label.astype("float32"),
            "yes_or_no": rng.integers(0, 2, (rows, 1)).astype("float32"),
        }

    sets = {"few": arrays(2, 1), "some": arrays(9, 2), "many": arrays(75, 3)}
    logs = validate(model, sets)
    reference = evaluate(model, list(sets.values()))
    assert len(reference) == 5 + sum(map(len, by_kind.values()))
    assert_results(logs, reference)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(
            {"loss": ["categorical_crossentropy", "mse"], "metrics": [["accuracy"], ["mae"]]},
            marks=pytest.mark.slow,
        ),
        {
            "loss": {"a": "categorical_crossentropy", "b": "mse"},
            "metrics": {"a": ["accuracy"], "b": [keras.metrics.R2Score]},
            "loss_weights": {"a": 1.0, "b": 0.3},
            "weighted_metrics": [["accuracy"], ["mae"]],
        },
        pytest.param(
            {
                "loss": [
                    keras.losses.CategoricalCrossentropy(reduction="sum"),
                    keras.losses.MeanSquaredError(reduction="sum"),
                ],
                "metrics": [["accuracy"], []],
            },
            marks=pytest.mark.slow,
        ),
    ],
    ids=["lists", "dicts", "summed losses"],
)
def test_several_outputs_with_separate_weights(arguments):
    arguments = dict(arguments)
    if arguments["metrics"] == {"a": ["accuracy"], "b": [keras.metrics.R2Score]}:
        arguments["metrics"] = {"a": ["accuracy"], "b": [keras.metrics.R2Score()]}

    def arrays(rows, seed):
        x, y, w = make_data(rows, seed, weights=True)
        return x, (y, x[:, :1] * 2), (w, w[::-1].copy())

    model = two_outputs(**arguments)
    sets = {"large": arrays(150, 1), "small": arrays(5, 2)}
    logs = validate(model, sets)
    reference = evaluate(model, list(sets.values()))
    assert {"loss", "a_accuracy"} < set(reference)
    assert_results(logs, reference)
    assert_results(logs, evaluate(model, [sets["small"]]), "val_small_")


@pytest.fixture(scope="module")
def with_largest_errors():
    """A model with two metrics whose states cannot be added."""
    metrics = ["accuracy", keras.metrics.AUC(name="auc"), LargestError(), LargestError("other")]
    return classifier_with_variables(metrics)


@pytest.mark.slow
def test_a_metric_that_cannot_be_added_costs_a_second_evaluation(with_largest_errors, monkeypatch):
    model = with_largest_errors
    calls = []
    original = model.evaluate
    monkeypatch.setattr(
        model, "evaluate", lambda *args, **kwargs: calls.append(1) or original(*args, **kwargs)
    )
    sets = [make_data(100, 1), make_data(3, 2), make_data(1, 5)]
    logs = validate(model, sets)
    assert len(calls) == 6
    reference = original(Chain(sets), verbose=0, return_dict=True)
    assert_results(logs, reference)
    assert logs["val_largest_error"] == max(logs[f"val_{i}_largest_error"] for i in range(3))

    calls.clear()
    assert validate(model, sets[0])["val_largest_error"] == logs["val_0_largest_error"]
    assert len(calls) == 1
    # The replaced `reset_metrics` is removed again.
    assert "reset_metrics" not in vars(model)
    assert original(Chain(sets[1:]), verbose=0, return_dict=True)["loss"] != reference["loss"]


@pytest.mark.slow
def test_a_user_metric_in_one_of_several_outputs():
    model = two_outputs(["categorical_crossentropy", "mse"], [["accuracy"], [LargestError()]])
    sets = [(x, (y, x[:, :1])) for x, y in (make_data(40, 1), make_data(9, 2))]
    logs = validate(model, sets)
    reference = evaluate(model, sets)
    assert "b_largest_error" in reference
    assert_results(logs, reference)


class CustomTrackers(keras.Model):
    """A model with custom trackers, one of a custom class."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(4, activation="softmax")
        self.norm = keras.metrics.Mean(name="norm")
        self.largest = LargestError()

    def call(self, x):
        return self.dense(x)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        self.norm.update_state(keras.ops.norm(y_pred))
        self.largest.update_state(y, y_pred)
        return super().compute_metrics(x, y, y_pred, sample_weight)


class CustomTestStep(CustomTrackers):
    """A model whose test step reports other names than `get_metrics_result`."""

    def test_step(self, batch):
        x, y = batch
        loss = keras.ops.mean(keras.losses.categorical_crossentropy(y, self(x)))
        self.norm.update_state(loss)
        return {"mean_of_batches": self.norm.result()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "metrics"), [(CustomTrackers, ["accuracy"]), (CustomTestStep, None)]
)
def test_models_with_custom_steps_and_trackers(kind, metrics):
    if kind is CustomTestStep and BACKEND == "jax":
        pytest.skip("`test_step` has another signature on JAX")
    model = kind()
    model.compile("sgd", "categorical_crossentropy", metrics=metrics)
    sets = [make_data(50, 1), make_data(70, 2)]
    logs = validate(model, sets)
    reference = model.evaluate(Chain(sets), verbose=0, return_dict=True)
    assert_results(logs, reference)
    assert len(logs) == 3 * len(reference)


@pytest.mark.slow
def test_evaluated_as_one(with_largest_errors):
    model = with_largest_errors
    sets = [make_data(130, 1), make_data(1, 2), make_data(33, 3)]
    logs = validate(model, sets, per_set=False)
    reference = model.evaluate(Chain(sets), verbose=0, return_dict=True)
    assert set(logs) == {f"val_{name}" for name in reference}
    for name, value in reference.items():
        assert logs[f"val_{name}"] == value


def test_sets_of_other_shapes_and_weights_are_evaluated_as_one():
    """On TensorFlow, one dataset of these batches has no common signature."""
    pixels = keras.Input((None, None, 1))
    y = keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(pixels))
    model = keras.Model(pixels, y)
    model.compile("sgd", "mse", metrics=["mae", LargestError()])
    rng = np.random.default_rng(0)
    small, large = rng.random((9, 8, 8, 1)), rng.random((40, 16, 16, 1))
    targets = rng.random((49, 1))
    sets = [(small, targets[:9]), (large, targets[9:], np.ones(40))]
    logs = validate(model, sets, per_set=False)
    errors = np.abs(np.concatenate([model.predict(x, verbose=0) for x in (small, large)]) - targets)
    assert logs["val_mae"] == pytest.approx(errors.mean(), rel=1e-5)
    assert logs["val_largest_error"] == pytest.approx(errors.max(), rel=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(BACKEND == "jax", reason="JAX compiles metrics even with run_eagerly=True")
def test_states_of_metrics_outside_variables_are_kept_between_sets():
    class AllErrors(keras.metrics.Metric):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.errors = []

        def reset_state(self):
            self.errors = []

        def update_state(self, y_true, y_pred, sample_weight=None):
            errors = keras.ops.abs(keras.ops.cast(y_true, "float32") - y_pred)
            self.errors.append(float(keras.ops.max(errors)))

        def result(self):
            return float(np.median(self.errors)) if self.errors else 0.0

    model = classifier([AllErrors(name="median_of_largest")], run_eagerly=True)
    sets = [make_data(70, 1), make_data(40, 2)]
    logs = validate(model, sets)
    assert_results(logs, model.evaluate(Chain(sets), verbose=0, return_dict=True))


@pytest.mark.slow
def test_where_groups_of_metrics_are_not_seen_all_sets_are_evaluated_again(
    with_largest_errors, monkeypatch
):
    model = with_largest_errors
    sets = [make_data(100, 1), make_data(3, 2)]
    monkeypatch.setattr(_metric_states, "compiled_metrics", lambda metric: None)
    assert_results(validate(model, sets), model.evaluate(Chain(sets), verbose=0, return_dict=True))


def test_a_longer_run_agrees_in_double_precision():
    """Compares sums of many float32 states with results that NumPy computes in float64."""
    model = shared_classifier()
    sets = [make_data(20_000, 1), make_data(1, 2), make_data(3_001, 3)]
    logs = validate(model, sets, batch_size=500)
    x, y = (np.concatenate(part) for part in zip(*sets, strict=True))
    p = keras.ops.convert_to_numpy(model(x)).astype("float64")
    accuracy = np.mean(p.argmax(1) == y.argmax(1))
    loss = -np.mean(np.log((p / p.sum(1, keepdims=True))[y.astype(bool)]))
    assert logs["val_accuracy"] == pytest.approx(accuracy, rel=1e-6)
    assert logs["val_loss"] == pytest.approx(loss, rel=1e-5)
