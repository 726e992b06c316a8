"""`BestWeightsEarlyStopping` used again, and with `resume=True` after an earlier training."""

from __future__ import annotations

import h5py
import pytest

from keras_bigdata import BestWeightsEarlyStopping
from tests.helpers.small_models import (
    assert_equal,
    attributes,
    best_callback,
    dropout_model,
    fit,
    run_epochs,
    shared_dropout_model,
)


def test_used_again_it_starts_anew(tmp_path):
    best = best_callback(tmp_path, patience=9)
    run_epochs(best, [0.9])
    with pytest.warns(UserWarning, match="They are kept in"):
        run_epochs(best, [0.1, 0.3, 0.2])
    assert (best.best, best.best_epoch) == (0.3, 1)
    assert attributes(tmp_path)[0]["value"] == 0.3


def test_resuming_must_beat_the_file(tmp_path):
    run_epochs(best_callback(tmp_path, patience=2), [0.5, 0.8])
    best = best_callback(tmp_path, patience=2, resume=True)
    model, epochs = run_epochs(best, [0.7, 0.6, 0.9], first_epoch=2)
    assert (epochs, best.best, best.best_epoch, best.stopped_epoch) == (2, 0.8, 1, 3)
    assert attributes(tmp_path)[0]["epoch"] == 1

    model, epochs = run_epochs(best, [0.7, 0.9], first_epoch=4)
    assert (epochs, best.best, best.best_epoch, model.weight) == (2, 0.9, 5, 5)
    assert attributes(tmp_path) == (
        {"epoch": 5, "monitor": "val_score", "value": 0.9, "mode": "max", "wait": 0},
        5.0,
    )


def test_resuming_goes_on_with_the_wait_of_a_baseline(tmp_path):
    arguments = {"patience": 4, "baseline": 1.0}
    run_epochs(best_callback(tmp_path, **arguments), [0.5, 0.6, 0.7])
    assert attributes(tmp_path)[0]["wait"] == 3
    best = best_callback(tmp_path, resume=True, **arguments)
    assert run_epochs(best, [0.5, 0.5], first_epoch=3)[1] == 1


@pytest.mark.slow
def test_resuming_restores_from_the_file_if_nothing_was_better(tmp_path):
    model = shared_dropout_model()
    path = tmp_path / "best.weights.h5"
    fit(model, [BestWeightsEarlyStopping(path, "loss", mode="max")], epochs=1)
    first = model.get_weights()
    with h5py.File(path, "r+") as file:
        file.attrs["value"] = 1e9
    best = BestWeightsEarlyStopping(path, "loss", mode="max", resume=True, patience=50)
    fit(model, [best], epochs=4, initial_epoch=1)
    assert best.best_epoch == 0
    assert_equal(model.get_weights(), first)
    assert int(model.optimizer.iterations) == 16


def test_resuming_without_a_file_starts_anew(tmp_path):
    best = best_callback(tmp_path, resume=True)
    assert run_epochs(best, [0.1, 0.2])[1] == 2
    assert best.best == 0.2


def test_resuming_from_another_monitor_or_mode_is_refused(tmp_path):
    run_epochs(best_callback(tmp_path), [0.5])
    with pytest.raises(ValueError, match=r"monitor='val_score'.*monitor='val_loss'"):
        run_epochs(best_callback(tmp_path, "val_loss", resume=True), [0.5])
    with pytest.raises(ValueError, match=r"mode='max'.*mode='min'"):
        run_epochs(best_callback(tmp_path, mode="min", resume=True), [0.5])
    with pytest.warns(UserWarning, match="They are kept in"):
        run_epochs(best_callback(tmp_path, "val_loss"), [0.5], name="val_loss")
    best = best_callback(tmp_path, "val_loss", mode="auto", resume=True)
    best.set_model(dropout_model())
    best.on_train_begin()
    with pytest.raises(ValueError, match=r"mode='max'.*mode='min'"):
        best.on_epoch_end(0, {"val_loss": 0.5})


def test_resuming_from_something_else_is_refused(tmp_path):
    best = best_callback(tmp_path, resume=True)
    dropout_model().save_weights(tmp_path / "best.weights.h5")
    with pytest.raises(ValueError, match="holds weights without a score"):
        run_epochs(best, [0.5])
    (tmp_path / "best.weights.h5").write_bytes(b"not HDF5")
    with pytest.raises(ValueError, match="cannot be read as an HDF5 file"):
        run_epochs(best, [0.5])
