from __future__ import annotations

import signal

import h5py
import keras
import numpy as np
import pytest

from tests.helpers.small_models import TinyModel, best_callback, run_epochs


def test_a_missing_monitor_is_an_error_at_the_first_validation(tmp_path):
    best = best_callback(tmp_path, "val_acc")
    best.set_model(TinyModel())
    best.on_train_begin()
    best.on_epoch_end(0, {"loss": 1.0})
    with pytest.raises(ValueError, match=r"monitors 'val_acc'.*'loss', 'val_accuracy'.*before"):
        best.on_epoch_end(1, {"loss": 1.0, "val_accuracy": 0.5})


def test_a_missing_monitor_of_training_is_an_error_at_once(tmp_path):
    with pytest.raises(ValueError, match=r"monitors 'acc'.*Available: 'loss'"):
        run_epochs(best_callback(tmp_path, "acc"), [None])


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


def test_several_numbers_are_no_score(tmp_path):
    with pytest.raises(ValueError, match="monitors one number"):
        run_epochs(best_callback(tmp_path), [np.array([0.5, 0.6])])


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
    model.compile("sgd", ["mse", "mse"], metrics=[metrics, ["accuracy"]])
    y = np.zeros(4)
    model.fit(np.zeros((4, 5)), (y, y), verbose=0)
    return model


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
