"""The best weights of an earlier training are not lost to a worse one."""

from __future__ import annotations

import copy
import os
import warnings

import h5py
import pytest

from keras_bigdata import BestWeightsEarlyStopping
from keras_bigdata.callbacks.best_weights.best_weights_file import read_record
from tests.helpers.small_models import shared_classifier


def train(best, scores):
    """Runs the hooks of a training with these scores."""
    best.set_model(shared_classifier())
    best.on_train_begin()
    for epoch, score in enumerate(scores):
        best.on_epoch_end(epoch, {"val_loss": score})
    best.on_train_end()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "best.weights.h5"


def callback(path, **arguments):
    return BestWeightsEarlyStopping(path, "val_loss", mode="min", **arguments)


def scores(folder):
    return {entry.name: read_record(entry).value for entry in folder.iterdir()}


def test_a_better_file_of_another_training_is_kept_under_another_name(path):
    train(callback(path), [3.0, 1.16])
    content = path.read_bytes()
    kept = path.with_name("best.former-1.weights.h5")
    match = r"val_loss 1\.16, which this training \(val_loss 39\.8 in epoch 1\) has not reached"
    with pytest.warns(UserWarning, match=match) as warned:
        train(callback(path), [39.8, 12.0])
    (message,) = [str(w.message) for w in warned if "They are kept in" in str(w.message)]
    assert f"They are kept in {kept}. Pass resume=True" in message
    assert kept.read_bytes() == content
    assert scores(path.parent) == {"best.weights.h5": 12.0, kept.name: 1.16}


@pytest.mark.slow
def test_trials_that_share_one_path_lose_no_best_weights(path):
    """As keras_tuner runs them: each trial trains with a copy of the callback."""
    shared = callback(path)
    trials = {1: [5.0, 2.0], 2: [4.0, 3.0], 3: [9.0], 4: [1.0], 5: [8.0]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for values in trials.values():
            train(copy.deepcopy(shared), values)
    assert min(scores(path.parent).values()) == 1.0
    assert scores(path.parent)["best.weights.h5"] == 8.0
    assert sorted(scores(path.parent).values()) == [1.0, 2.0, 3.0, 8.0]


def test_the_same_training_again_leaves_one_file(path):
    train(callback(path), [3.0, 1.0])
    for _ in range(2):
        with pytest.warns(UserWarning, match="They are kept in"):
            train(callback(path), [3.0, 1.0])
        assert scores(path.parent) == {"best.weights.h5": 1.0}


def test_a_worse_file_is_replaced(path):
    train(callback(path), [3.0])
    train(callback(path), [2.0])
    assert scores(path.parent) == {"best.weights.h5": 2.0}


def test_the_second_fit_of_one_callback_is_another_training(path):
    best = callback(path)
    train(best, [1.0])
    with pytest.warns(UserWarning, match="They are kept in"):
        train(best, [2.0])
    assert sorted(scores(path.parent).values()) == [1.0, 2.0]


def test_a_file_that_another_training_has_written_meanwhile_is_kept(path):
    first, second = callback(path), callback(path)
    for best in (first, second):
        best.set_model(shared_classifier())
        best.on_train_begin()
    first.on_epoch_end(0, {"val_loss": 5.0})
    second.on_epoch_end(0, {"val_loss": 1.0})
    with pytest.warns(UserWarning, match=r"val_loss 1, which"):
        first.on_epoch_end(1, {"val_loss": 4.0})
    assert sorted(scores(path.parent).values()) == [1.0, 4.0]


def test_weights_that_cannot_be_compared_are_kept(path):
    shared_classifier().save_weights(path)
    with pytest.warns(UserWarning, match=r"weights without a score"):
        train(callback(path), [1.0])
    kept = path.with_name("best.former-1.weights.h5")
    with h5py.File(kept) as file:
        assert "value" not in file.attrs
    accuracy = BestWeightsEarlyStopping(path, "val_accuracy", mode="max")
    accuracy.set_model(shared_classifier())
    accuracy.on_train_begin()
    with pytest.warns(UserWarning, match=r"val_loss 1, which"):
        accuracy.on_epoch_end(0, {"val_accuracy": 0.5})
    assert len(os.listdir(path.parent)) == 3


def test_without_links_the_file_is_copied(path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError("no links here")

    train(callback(path), [1.0])
    content = path.read_bytes()
    monkeypatch.setattr(os, "link", refuse)
    with pytest.warns(UserWarning, match="They are kept in"):
        train(callback(path), [2.0])
    assert path.with_name("best.former-1.weights.h5").read_bytes() == content


def test_with_resume_nothing_is_kept(path):
    train(callback(path), [1.0])
    train(callback(path, resume=True), [2.0, 0.5])
    assert scores(path.parent) == {"best.weights.h5": 0.5}
