from __future__ import annotations

import copy
import math
import os
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keras_bigdata import BestWeightsEarlyStopping, WeightedValidation
from tests.helpers.small_models import (
    AddValidation,
    RecordWeights,
    TinyModel,
    assert_equal,
    attributes,
    best_callback,
    dropout_model,
    fit,
    make_data,
    run_epochs,
    shared_classifier,
    shared_dropout_model,
)

# Few values, so that there are ties, and steps of the size of `min_delta`.
numbers = st.one_of(
    st.sampled_from([-1.0, 0.0, 0.1, 0.2, 0.3, 0.30000001, 0.5, 1.0, math.inf, -math.inf]),
    st.floats(-2, 2, width=32),
)

PLAIN = {
    "again": [],
    "first_epoch": 0,
    "patience": 1,
    "min_delta": 0,
    "baseline": None,
    "start_from_epoch": 0,
    "restore": True,
    "nan_at": 20,
}


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(
    scores=st.lists(st.one_of(numbers, st.none()), max_size=14),
    again=st.lists(numbers, max_size=6),
    first_epoch=st.sampled_from([0, 0, 1, 4]),
    mode=st.sampled_from(["min", "max"]),
    patience=st.integers(0, 4),
    min_delta=st.sampled_from([0, 0.1, 1e-9, -0.2, 0.5]),
    baseline=st.one_of(st.none(), numbers),
    start_from_epoch=st.sampled_from([0, 0, 1, 3]),
    restore=st.booleans(),
    nan_at=st.integers(1, 20),
)
# Keras compares in float32, where these are equal.
@example(scores=[0.3, 0.30000001], mode="max", **PLAIN)
@example(scores=[0.1, 0.0999999999], mode="min", **PLAIN)
def test_does_as_early_stopping_does(
    tmp_path_factory, scores, again, first_epoch, nan_at, restore, **arguments
):
    arguments["restore_best_weights"] = restore
    # At least one score, which ours requires. NaN follows a number: theirs keeps a first NaN.
    scores = [0.2, *scores]
    if nan_at < len(scores) and nan_at + first_epoch > arguments["start_from_epoch"]:
        scores[nan_at] = math.nan
    considered = [
        s for e, s in enumerate(scores, first_epoch)
        if e >= arguments["start_from_epoch"] and s is not None
    ]  # fmt: skip
    if considered and math.isnan(considered[0]):
        return
    ours = best_callback(tmp_path_factory.getbasetemp(), **arguments)
    theirs = keras.callbacks.EarlyStopping("val_score", **arguments)
    models = {}
    # A second fit with the same callbacks starts again.
    for run in (scores, again):
        ours.filepath.unlink(missing_ok=True)
        results = []
        for callback in (ours, theirs):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Early stopping conditioned on metric")
                model, epochs = run_epochs(callback, run, first_epoch, models.get(callback))
            models[callback] = model
            results.append(
                {
                    "epochs": epochs,
                    "stopped": model.stop_training,
                    "weight": model.weight,
                    "best": callback.best,
                    "best_epoch": callback.best_epoch,
                    "stopped_epoch": callback.stopped_epoch,
                    "wait": callback.wait,
                }
            )
        assert results[0] == results[1]


def test_the_best_goes_to_disk_at_once_with_its_score(tmp_path):
    directory = tmp_path / "new" / "directory"
    best = best_callback(directory, patience=3)
    best.set_model(TinyModel())
    best.on_train_begin()
    assert os.listdir(directory) == []
    for epoch, (score, kept) in enumerate([(0.5, 0), (0.4, 0), (0.7, 2), (math.nan, 2)]):
        best.model.weight = epoch
        best.on_epoch_end(epoch, {"val_score": score})
        attrs, weight = attributes(directory)
        assert weight == kept
        assert attrs == {
            "epoch": kept,
            "monitor": "val_score",
            "value": [0.5, 0.4, 0.7][kept],
            "mode": "max",
            "wait": 0,
        }
        assert os.listdir(directory) == ["best.weights.h5"]
    best.on_train_end()
    assert best.model.weight == 2


def test_nan_is_never_the_best(tmp_path):
    best = best_callback(tmp_path, patience=5)
    model, _ = run_epochs(best, [math.nan, 0.3, math.nan, 0.2])
    assert (best.best, best.best_epoch, model.weight) == (0.3, 1, 1)

    best = best_callback(tmp_path / "only", mode="min", patience=2)
    model, epochs = run_epochs(best, [math.nan] * 6)
    assert (best.best, epochs, model.weight) == (None, 2, 1)
    assert os.listdir(tmp_path / "only") == []


def test_the_first_epoch_never_stops_the_training(tmp_path):
    model, epochs = run_epochs(best_callback(tmp_path, patience=1), [math.nan, 0.5, 0.6])
    assert (epochs, model.weight) == (3, 2)


