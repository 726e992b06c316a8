"""A training that was killed ends as if it had never been killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest

import keras_bigdata as kb
from keras_bigdata.callbacks.resuming.checkpoint_directory import CheckpointDirectory
from tests.helpers.paths import ROOT
from tests.helpers.programs import environment_of
from tests.helpers.resumed_training import prepare, run
from tests.helpers.tiny_training import Kill, Killed, tiny, tiny_fit

BACKEND = keras.backend.backend()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    prepare(folder)
    return folder / "shards"


def copy_data(folder, data, name):
    shutil.copytree(data, folder / name / "shards")
    return folder / name


def differences(left, right):
    return {name: (left[name], right[name]) for name in left if left[name] != right[name]}


def run_to_the_end(folder, kills, **arguments):
    """Runs the training, with the given kills, until it ends. Returns its result."""
    for kill in kills:
        with pytest.raises(Killed):
            run(folder, more=[kill], **arguments)
    # A warning that the resumed epoch is short would be an error here.
    return run(folder, more=[Kill(1000)], **arguments)


@pytest.mark.slow
def test_killed_in_any_epoch_it_ends_as_if_never_killed(tmp_path, data):
    whole, killed = copy_data(tmp_path, data, "whole"), copy_data(tmp_path, data, "killed")
    expected = run(whole, more=[Kill(1000)], epochs=2)
    found = run_to_the_end(killed, [Kill(5)], epochs=2)
    assert differences(found, expected) == {}
    assert found["iterations"] == 18


@pytest.mark.slow
def test_a_finished_training_is_restored_and_trains_nothing(tmp_path, data):
    whole, killed = copy_data(tmp_path, data, "whole"), copy_data(tmp_path, data, "killed")
    expected = run(whole, more=[Kill(1000)], epochs=3)
    kills = [Kill(5), Kill(8), Kill(9, "on_epoch_end")]
    assert differences(run_to_the_end(killed, kills, epochs=3), expected) == {}
    assert differences(run(killed, more=[Kill(1)], epochs=3), expected) == {}


@pytest.mark.slow
def test_a_finished_training_goes_on_with_more_epochs(tmp_path, shards):
    data = shards([10, 10, 10])
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    expected, whole = tiny_fit(tmp_path / "b", data, [schedule], epochs=3)
    tiny_fit(tmp_path / "c", data, [schedule], epochs=2)
    found, longer = tiny_fit(tmp_path / "c", data, [schedule], epochs=3)
    assert found == expected
    assert longer.history == whole.history
    assert longer.epoch == [0, 1, 2]


@pytest.mark.slow
def test_a_training_that_stopped_early_stays_stopped(tmp_path, shards):
    data = shards([20])

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    first, history = tiny_fit(tmp_path / "c", data, [Stop()], epochs=5)
    model = tiny()
    second, again = tiny_fit(tmp_path / "c", data, [Stop()], epochs=9, model=model)
    assert history.epoch == again.epoch == [0, 1]
    assert history.history == again.history
    assert second == first
    # The next training of the model begins at epoch 0.
    plain = model.fit(np.ones((8, 3)), np.ones(8), epochs=1, verbose=0)
    assert plain.epoch == [0]


def test_ctrl_c_leaves_a_checkpoint_of_the_batch_that_ended(tmp_path, shards):
    data = shards([40])

    class Press(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 2:
                os.kill(os.getpid(), signal.SIGINT)

    expected, _ = tiny_fit(tmp_path / "whole", data, every=1000)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        tiny_fit(tmp_path / "c", data, [Press()], every=1000)
    assert signal.getsignal(signal.SIGINT) is before
    newest = CheckpointDirectory(tmp_path / "c").read_newest()
    assert newest["position"] == {"epoch": 0, "batch": 3, "ended": False, "stopped": False}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The list of callbacks")
        found, _ = tiny_fit(tmp_path / "c", data, every=1000)
    assert found == expected


@pytest.mark.slow
@pytest.mark.parametrize("which", ["schedule", "executions", "early", "validation", "ema"])
def test_other_ways_to_train_end_the_same(tmp_path, data, which):
    def arguments():
        found = {"more": [], "epochs": 3}
        if which == "schedule":
            found["rate"] = keras.optimizers.schedules.ExponentialDecay(0.02, 5, 0.9)
        if which == "executions":
            if BACKEND == "torch":
                pytest.skip("Keras has no steps_per_execution on torch")
            found["compiled"] = {"steps_per_execution": 2}
        if which == "early":
            found["more"] = [
                keras.callbacks.EarlyStopping("val_loss", patience=1, restore_best_weights=True)
            ]
            found["epochs"] = 6
        if which == "ema":
            found["rate"] = 0.01
            found["use_ema"] = True
        if which == "validation":
            found["validation"] = True
        return found

    whole, killed = copy_data(tmp_path, data, "whole"), copy_data(tmp_path, data, "killed")
    expected = whole_run(whole, arguments(), Kill(1000))
    # In the first epoch of 9 batches and in the second, after an odd and an even number.
    for kill in (Kill(5), Kill(6)):
        with contextlib.suppress(Killed):
            whole_run(killed, arguments(), kill)
    found = whole_run(killed, arguments(), Kill(1000))
    assert differences(found, expected) == {}


def whole_run(folder, arguments, kill):
    return run(folder, **{**arguments, "more": [*arguments["more"], kill]})


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL")
@pytest.mark.parametrize(("backend", "kills"), [("tensorflow", 6), ("jax", 5), ("torch", 4)])
def test_kills_at_random_moments_change_nothing(tmp_path, backend, kills):
    pytest.importorskip(backend)
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.helpers.kill_resumed_training",
            str(tmp_path / "run"),
            str(kills),
            "1",
        ],
        cwd=ROOT,
        env=environment_of(backend, tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert int(result.stdout.split("killed ")[1].split()[0]) >= kills - 2
    assert "the same best weights in the end: True" in result.stdout


class _Batches(keras.callbacks.Callback):
    """Counts both hooks of a batch, and sets the learning rate by the first."""

    def __init__(self):
        super().__init__()
        self.begun = self.ended = 0

    def on_train_batch_begin(self, batch, logs=None):
        self.begun += 1
        self.model.optimizer.learning_rate = 0.001 * self.begun

    def on_train_batch_end(self, batch, logs=None):
        self.ended += 1

    def state_dict(self):
        return {"begun": self.begun, "ended": self.ended}

    def load_state_dict(self, state):
        self.begun, self.ended = state["begun"], state["ended"]


@pytest.mark.slow
@pytest.mark.every_backend
@pytest.mark.parametrize("validation", ["none", "unshuffled", "3 batches"])
def test_a_resumed_epoch_is_logged_as_a_whole_one(tmp_path, validation):
    """TensorFlow counted a step without a batch in the losses of single outputs.

    Callbacks received an `on_train_batch_begin` too many, and a sequence of validation data began
    with its epoch 0 again.
    """
    rng = np.random.default_rng(0)
    fields = {"x": rng.random((70, 3), "float32"), "a": rng.random((70, 1)), "b": np.ones((70, 1))}
    data = tmp_path / "data"
    kb.pack(kb.Arrays(**fields, inputs="x", targets=("a", "b")), data, verbose=0)

    def train(folder, kill):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((3,))
        outputs = [keras.layers.Dense(1, name=name)(inputs) for name in "ab"]
        model = keras.Model(inputs, outputs)
        model.compile("sgd", ["mse", "mse"])
        sequence, batches = kb.ShardSequence(data, 16, seed=1), _Batches()
        validation_data = {
            "none": None,
            "unshuffled": sequence.unshuffled(),
            "3 batches": kb.ShardSequence(data, 16, seed=2, steps_per_epoch=3),
        }[validation]
        resume = kb.ResumeTraining(folder, sequence, every=0)
        history = model.fit(
            sequence,
            epochs=3,
            shuffle=False,
            verbose=0,
            validation_data=validation_data,
            callbacks=resume.around([batches, Kill(kill)]),
        )
        weights = [np.array(weight).tolist() for weight in model.get_weights()]
        return history.history, weights, batches.begun, batches.ended, sequence.epoch

    expected = train(tmp_path / "whole", 1000)
    with pytest.raises(Killed):
        train(tmp_path / "killed", 8)
    assert train(tmp_path / "killed", 1000) == expected
    assert expected[2:] == (15, 15, 3)
