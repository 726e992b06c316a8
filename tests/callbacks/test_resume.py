from __future__ import annotations

import contextlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_bigdata import BestWeightsEarlyStopping, ResumeTraining, ScoreLog, ShardSequence
from keras_bigdata.callbacks import (
    _checkpoint_directory,
    _checkpoint_file,
    _resumable_fit,
    resume_training,
)
from keras_bigdata.callbacks._checkpoint_directory import CheckpointDirectory
from keras_bigdata.callbacks._checkpoint_schedule import CheckpointSchedule
from tests.conftest import ROLES
from tests.helpers.paths import ROOT
from tests.helpers.resumed_training import prepare, run
from tests.helpers.reused import reused

BACKEND = keras.backend.backend()


class Killed(Exception):
    pass


class Kill(keras.callbacks.Callback):
    """Raises an exception in a hook after some batches, in place of a kill of the process."""

    def __init__(self, batches, hook="on_train_batch_begin"):
        super().__init__()
        self.left = batches
        self.hook = hook

    def on_train_batch_begin(self, batch, logs=None):
        self.left -= 1
        self._kill("on_train_batch_begin")

    def on_epoch_end(self, epoch, logs=None):
        self._kill("on_epoch_end")

    def _kill(self, hook):
        if self.left <= 0 and hook == self.hook:
            raise Killed

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def tiny():
    keras.utils.clear_session()
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(), "mse")
    return model


shared_tiny = reused(tiny)


def tiny_fit(folder, data, callbacks=(), epochs=2, model=None, every=0, **arguments):
    """Trains a model that all calls share. Returns its variables in the end, and the history."""
    model = model or shared_tiny()
    train = ShardSequence(data, **{"batch_size": 8, "workers": 0, "seed": 1, **ROLES, **arguments})
    resume = ResumeTraining(folder, train, every=every)
    listed = resume.around(list(callbacks))
    history = model.fit(train, epochs=epochs, shuffle=False, verbose=0, callbacks=listed)
    return values(model), history