def test_a_failing_disk_leaves_the_former_best(tmp_path, monkeypatch):
    best = best_callback(tmp_path)
    run_epochs(best, [0.5])

    class FullDisk(TinyModel):
        def save_weights(self, path):
            super().save_weights(path)
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        run_epochs(best, [0.9], model=FullDisk())
    assert attributes(tmp_path)[0]["value"] == 0.5
    assert os.listdir(tmp_path) == ["best.weights.h5"]


def test_a_directory_that_cannot_be_written_is_found_before_the_first_epoch(tmp_path):
    (tmp_path / "file").write_text("")
    best = best_callback(tmp_path / "file")
    best.set_model(TinyModel())
    with pytest.raises(OSError, match=r"cannot be written to .*best\.weights\.h5"):
        best.on_train_begin()


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("best.h5", "best.weights.h5"),
        ("best.weights.json", "best.weights.h5"),
        ("best.keras", "best.weights.h5"),
        ("best.hdf5", "best.weights.h5"),
        ("best", "best.weights.h5"),
        ("a.dir/best.weights", "a.dir/best.weights.h5"),
    ],
)
def test_other_names_of_files_get_the_right_one(name, right):
    with pytest.raises(ValueError, match=r"must end in '\.weights\.h5'.*Use ") as caught:
        BestWeightsEarlyStopping(name)
    assert f"Use '{right}'" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"filepath": "https://host/best.weights.h5"}, ValueError, "a web server cannot be"),
        ({"filepath": Path("gs://bucket/best.weights.h5")}, ValueError, "one slash of two"),
        ({"filepath": "{epoch:02d}.weights.h5"}, ValueError, "placeholders"),
        ({"filepath": 3}, TypeError, "int"),
        ({"monitor": ""}, ValueError, "`monitor`"),
        ({"mode": "up"}, ValueError, "`mode`"),
        ({"patience": -1}, ValueError, "`patience`"),
        ({"patience": 2.0}, TypeError, "`patience`"),
        ({"start_from_epoch": -1}, ValueError, "`start_from_epoch`"),
        ({"min_delta": math.nan}, ValueError, "`min_delta`"),
        ({"baseline": math.nan}, ValueError, "`baseline`"),
        ({"verbose": 2}, ValueError, "`verbose`"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, match):
    with pytest.raises(error, match=match):
        BestWeightsEarlyStopping(**{"filepath": "best.weights.h5", **arguments})


def test_a_directory_is_not_a_file(tmp_path):
    (tmp_path / "best.weights.h5").mkdir()
    with pytest.raises(ValueError, match="not a directory"):
        best_callback(tmp_path)


@pytest.mark.slow
def test_fit_restores_the_weights_and_leaves_the_optimizer(tmp_path):
    model = shared_dropout_model()
    best = BestWeightsEarlyStopping(tmp_path / "best.weights.h5", "val_loss", patience=2)
    recorded = RecordWeights()
    # The learning rate is so high that later epochs are worse.
    model.optimizer.learning_rate.assign(0.5)
    history = fit(model, [WeightedValidation({"a": make_data(40, 7)}), best, recorded], epochs=9)
    losses = history["val_loss"]
    assert best.best == min(losses)
    assert best.best_epoch == losses.index(min(losses)) < len(losses) - 1
    assert_equal(model.get_weights(), recorded.epochs[best.best_epoch])
    assert int(model.optimizer.iterations) == 4 * len(losses)

    # Keras and a new callback read the same weights from the file.
    other = keras.models.clone_model(dropout_model(seed=3))
    other.load_weights(tmp_path / "best.weights.h5")
    assert_equal(other.get_weights(), model.get_weights())
    fresh = dropout_model(seed=4)
    fresh.optimizer.learning_rate.assign(0.25)
    reader = BestWeightsEarlyStopping(tmp_path / "best.weights.h5", "val_loss")
    reader.restore(fresh)
    assert_equal(fresh.get_weights(), model.get_weights())
    assert int(fresh.optimizer.iterations) == 0
    assert float(fresh.optimizer.learning_rate) == 0.25
    assert (reader.best, reader.best_epoch) == (best.best, best.best_epoch)
    # Models with another optimizer and without one, too.
    simple = dropout_model(seed=6)
    simple.compile("sgd", "mse")
    reader.restore(simple)
    assert_equal(simple.get_weights(), model.get_weights())
    assert int(simple.optimizer.iterations) == 0
    bare = keras.models.clone_model(dropout_model(seed=5))
    reader.restore(bare)
    assert_equal(bare.get_weights(), model.get_weights())


