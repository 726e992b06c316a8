from __future__ import annotations

import copy
import math
import os
import pickle

import joblib
import keras
import numpy as np
import pytest

from keras_bigdata import ScoreLog, WeightedValidation
from tests.helpers.small_models import AddValidation, make_data, shared_classifier


def epochs(log, scores):
    log.on_train_begin()
    for epoch, logs in enumerate(scores):
        log.on_epoch_end(epoch, logs)
    log.on_train_end()


def logs(train, val):
    return {"accuracy": train, "loss": 1.0, "val_accuracy": val, "val_loss": 2.0}


def test_the_file_is_current_after_every_epoch(tmp_path):
    path = tmp_path / "new" / "scores.pkl"
    log = ScoreLog(path)
    log.on_train_begin()
    log.on_epoch_end(0, logs(np.float32(0.5), 0.25))
    assert joblib.load(path) == {"train": [0.5], "val": [0.25]}
    log.on_epoch_end(1, logs(0.75, 0.5))
    log.on_train_end()
    scores = joblib.load(path)
    assert scores == {"train": [0.5, 0.75], "val": [0.25, 0.5]}
    assert {type(score) for values in scores.values() for score in values} == {float}
    assert pickle.loads(path.read_bytes()) == scores
    assert os.listdir(path.parent) == ["scores.pkl"]


def test_in_a_fit(tmp_path):
    x, y = make_data(8)
    log = ScoreLog(tmp_path / "scores", "accuracy")
    validation = WeightedValidation([(x, y), (x[:1], y[:1])])
    history = shared_classifier().fit(x, y, epochs=3, verbose=0, callbacks=[validation, log])
    train, val = history.history["accuracy"], history.history["val_accuracy"]
    assert joblib.load(tmp_path / "scores") == {"train": train, "val": val}
    assert log.scores["val"] == val


def test_each_fit_starts_anew_unless_it_resumes(tmp_path):
    path = tmp_path / "scores"
    log = ScoreLog(path)
    epochs(log, [logs(0.1, 0.2)])
    epochs(log, [logs(0.3, 0.4)])
    assert joblib.load(path) == {"train": [0.3], "val": [0.4]}
    epochs(ScoreLog(path, resume=True), [logs(0.5, 0.6)])
    assert joblib.load(path) == {"train": [0.3, 0.5], "val": [0.4, 0.6]}
    epochs(ScoreLog(tmp_path / "new", resume=True), [logs(0.5, 0.6)])
    assert joblib.load(tmp_path / "new") == {"train": [0.5], "val": [0.6]}


def test_nan_is_kept_and_an_epoch_without_validation_has_nan(tmp_path):
    path = tmp_path / "scores"
    epochs(ScoreLog(path), [{"accuracy": 0.5}, logs(math.nan, math.nan), logs(1.0, 1.0)])
    np.testing.assert_array_equal(joblib.load(path)["train"], [0.5, math.nan, 1.0])
    np.testing.assert_array_equal(joblib.load(path)["val"], [math.nan, math.nan, 1.0])


def test_missing_scores_are_errors(tmp_path):
    with pytest.raises(ValueError, match=r"monitors 'acc'.*Available: 'accuracy', 'loss'"):
        epochs(ScoreLog(tmp_path / "a", "acc"), [logs(0.1, 0.2)])
    with pytest.raises(ValueError, match=r"'val_accuracy'.*'val_loss'\.$"):
        epochs(ScoreLog(tmp_path / "a"), [{"accuracy": 0.5, "val_loss": 0.1}])
    with pytest.raises(ValueError, match=r"ended without a validation.*'val_accuracy'"):
        epochs(ScoreLog(tmp_path / "a"), [{"accuracy": 0.5}])
    epochs(ScoreLog(tmp_path / "b"), [])


def test_bad_arguments_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Use 'accuracy'"):
        ScoreLog("scores", "val_accuracy")
    with pytest.raises(ValueError, match="`monitor`"):
        ScoreLog("scores", "")
    with pytest.raises(ValueError, match="a web server cannot be written"):
        ScoreLog("https://host/scores")
    with pytest.raises(ValueError, match="not a directory"):
        ScoreLog(tmp_path)
    with pytest.raises(TypeError):
        ScoreLog(3)


@pytest.mark.parametrize(
    "content",
    [
        b"not a pickle",
        b"",
        pickle.dumps([1, 2]),
        pickle.dumps({"train": [1.0]}),
        pickle.dumps({"train": ["a"], "val": []}),
        b"cos\nsystem\n(S'touch ran'\ntR.",
    ],
)
def test_resuming_from_something_else_is_refused(tmp_path, content, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scores").write_bytes(content)
    with pytest.raises(ValueError, match="is not a score log"):
        ScoreLog("scores", resume=True).on_train_begin()
    assert os.listdir(tmp_path) == ["scores"]


def test_a_copy_has_lists_of_its_own(tmp_path):
    log = ScoreLog(tmp_path / "scores")
    epochs(log, [logs(0.1, 0.2)])
    copied = copy.deepcopy(log)
    copied.on_epoch_end(1, logs(0.3, 0.4))
    assert log.scores == {"train": [0.1], "val": [0.2]}
    assert copied.scores == {"train": [0.1, 0.3], "val": [0.2, 0.4]}


def test_the_state_restores_the_file_and_has_a_version(tmp_path):
    log = ScoreLog(tmp_path / "scores")
    epochs(log, [logs(0.1, 0.2)])
    state = log.state_dict()
    other = ScoreLog(tmp_path / "other")
    other.load_state_dict(state)
    assert joblib.load(tmp_path / "other") == other.scores == {"train": [0.1], "val": [0.2]}
    assert state["version"] == 1
    with pytest.raises(
        ValueError, match="version of ScoreLog: 'version' is 2 in the state and 1 here"
    ):
        other.load_state_dict({**state, "version": 2})
    del state["version"]
    with pytest.raises(ValueError, match="'version' is None in the state and 1 here"):
        other.load_state_dict(state)


def test_the_repr_does_not_grow_with_epochs(tmp_path):
    log = ScoreLog("runs/scores.pkl", "mae")
    assert repr(log) == "ScoreLog('runs/scores.pkl', monitor='mae')"
    log.scores = {"train": [0.5] * 1000, "val": [0.5] * 1000}
    assert repr(log) == "ScoreLog('runs/scores.pkl', monitor='mae')"


def test_listed_before_a_custom_validation_is_an_error_after_one_epoch(tmp_path):
    x, y = make_data(20)
    epochs = []
    callbacks = [
        ScoreLog(tmp_path / "scores.joblib"),
        AddValidation(),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch)),
    ]
    with pytest.raises(ValueError, match="List WeightedValidation before ScoreLog"):
        shared_classifier().fit(x, y, epochs=9, verbose=0, callbacks=callbacks)
    assert epochs == [0]
