from __future__ import annotations

import signal

import h5py
import keras
import numpy as np
import pytest

from keras_bigdata import ScoreLog, WeightedValidation
from tests.helpers.small_models import TinyModel, best_callback, run_epochs


def test_a_missing_monitor_is_an_error_at_the_first_validation(tmp_path):
    best = best_callback(tmp_path, "val_acc")
    best.set_model(TinyModel())
    best.on_train_begin()
    best.on_epoch_end(0, {"loss": 1.0})
    with pytest.raises(ValueError, match=r"monitors 'val_acc'.*'loss', 'val_accuracy'") as caught:
        best.on_epoch_end(1, {"loss": 1.0, "val_accuracy": 0.5})
    # There was a validation, at the right place: only the name is wrong.
    assert str(caught.value).endswith("The most similar one is 'val_accuracy'.")


def test_a_missing_monitor_of_training_is_an_error_at_once(tmp_path):
    with pytest.raises(ValueError, match=r"monitors 'acc'.*Available: 'loss'\.$"):
        run_epochs(best_callback(tmp_path, "acc"), [None])
    with pytest.raises(ValueError, match=r"Available: 'accuracy', 'loss'\. .* is 'accuracy'\.$"):
        run_epochs(best_callback(tmp_path, "acc"), [0.5], name="accuracy")


def test_no_validation_at_all_is_an_error_at_the_end(tmp_path):
    best = best_callback(tmp_path)
    with pytest.raises(ValueError, match=r"without a validation.*Available: 'loss'"):
        run_epochs(best, [None, None])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    run_epochs(best, [])  # no error without epochs


def test_epochs_without_validation_do_not_count(tmp_path):
    best = best_callback(tmp_path, patience=2)
    model, epochs = run_epochs(best, [0.5, None, None, None, 0.4, None, 0.3, 0.9])
    assert (epochs, best.best_epoch, model.weight) == (7, 0, 0)


@pytest.mark.parametrize("score", [np.array([0.5, 0.6]), {"a": 0.5}, "many"])
def test_what_is_not_one_number_is_refused(tmp_path, score):
    with pytest.raises(ValueError, match="monitors one number"):
        run_epochs(best_callback(tmp_path), [score])


def test_an_array_of_one_number_is_a_score(tmp_path):
    best = best_callback(tmp_path)
    scores = [np.array([0.25], "float32"), keras.ops.convert_to_tensor([0.5]), np.array([[0.375]])]
    run_epochs(best, scores)
    assert (best.best, best.best_epoch) == (0.5, 1)


@pytest.mark.slow
def test_the_f1_score_of_one_class_is_a_score(tmp_path):
    x = np.linspace(-1, 1, 20, dtype="float32")[:, None]
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid")])
    metrics = [keras.metrics.F1Score(threshold=0.5, name="f1")]
    model.compile("sgd", "binary_crossentropy", metrics=metrics, run_eagerly=True)
    best = best_callback(tmp_path, "val_f1")
    scores = ScoreLog(tmp_path / "scores.pkl", "f1")
    validation = WeightedValidation((x, x > 0))
    history = model.fit(x, x > 0, epochs=2, verbose=0, callbacks=[validation, best, scores])
    assert scores.scores["val"] == history.history["val_f1"]
    assert best.best == max(scores.scores["val"])


class Unknown(keras.metrics.Mean):
    """A metric without a direction, whose name ends with that of another one."""

    def __init__(self, name="top_accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(y_pred)

    @property
    def _direction(self):
        raise AttributeError


@pytest.fixture(scope="module")
def trained():
    """A model whose metrics are built, with two outputs."""
    metrics = ["accuracy", keras.metrics.MeanSquaredError(name="error"), Unknown()]
    x = keras.Input((5,))
    outputs = [keras.layers.Dense(1, name=name)(x) for name in ("left", "right_side")]
    model = keras.Model(x, outputs)
    model.compile("sgd", ["mse", "mse"], metrics=[metrics, ["accuracy"]], run_eagerly=True)
    y = np.zeros(4)
    model.fit(np.zeros((4, 5)), (y, y), verbose=0)
    return model


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize(
    ("monitor", "mode"),
    [
        ("loss", "min"),
        ("val_loss", "min"),
        ("val_left_loss", "min"),
        ("val_clean_right_side_loss", "min"),
        ("accuracy", "max"),
        ("val_accuracy", "max"),
        ("val_clean_accuracy", "max"),
        ("val_clean_left_accuracy", "max"),
        ("val_left_error", "min"),
        ("val_clean_left_error", "min"),
    ],
)
def test_the_direction_is_seen_through_sets_and_outputs(tmp_path, trained, monitor, mode):
    best = best_callback(tmp_path, monitor, mode="auto")
    best.set_model(trained)
    best.on_train_begin()
    best.on_epoch_end(0, {monitor: 1.0})
    best.on_epoch_end(1, {monitor: 2.0})
    assert best.best == (2.0 if mode == "max" else 1.0)
    with h5py.File(tmp_path / "best.weights.h5") as file:
        assert file.attrs["mode"] == mode


@pytest.mark.parametrize("monitor", ["val_mystery", "val_clean_left_top_accuracy", "val_lossy"])
def test_an_unknown_direction_asks_for_the_mode(tmp_path, trained, monitor):
    best = best_callback(tmp_path, monitor, mode="auto")
    best.set_model(trained)
    best.on_train_begin()
    with pytest.raises(ValueError, match=r"Pass mode='min' or mode='max'.*'accuracy'"):
        best.on_epoch_end(0, {monitor: 1.0})
    assert not trained.stop_training