@pytest.mark.slow
def test_without_restoring_the_file_is_kept_all_the_same(tmp_path):
    model = shared_dropout_model()
    model.optimizer.learning_rate.assign(0.5)
    best = BestWeightsEarlyStopping(
        tmp_path / "best.weights.h5", "loss", patience=9, mode="max", restore_best_weights=False
    )
    recorded = RecordWeights()
    fit(model, [best, recorded])
    assert_equal(model.get_weights(), recorded.epochs[-1])
    best.restore()
    assert_equal(model.get_weights(), recorded.epochs[best.best_epoch])
    assert int(model.optimizer.iterations) == 16


@pytest.mark.slow
def test_stops_in_a_real_fit_with_early_stopping_beside_it(tmp_path):
    model = shared_dropout_model()
    model.optimizer.learning_rate.assign(0.3)
    arguments = {"patience": 1, "min_delta": 0.001, "restore_best_weights": True}
    best = BestWeightsEarlyStopping(tmp_path / "b.weights.h5", "val_y_set_accuracy", **arguments)
    stopper = keras.callbacks.EarlyStopping("val_y_set_accuracy", mode="max", **arguments)
    validation = WeightedValidation({"y_set": make_data(30, 3), "z": make_data(20, 4)})
    history = fit(model, [validation, best, stopper], epochs=20)
    assert (best.stopped_epoch, best.best_epoch, best.best, best.wait) == (
        stopper.stopped_epoch, stopper.best_epoch, stopper.best, stopper.wait,
    )  # fmt: skip
    assert best.stopped_epoch == len(history["loss"]) - 1 < 19


def test_verbose_prints_what_the_loop_printed(tmp_path, capsys):
    best = best_callback(tmp_path, patience=2, verbose=1)
    run_epochs(best, [0.5, 0.75, 0.5, math.nan])
    lines = capsys.readouterr().out.splitlines()
    path = tmp_path / "best.weights.h5"
    assert lines == [
        f"Epoch 1: val_score 0.5 is the best so far; saving the weights to {path}",
        f"Epoch 2: val_score 0.75 is the best so far, previously 0.5; saving the weights to {path}",
        "Epoch 3: val_score 0.5 did not improve on epoch 2, val_score 0.75; waited 1 of 2 epochs",
        "Epoch 4: val_score nan did not improve on epoch 2, val_score 0.75; waited 2 of 2 epochs",
        "Epoch 4: stopping early",
        "Restored the weights of epoch 2, val_score 0.75",
    ]


@pytest.mark.slow
def test_lines_stand_below_the_progress_bar(tmp_path, capsys):
    best = BestWeightsEarlyStopping(tmp_path / "best.weights.h5", "loss", verbose=1)
    shared_dropout_model().fit(*make_data(60), epochs=1, verbose=1, callbacks=[best])
    assert any(line.startswith("Epoch 1: loss ") for line in capsys.readouterr().out.splitlines())


def test_a_copy_has_a_life_of_its_own(tmp_path):
    best = best_callback(tmp_path)
    run_epochs(best, [0.5])
    copied = copy.deepcopy([best])[0]
    assert copied._best_weights is best._best_weights
    run_epochs(copied, [0.9, 0.95])
    assert (best.best, copied.best) == (0.5, 0.95)


def test_the_state_has_a_version(tmp_path):
    best = best_callback(tmp_path)
    run_epochs(best, [0.5, 0.75, 0.5])
    state = best.state_dict()
    assert {name: state[name] for name in ("version", "best", "best_epoch", "wait", "mode")} == {
        "version": 1, "best": 0.75, "best_epoch": 1, "wait": 1, "mode": "max",
    }  # fmt: skip
    other = best_callback(tmp_path / "other")
    other.load_state_dict(state)
    assert other.state_dict() == state
    match = "another version of BestWeightsEarlyStopping: 'version' is 0 in the state and 1 here"
    with pytest.raises(ValueError, match=match):
        other.load_state_dict({**state, "version": 0})


def test_the_repr_does_not_grow_with_the_model():
    best = BestWeightsEarlyStopping("models/best.weights.h5")
    expected = (
        "BestWeightsEarlyStopping('models/best.weights.h5', monitor='val_accuracy', patience=5)"
    )
    assert repr(best) == expected
    best._best_weights = [np.zeros(10_000)]
    assert repr(best) == expected


def test_listed_before_a_custom_validation_is_an_error_after_one_epoch(tmp_path):
    x, y = make_data(20)
    epochs = []
    callbacks = [
        BestWeightsEarlyStopping(tmp_path / "a.weights.h5"),
        AddValidation(),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch)),
    ]
    with pytest.raises(ValueError, match="List WeightedValidation before BestWeights"):
        shared_classifier().fit(x, y, epochs=9, verbose=0, callbacks=callbacks)
    assert epochs == [0]
