"""`WeightedValidation` among the arguments and callbacks of `fit`."""

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
from tests.helpers.paths import ROOT, WITHOUT_TENSORFLOW
from tests.helpers.small_models import (
    Chain,
    LargestError,
    classifier,
    make_data,
    shared_classifier,
    shared_dropout_model,
    two_outputs,
    validate,
)


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


@pytest.mark.slow
def test_names_that_would_mean_two_things_are_refused():
    losses = ["categorical_crossentropy", "mse"]
    model = two_outputs(losses, [["accuracy"], []], run_eagerly=True)
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_on_the_other_backends(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.callbacks_on_backend", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(WITHOUT_TENSORFLOW)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == ["done", backend]
