from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import joblib
import keras
import numpy as np
import pytest

from keras_bigdata import BestWeightsEarlyStopping, ScoreLog, WeightedValidation
from keras_bigdata.callbacks import _metric_states
from tests.helpers.paths import ROOT
from tests.helpers.small_models import (
    Chain,
    LargestError,
    assert_results,
    classifier,
    evaluate,
    make_data,
    shared_classifier,
    shared_dropout_model,
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
    model = classifier(metrics()[:count], weighted_metrics=metrics()[: min(count, 8)])
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
    return classifier(metrics)


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


def test_where_groups_of_metrics_are_not_seen_all_sets_are_evaluated_again(
    with_largest_errors, monkeypatch
):
    model = with_largest_errors
    sets = [make_data(100, 1), make_data(3, 2)]
    monkeypatch.setattr(_metric_states, "compiled_metrics", lambda metric: None)
    assert_results(validate(model, sets), model.evaluate(Chain(sets), verbose=0, return_dict=True))


def test_the_repr_does_not_grow_with_the_sets():
    arrays = make_data(20)
    validation = WeightedValidation({"clean": arrays, "noisy": arrays}, freq=2)
    assert repr(validation) == "WeightedValidation(sets=['clean', 'noisy'], freq=2, per_set=True)"
    validation = WeightedValidation([arrays] * 100)
    assert "sets=['0', '1', '2', '3', ...]" in repr(validation)
    assert len(repr(WeightedValidation({"long " * 100: arrays}))) < 100


def test_a_single_set_has_keys_of_its_own_only_with_a_name():
    model = shared_classifier()
    arrays = make_data(20)
    assert set(validate(model, arrays)) == {"val_loss", "val_accuracy"}
    assert set(validate(model, [arrays])) == {"val_loss", "val_accuracy"}
    assert set(validate(model, {"only": arrays})) == {
        "val_loss", "val_accuracy", "val_only_loss", "val_only_accuracy",
    }  # fmt: skip


def test_validation_data_as_well_is_refused():
    model = shared_classifier()
    with pytest.raises(ValueError, match=r"\['val_accuracy', 'val_loss'\] in the logs already"):
        model.fit(
            *make_data(20),
            validation_data=make_data(20),
            verbose=0,
            callbacks=[WeightedValidation(make_data(20))],
        )


def test_names_that_would_mean_two_things_are_refused():
    model = two_outputs(["categorical_crossentropy", "mse"], [["accuracy"], []])
    x, y = make_data(20)
    arrays = (x, (y, x[:, :1]))
    with pytest.raises(ValueError, match="'a' has the name of an output"):
        validate(model, {"a": arrays, "c": arrays})
    assert "val_b_loss" in validate(model, {"a": arrays, "c": arrays}, per_set=False)
    # "val_s_a_loss" of set "s" and output "a", and of set "s_a".
    with pytest.raises(ValueError, match="Rename the set"):
        validate(model, {"s": arrays, "s_a": arrays})


def test_an_error_in_a_set_names_it():
    class Broken(Chain):
        def __getitem__(self, index):
            raise OSError("no such disk")

    model = shared_classifier()
    arrays = make_data(20)
    with pytest.raises(RuntimeError, match=r"set 'bad' was not evaluated.*no such disk") as caught:
        validate(model, {"good": arrays, "bad": Broken([arrays])})
    assert caught.value.__cause__ is not None


def test_every_nth_epoch(capsys):
    model = shared_classifier()
    history = model.fit(
        *make_data(30),
        epochs=5,
        verbose=0,
        callbacks=[WeightedValidation(make_data(8), freq=2, verbose=1)],
    )
    assert len(history.history["val_loss"]) == 2
    assert len(history.history["loss"]) == 5
    lines = capsys.readouterr().out.splitlines()
    assert [line[:20] for line in lines] == ["Epoch 2: validation:", "Epoch 4: validation:"]


def test_one_line_per_set(capsys):
    metrics = [LargestError(), keras.metrics.F1Score(name="f1")]
    model = classifier(metrics, run_eagerly=True)
    sets = {"clean": make_data(8), "noisy": make_data(9, 1)}
    validate(model, sets, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Epoch 1: validation set clean: f1 [")
    assert lines[1].startswith("Epoch 1: validation set noisy: ")
    assert lines[2].startswith("Epoch 1: validation: ")
    assert ", loss " in lines[2]


@pytest.mark.slow
def test_used_again_with_another_model():
    validation = WeightedValidation({"images": make_data(10)[0], "labels": make_data(10)[1]})
    for model in (shared_classifier(), classifier(seed=2)):
        history = model.fit(*make_data(20), epochs=2, verbose=0, callbacks=[validation])
        assert len(history.history["val_loss"]) == 2
    expected = model.evaluate(*make_data(10), verbose=0, return_dict=True)
    assert history.history["val_loss"][-1] == pytest.approx(expected["loss"], rel=1e-6)


@pytest.mark.slow
def test_training_is_not_disturbed():
    histories, weights = [], []
    for validated in (False, True):
        model = shared_dropout_model()
        sets = {"a": make_data(40, 5), "b": make_data(3, 6)}
        callbacks = [WeightedValidation(sets)] if validated else []
        history = model.fit(
            *make_data(100), epochs=3, batch_size=16, verbose=0, shuffle=False, callbacks=callbacks
        )
        histories.append(history.history)
        weights.append([keras.ops.convert_to_numpy(v) for v in model.variables])
        weights[-1] += [keras.ops.convert_to_numpy(v) for v in model.optimizer.variables]
    assert histories[0]["loss"] == histories[1]["loss"]
    assert histories[0]["accuracy"] == histories[1]["accuracy"]
    assert {k for k in histories[1] if k.startswith("val_")} == {
        f"val_{s}{m}" for s in ("", "a_", "b_") for m in ("loss", "accuracy")
    }
    for without, with_validation in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, with_validation)


def test_with_the_callbacks_of_keras(tmp_path, capsys):
    callbacks = keras.callbacks
    model = shared_classifier()
    rates = []

    def schedule(epoch, rate):
        rates.append(float(rate))
        return rate

    stopper = callbacks.EarlyStopping("val_a_loss", min_delta=100, patience=3, mode="min")
    tensorboard = []
    if importlib.util.find_spec("tensorboard"):
        tensorboard = [callbacks.TensorBoard(tmp_path / "board")]
    history = model.fit(
        *make_data(60),
        epochs=9,
        verbose=1,
        callbacks=[
            WeightedValidation({"a": make_data(30, 1), "b": make_data(2, 2)}),
            callbacks.CSVLogger(tmp_path / "log.csv"),
            callbacks.ReduceLROnPlateau("val_loss", patience=1, factor=0.5, min_delta=100),
            callbacks.ModelCheckpoint(
                str(tmp_path / "{epoch}-{val_a_accuracy:.3f}.weights.h5"), save_weights_only=True
            ),
            stopper,
            callbacks.LearningRateScheduler(schedule),
            BestWeightsEarlyStopping(tmp_path / "best.weights.h5", "val_a_accuracy"),
            ScoreLog(tmp_path / "scores.pkl"),
            *tensorboard,
        ],
    ).history
    epochs = len(history["loss"])
    keys = {f"val_{s}{m}" for s in ("", "a_", "b_") for m in ("loss", "accuracy")}
    assert keys < set(history)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert keys < set(lines[0].split(","))
    assert len(lines) == epochs + 1
    assert len(list(tmp_path.glob("*-0.*.weights.h5"))) == epochs
    assert stopper.stopped_epoch == epochs - 1 == 3
    assert rates[-1] < rates[1] == rates[0]
    assert joblib.load(tmp_path / "scores.pkl") == {
        "train": history["accuracy"],
        "val": history["val_accuracy"],
    }
    assert "val_b_accuracy" in capsys.readouterr().out
    if tensorboard:
        events = list((tmp_path / "board" / "validation").glob("events*"))
        assert b"epoch_a_loss" in events[0].read_bytes()


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


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_on_the_other_backends(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.callbacks_on_backend", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == ["done", backend]