def values(model):
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    return [np.array(keras.ops.convert_to_numpy(v)).tobytes() for v in variables]


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


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A directory with the checkpoint of a finished epoch, and its data."""
    from tests.conftest import write_shards

    folder = tmp_path_factory.mktemp("begun")
    data = write_shards(folder / "data", [20, 20])
    tiny_fit(folder / "checkpoints", data, epochs=1)
    return folder / "checkpoints", data


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"batch_size": 4}, "batch_size is 8 in the checkpoint and 4 here"),
        ({"seed": 2}, "seed is 1 in the checkpoint and 2 here"),
        ({"shuffle": "global"}, "shuffle is 'window' in the checkpoint and 'global' here"),
        ({"last_batch": "drop"}, "last_batch is 'keep' in the checkpoint and 'drop' here"),
        ({"targets": "x"}, "targets is \"'id'\" in the checkpoint and \"'x'\" here"),
    ],
)
def test_another_order_is_refused_with_both_values(begun, changed, match):
    with pytest.raises(ValueError, match=match):
        tiny_fit(*begun, **changed)


def test_other_data_is_refused_with_both_values(begun, shards):
    with pytest.raises(ValueError, match="num_samples is 40 in the checkpoint and 41 here"):
        tiny_fit(begun[0], shards([20, 21]))
    with pytest.raises(
        ValueError, match=r"fingerprint of the shards is '.*' in the checkpoint and '.*' here"
    ):
        tiny_fit(begun[0], shards([21, 19]))


def test_another_model_is_refused_with_both_values(begun):
    other = tiny()
    other.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"'Adam' in the checkpoint and 'SGD' here, learning_rate"):
        tiny_fit(*begun, model=other)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    other.compile("adam", "mse")
    with pytest.raises(
        ValueError, match=r"of shape \(.*\) and dtype \w+ in the checkpoint and .* here"
    ):
        tiny_fit(*begun, model=other)


def test_where_keras_has_no_initial_epoch_the_argument_is_named(begun, monkeypatch):
    monkeypatch.setattr(resume_training, "set_initial_epoch", lambda model, epoch: None)
    with pytest.raises(ValueError, match=r"of epoch 1, and `fit` begins with epoch 0.*_epoch=1\."):
        tiny_fit(*begun)


def test_where_the_arguments_of_fit_are_not_seen_they_are_named(begun, monkeypatch):
    monkeypatch.setattr(_resumable_fit, "fit_input", lambda: None)
    with pytest.warns(UserWarning, match=r"cannot see the arguments .* shuffle=False"):
        tiny_fit(*begun, epochs=1)


def test_the_repr_names_the_directory(tmp_path, shards):
    resume = ResumeTraining("checkpoints", ShardSequence(shards([20]), 4, **ROLES), every=30)
    assert repr(resume) == "ResumeTraining('checkpoints', every=30.0)"
    assert "every=None" in repr(ResumeTraining("checkpoints", resume.sequence))


def test_a_random_seed_is_taken_from_the_checkpoint(begun):
    _, history = tiny_fit(*begun, seed=None, epochs=1)
    assert history.epoch == [0]


@pytest.mark.slow
def test_fewer_epochs_than_were_begun_are_refused(tmp_path, shards):
    data = shards([40])
    with pytest.raises(Killed):
        tiny_fit(tmp_path / "c", data, [Kill(15)], epochs=3)
    with pytest.raises(ValueError, match=r"killed in epoch \d\. Pass at least that many"):
        tiny_fit(tmp_path / "c", data, [Kill(15)], epochs=1)


def test_what_cannot_be_exact_is_refused_with_advice(tmp_path, shards):
    train = ShardSequence(shards([20]), 4, **ROLES)
    resume = ResumeTraining(tmp_path / "c", train)
    with pytest.raises(ValueError, match="BackupAndRestore"):
        resume.around([keras.callbacks.BackupAndRestore(tmp_path / "backup")])
    with pytest.raises(ValueError, match="ResumeTraining would"):
        resume.around([resume])
    model = shared_tiny()
    with pytest.raises(ValueError, match="around"):
        model.fit(train, verbose=0, shuffle=False, callbacks=[resume])
    callbacks = resume.around()
    with pytest.raises(ValueError, match="shuffle=False"):
        model.fit(train, verbose=0, callbacks=callbacks)
    with pytest.raises(ValueError, match=r"ShardSequence instead\. Received: steps_per_epoch=3"):
        model.fit(train, verbose=0, shuffle=False, steps_per_epoch=3, callbacks=callbacks)
    with pytest.raises(ValueError, match="received different sequences"):
        model.fit(ShardSequence(train.index, 4, **ROLES), shuffle=False, callbacks=callbacks)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"sequence": [1]}, TypeError, "sequence of type list"),
        ({"every": "often"}, TypeError, "every='often'"),
        ({"every": True}, TypeError, "every=True"),
        ({"every": -1}, ValueError, "every=-1"),
        ({"every": float("nan")}, ValueError, "every=nan"),
        ({"directory": "s3://bucket/c"}, ValueError, "URL"),
        ({"directory": Path("s3://bucket/c")}, ValueError, "URL"),
        ({"directory": __file__}, ValueError, "not a file"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, shards, arguments, error, match):
    sequence = ShardSequence(shards([4]), 4, **ROLES)
    arguments = {"directory": tmp_path, "sequence": sequence, **arguments}
    with pytest.raises(error, match=match):
        ResumeTraining(**arguments)


def test_callbacks_whose_state_is_unknown_are_named(tmp_path, shards):
    class Counts(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.count = 0

    class Bare(keras.callbacks.Callback):
        pass

    class Patient(keras.callbacks.EarlyStopping):
        pass

    resume = ResumeTraining(tmp_path / "c", ShardSequence(shards([20]), 4, **ROLES))
    known = [
        Bare(),
        Kill(1),
        BestWeightsEarlyStopping(tmp_path / "b.weights.h5"),
        ScoreLog(tmp_path / "s"),
        keras.callbacks.CSVLogger(tmp_path / "l.csv"),
        keras.callbacks.EarlyStopping(),
        keras.callbacks.ModelCheckpoint(tmp_path / "m.keras"),
        keras.callbacks.ReduceLROnPlateau(),
        keras.callbacks.TerminateOnNaN(),
    ]
    assert resume.around(known) == [resume, *known]
    with pytest.warns(UserWarning, match="state of Counts, LambdaCallback, Patient, TensorBoard:"):
        resume.around(
            [
                Counts(),
                *known,
                Patient(),
                keras.callbacks.TensorBoard(tmp_path),
                keras.callbacks.LambdaCallback(on_epoch_end=print),
            ]
        )


def test_a_changed_list_of_callbacks_is_a_warning(begun, tmp_path):
    with pytest.warns(UserWarning, match=r"Added, without a saved state: \['CSVLogger'\]"):
        tiny_fit(*begun, [keras.callbacks.CSVLogger(tmp_path / "l.csv")], epochs=1)


@pytest.mark.slow
def test_the_state_of_a_callback_that_cannot_be_stored_is_an_error(tmp_path, shards):
    class Odd(Kill):
        def state_dict(self):
            return {"things": [object()]}

    with pytest.raises(TypeError, match=r"callbacks.*things.*of type object"):
        tiny_fit(tmp_path / "c", shards([40]), [Odd(100)])


# ---- Files


def test_a_document_comes_back_bit_for_bit(tmp_path):
    import ml_dtypes

    document = {
        "plain": [None, True, -3, 0.1, float("inf"), "ü", b"\x00\xff", 2**70],
        "tuple": (1, ("a", [2.5])),
        "numbers": {1: "a", (2, 3): np.float32(0.1)},
        "!": {"odd": np.float64(-0.0)},
        "arrays": [
            np.arange(6, dtype=np.uint32).reshape(2, 3),
            np.array(1.5),
            np.zeros((0, 3), np.int64),
            np.array([np.nan, 1e-320]),
            np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            np.array([1, 2], ml_dtypes.bfloat16),
            np.array([[1, -2]], ml_dtypes.float8_e5m2),
            np.array([1, 2], ml_dtypes.float8_e4m3fn),
            np.array(3, ml_dtypes.int4),
            np.array(["a", "bc"]),
            np.array([1, 2], ">f4"),
            np.array([True, False]),
        ],
        "tensor": keras.ops.convert_to_tensor([1.0, 2.0]),
    }
    path = tmp_path / "checkpoint-00000001.npz"
    encoded = _checkpoint_file.encode(document)
    document["arrays"][0][:] = 9  # as training changes it meanwhile
    _checkpoint_file.write(path, encoded)
    found = _checkpoint_file.read(path)
    assert found["plain"] == document["plain"]
    assert found["tuple"] == document["tuple"]
    assert found["numbers"] == document["numbers"]
    assert type(found["numbers"][2, 3]) is np.float32
    assert type(found["!"]["odd"]) is np.float64
    assert np.signbit(found["!"]["odd"])
    np.testing.assert_array_equal(found["arrays"][0], [[0, 1, 2], [3, 4, 5]])
    for left, right in zip(found["arrays"][1:], document["arrays"][1:], strict=True):
        assert (left.dtype, left.shape) == (right.dtype, right.shape)
        assert left.tobytes() == right.tobytes()
    assert found["tensor"].tolist() == [1.0, 2.0]
    assert found["arrays"][0].flags.writeable


@pytest.mark.parametrize("value", [object(), {1, 2}, np.array([object()]), print])
def test_what_is_not_plain_is_refused_with_its_place(value):
    with pytest.raises(TypeError, match=r"\['a'\]\[1\]"):
        _checkpoint_file.encode({"a": [0, value]})


def test_a_checkpoint_is_an_ordinary_npz_file(tmp_path):
    path = tmp_path / "checkpoint-00000001.npz"
    weights = np.arange(6.0).reshape(2, 3)
    _checkpoint_file.write(path, _checkpoint_file.encode({"epoch": 3, "weights": weights}))
    with np.load(path, allow_pickle=False) as archive:
        document = json.loads(archive["document"].tobytes())
        assert document == {"epoch": 3, "weights": {"!": "array", "number": 0}}
        np.testing.assert_array_equal(archive["0"], weights)


def test_no_flipped_bit_changes_a_value(tmp_path):
    path = tmp_path / "checkpoint-00000001.npz"
    document = {"n": 3, "x": np.arange(20.0), "b": b"bytes"}
    _checkpoint_file.write(path, _checkpoint_file.encode(document))
    content = path.read_bytes()
    errors = 0
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            found = _checkpoint_file.read(path)
        except (ValueError, OSError):
            errors += 1
            continue
        np.testing.assert_array_equal(found.pop("x"), document["x"])
        assert found == {"n": 3, "b": b"bytes"}
    assert errors > len(content) / 2  # the others are dates and permissions in the archive


@pytest.mark.parametrize(
    "content",
    [b"", b"not an archive", pickle.dumps({"n": 1}), b"cos\nsystem\n(S'touch ran'\ntR."],
)
def test_another_file_is_not_a_checkpoint(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "checkpoint-00000001.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged or is not a checkpoint"):
        _checkpoint_file.read(path)
    np.savez_compressed(path, document=np.zeros(10**6, np.uint8))
    with pytest.raises(ValueError, match="members are larger than the file"):
        _checkpoint_file.read(path)
    assert os.listdir(tmp_path) == [path.name]


def write_all(directory, *documents):
    directory.open()
    for document in documents:
        directory.write(_checkpoint_file.encode(document))
    directory.close()
    assert directory.pop_error() is None


def test_the_newest_two_are_kept_and_a_damaged_one_gives_way(tmp_path):
    directory = CheckpointDirectory(tmp_path / "c")
    write_all(directory, *({"n": n, "x": np.arange(999)} for n in range(4)))
    newest = sorted((tmp_path / "c").glob("checkpoint-*"))
    assert len(newest) == 2
    assert directory.read_newest()["n"] == 3
    content = bytearray(newest[1].read_bytes())
    content[len(content) // 2] ^= 1
    newest[1].write_bytes(content)
    with pytest.warns(UserWarning, match="00000004.npz is damaged"):
        assert directory.read_newest()["n"] == 2
    newest[0].write_bytes(b"")
    with pytest.raises(ValueError, match="to start the training again"):
        directory.read_newest()
    write_all(directory, {"n": 9})
    assert directory.read_newest()["n"] == 9


def test_a_checkpoint_of_a_former_format_is_named(tmp_path, shards):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "checkpoint-00000001.zip").write_bytes(b"PK")
    match = r"checkpoint-00000001\.zip is a checkpoint of format 1.*format 2 \(checkpoint-\*\.npz\)"
    with pytest.raises(ValueError, match=match):
        tiny_fit(tmp_path / "c", shards([20]))
    assert sorted(os.listdir(tmp_path / "c")) == [".lock", "checkpoint-00000001.zip"]
    write_all(CheckpointDirectory(tmp_path / "d"), {"version": 3})
    with pytest.raises(ValueError, match=r"of format 3, and this version .* reads format 2"):
        tiny_fit(tmp_path / "d", shards([20]))


def test_leftovers_of_a_kill_are_removed(tmp_path):
    (tmp_path / ".tmp-12345678-checkpoint-00000002.npz").write_bytes(b"incomplete")
    (tmp_path / "notes.txt").write_text("mine")
    directory = CheckpointDirectory(tmp_path)
    write_all(directory, {"n": 1})
    assert sorted(os.listdir(tmp_path)) == [".lock", "checkpoint-00000001.npz", "notes.txt"]


def test_two_writes_are_never_under_way_together(tmp_path, monkeypatch):
    running, most = 0, 0
    write = _checkpoint_file.write

    def slow(path, encoded):
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.02)
        write(path, encoded)
        running -= 1

    monkeypatch.setattr(_checkpoint_file, "write", slow)
    directory = CheckpointDirectory(tmp_path)
    write_all(directory, *({"n": n} for n in range(4)))
    assert most == 1
    assert directory.read_newest()["n"] == 3


@pytest.mark.skipif(os.name == "nt", reason="Windows has no flock")
def test_another_process_is_kept_out_and_this_one_is_not(tmp_path):
    directory = CheckpointDirectory(tmp_path)
    directory.open()
    other = CheckpointDirectory(tmp_path)
    other.open()  # takes over from a training of this process that ended with an exception
    code = (
        "import fcntl, sys, time\n"
        f"file = open({str(tmp_path / '.lock')!r}, 'ab')\n"
        "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "print('locked', flush=True)\n"
        "time.sleep(60)"
    )
    script = [sys.executable, "-c", code]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert "BlockingIOError" in done.stderr
    other.close()
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(RuntimeError, match="Another process is training"):
            directory.open()
        process.kill()
    directory.open()  # the system released the lock of the killed process
    directory.close()


@pytest.mark.slow
def test_a_training_in_another_thread_is_refused_while_it_runs(tmp_path, shards):
    data = shards([40])
    reached, go_on = threading.Event(), threading.Event()

    class Wait(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            reached.set()
            assert go_on.wait(60)

        def state_dict(self):
            return {}

        def load_state_dict(self, state):
            pass

    failures = []

    def train(callback):
        try:
            tiny_fit(tmp_path / "c", data, [callback], model=tiny())
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=train, args=(Wait(),))
    thread.start()
    assert reached.wait(60)
    try:
        with pytest.raises(RuntimeError, match="Another thread of this process is training"):
            tiny_fit(tmp_path / "c", data, model=tiny())
    finally:
        go_on.set()
        thread.join()
    assert not failures
    # A training that ended with an exception in another thread does not count.
    thread = threading.Thread(target=train, args=(Kill(1),))
    shutil.rmtree(tmp_path / "c")
    thread.start()
    thread.join()
    assert isinstance(failures[0], Killed)
    _, history = tiny_fit(tmp_path / "c", data, model=tiny())
    assert history.epoch == [0, 1]


def test_a_later_training_of_another_thread_is_not_taken_for_one_that_has_ended(tmp_path, shards):
    """The frames of both had the same address: the directory was refused."""
    data, model = shards([40]), tiny()
    reached, go_on = threading.Event(), threading.Event()

    def train():
        with pytest.raises(Killed):
            tiny_fit(tmp_path / "ended", data, [Kill(1)], model=model)
        wait = keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs: (reached.set(), go_on.wait(60))
        )
        model.fit(ShardSequence(data, 8, **ROLES), verbose=0, shuffle=False, callbacks=[wait])

    thread = threading.Thread(target=train)
    thread.start()
    assert reached.wait(60)
    try:
        _, history = tiny_fit(tmp_path / "ended", data, model=tiny())
    finally:
        go_on.set()
        thread.join()
    assert history.epoch == [0, 1]


def test_a_checkpoint_that_fails_for_any_reason_is_reported(tmp_path, monkeypatch, shards):
    def fail(path, encoded):
        raise MemoryError

    monkeypatch.setattr(_checkpoint_file, "write", fail)
    with pytest.raises(RuntimeError, match=r"No checkpoint could be written to .*MemoryError"):
        tiny_fit(tmp_path / "c", shards([40]))


@pytest.mark.slow
def test_a_full_disk_is_an_error_at_first_and_a_warning_later(tmp_path, shards, monkeypatch):
    write = _checkpoint_file.write
    full_after = 0

    def sometimes(path, encoded):
        nonlocal full_after
        full_after -= 1
        if full_after < 0:
            raise OSError(28, "No space left on device")
        write(path, encoded)

    monkeypatch.setattr(_checkpoint_file, "write", sometimes)
    data = shards([40])
    with pytest.raises(OSError, match=r"No checkpoint could be written to .*No space left"):
        tiny_fit(tmp_path / "a", data)
    full_after = 1
    with pytest.warns(UserWarning, match=r"No space left.*The last checkpoint is kept"):
        _, history = tiny_fit(tmp_path / "b", data)
    assert history.epoch == [0, 1]
    assert CheckpointDirectory(tmp_path / "b").read_newest() is not None


def test_a_directory_that_cannot_be_written_is_found_before_training(tmp_path, shards, monkeypatch):
    def refused(*arguments, **keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(_checkpoint_directory.tempfile, "TemporaryFile", refused)
    with pytest.raises(PermissionError, match="Checkpoints cannot be written to"):
        tiny_fit(tmp_path / "c", shards([40]), [Kill(1)])


# ---- How often


def test_by_default_checkpoints_take_one_percent_of_the_time(monkeypatch):
    now = 100.0
    monkeypatch.setattr("keras_bigdata.callbacks._checkpoint_schedule.time.monotonic", lambda: now)
    schedule = CheckpointSchedule(None)
    assert schedule.is_due(0)
    schedule.restart(0.001)
    now += 9
    assert not schedule.is_due(0.002)
    now += 2
    assert schedule.is_due(0.002)
    schedule.restart(0.5)
    now += 99
    assert not schedule.is_due(0.5)
    now += 2
    assert schedule.is_due(0.5)
    schedule = CheckpointSchedule(3)
    schedule.restart(1.0)
    assert not schedule.is_due(1.0)
    now += 3
    assert schedule.is_due(1.0)


# ---- In full


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
    for kill in (Kill(2), Kill(5), Kill(6), Kill(9)):
        with contextlib.suppress(Killed):
            whole_run(killed, arguments(), kill)
    found = whole_run(killed, arguments(), Kill(1000))
    assert differences(found, expected) == {}


def whole_run(folder, arguments, kill):
    return run(folder, **{**arguments, "more": [*arguments["more"], kill]})


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL")
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_twenty_kills_at_random_moments_change_nothing(tmp_path, backend):
    pytest.importorskip(backend)
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.helpers.kill_resumed_training",
            str(tmp_path / "run"),
            "22",
            "1",
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            # A new run reads what the last one compiled.
            "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "jax"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    kills = int(result.stdout.split("killed ")[1].split()[0])
    assert kills >= 20
    assert "the same best weights in the end: True" in result.stdout
