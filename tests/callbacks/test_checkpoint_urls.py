"""Checkpoints behind a URL: whole or absent, of one training at a time, without its options."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import warnings

import keras
import numpy as np
import pytest

from keras_bigdata import ResumeTraining, ShardSequence, StorageError
from keras_bigdata.callbacks.resuming import checkpoint_owner as _checkpoint_owner
from keras_bigdata.callbacks.resuming.checkpoint_file import encode
from keras_bigdata.callbacks.resuming.checkpoint_url import checkpoints_in
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.requests import request
from tests.helpers.tiny_training import Kill, Killed, tiny_fit
from tests.helpers.unindexed_pickles import ROLES

fsspec = pytest.importorskip("fsspec")
DRIVER = type(fsspec.filesystem("memory"))
SECRET = "a-secret-key-of-the-store"


@pytest.fixture
def url(tmp_path):
    found = f"memory://checkpoints-{tmp_path.name}/run"
    yield found
    if RemotePath(found).list_sizes():
        fsspec.filesystem("memory").rm(found, recursive=True)


def names(url):
    return sorted(RemotePath(url).list_sizes())


def write_all(checkpoints, *documents):
    checkpoints.open()
    for document in documents:
        checkpoints.write(encode(document))
    checkpoints.close()
    return checkpoints.pop_error()


def other_owner(**changes):
    """The file of a training of another process."""
    entry = {"owner": "1", "process": "process 7 on far", "pid": 7, "machine": "m", "started": 1}
    return json.dumps({**entry, **changes}).encode()


class Call(keras.callbacks.Callback):
    """Calls a function before a batch."""

    def __init__(self, batch, function):
        super().__init__()
        self.left, self.function = batch, function

    def on_train_batch_begin(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            self.function()

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


@pytest.mark.slow
def test_a_killed_training_ends_as_if_never_killed(tmp_path, url, shards):
    data = shards([40])
    expected, whole = tiny_fit(tmp_path / "whole", data)
    left = sorted(os.listdir(tmp_path))
    with pytest.raises(Killed):
        tiny_fit(url, data, [Kill(8)])
    assert "running.json" in names(url)
    assert len(names(url)) in (3, 4)  # the oldest checkpoint may be about to be removed
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The list of callbacks")
        found, resumed = tiny_fit(url, data)
    assert found == expected
    assert resumed.history == whole.history
    assert sorted(os.listdir(tmp_path)) == left
    assert [name.split("-")[0] for name in names(url)] == ["checkpoint"] * 2


def test_the_newest_two_are_kept_and_nothing_else_is_removed(url):
    (RemotePath(url) / "notes.txt").write_bytes(b"mine")
    (RemotePath(url) / "below" / "checkpoint-00000001.npz").write_bytes(b"mine")
    checkpoints = checkpoints_in(RemotePath(url))
    assert checkpoints.read_newest() is None
    assert write_all(checkpoints, *({"n": n, "x": np.arange(999)} for n in range(4))) is None
    newest = ["checkpoint-00000003.npz", "checkpoint-00000004.npz"]
    assert names(url) == ["below/checkpoint-00000001.npz", *newest, "notes.txt"]
    other = checkpoints_in(RemotePath(url))
    assert other.read_newest()["n"] == 3
    damaged = bytearray((RemotePath(url) / newest[1]).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (RemotePath(url) / newest[1]).write_bytes(bytes(damaged))
    with pytest.warns(UserWarning, match=rf"{url}/checkpoint-00000004.npz is damaged"):
        assert other.read_newest()["n"] == 2
    (RemotePath(url) / newest[0]).write_bytes(b"")
    with pytest.raises(ValueError, match=rf"Delete {url} to start the training again"):
        other.read_newest()


def fail_to_write(monkeypatch, is_failing):
    original = DRIVER.pipe_file

    def pipe_file(self, path, value, **options):
        if is_failing(path):
            raise OSError(f"refused for {SECRET}")
        original(self, path, value, **options)

    monkeypatch.setattr(request, "PAUSES", (0,))
    monkeypatch.setattr(DRIVER, "pipe_file", pipe_file)


def test_an_upload_that_fails_keeps_the_former_checkpoint(url, monkeypatch):
    path = RemotePath(url)
    write_all(checkpoints_in(path), {"n": 1})
    fail_to_write(monkeypatch, lambda name: "checkpoint" in name.rpartition("/")[2])
    error = write_all(checkpoints_in(path), {"n": 2})
    assert isinstance(error, StorageError)
    text = rf"No checkpoint could be written to {url}: {url}/checkpoint-00000002.npz: cannot be "
    with pytest.raises(StorageError, match=text):
        raise error
    monkeypatch.undo()
    assert checkpoints_in(path).read_newest()["n"] == 1
    assert names(url) == ["checkpoint-00000001.npz"]


@pytest.mark.slow
def test_a_first_upload_that_fails_ends_the_training_and_a_later_one_warns(
    url, shards, monkeypatch
):
    data, accepted = shards([40]), 0

    def is_refused(name):
        nonlocal accepted
        if not name.endswith(".npz"):
            return False
        accepted -= 1
        return accepted < 0

    fail_to_write(monkeypatch, is_refused)
    with pytest.raises(StorageError, match=rf"No checkpoint could be written to {url}"):
        tiny_fit(url, data)
    accepted = 1
    with pytest.warns(UserWarning, match=rf"{url}: .*The last checkpoint is kept"):
        _, history = tiny_fit(url, data)
    assert history.epoch == [0, 1]
    assert checkpoints_in(RemotePath(url)).read_newest() is not None


def test_a_store_that_cannot_be_written_is_found_before_training(url, shards, monkeypatch):
    fail_to_write(monkeypatch, lambda name: True)
    with pytest.raises(StorageError, match=rf"{url}/running\.json: cannot be written"):
        tiny_fit(url, shards([40]), [Kill(1)])


def test_a_bucket_that_does_not_exist_is_named(url, monkeypatch):
    def missing(self, *arguments, **options):
        raise FileNotFoundError("NoSuchBucket")

    monkeypatch.setattr(DRIVER, "pipe_file", missing)
    with pytest.raises(StorageError, match=rf"{url}/running.json: cannot be written: the bucket"):
        checkpoints_in(RemotePath(url)).open()
    with pytest.raises(StorageError, match=rf"{url}/a: cannot be written: the bucket"):
        RemotePath(f"{url}/a").upload(__file__)


# ---- Two trainings


def test_a_training_that_was_taken_over_ends_and_writes_nothing_more(url, shards):
    owner = RemotePath(url) / "running.json"
    found = []

    def take_over():
        owner.write_bytes(other_owner())
        found.extend(names(url))

    with pytest.raises(RuntimeError, match=r"taken over the checkpoints .*process 7 on far"):
        tiny_fit(url, shards([80]), [Call(5, take_over)])
    # One upload may have been under way.
    assert len(set(names(url)) - set(found)) <= 1
    assert json.loads(owner.read_bytes())["owner"] == "1"
    # The other one has ended: its file is removed, and nothing is written even so.
    checkpoints = checkpoints_in(RemotePath(url))
    checkpoints.open()
    owner.call("cannot be deleted", "rm_file")
    before = names(url)
    checkpoints.write(encode({"n": 1}))
    checkpoints.close()
    assert isinstance(checkpoints.pop_error(), _checkpoint_owner.TakenOverError)
    assert names(url) == before


@pytest.mark.skipif(_checkpoint_owner._machine() is None, reason="Linux")
def test_a_running_process_of_this_machine_is_not_taken_over_and_a_killed_one_is(url):
    path = RemotePath(url)
    with subprocess.Popen(["sleep", "60"]) as process:
        entry = {
            **{"owner": "1", "process": "process A", "pid": process.pid},
            **{"machine": _checkpoint_owner._machine()},
            "started": _checkpoint_owner._start_time(process.pid),
        }
        (path / "running.json").write_bytes(json.dumps(entry).encode())
        with pytest.raises(RuntimeError, match=r"Another process is training .*: process A\."):
            checkpoints_in(path).open()
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie does not train
        assert write_all(checkpoints_in(path), {"n": 1}) is None
    # Another machine, a container with other process numbers, another start, a damaged file.
    for changes in ({"machine": "m"}, {"started": 1}, {"pid": "x"}):
        running = {**entry, "pid": os.getppid()}
        (path / "running.json").write_bytes(json.dumps({**running, **changes}).encode())
        assert write_all(checkpoints_in(path), {"n": 1}) is None
    (path / "running.json").write_bytes(b"[")
    assert write_all(checkpoints_in(path), {"n": 1}) is None


# ---- What is shown and stored


@pytest.mark.slow
def test_options_are_neither_stored_nor_shown(url, shards):
    train = ShardSequence(shards([16]), 8, **ROLES)
    options = {"key": SECRET, "skip_instance_cache": True}
    resume = ResumeTraining(url, train, every=0, storage_options=options)
    assert repr(resume) == f"ResumeTraining('{url}', every=0.0)"
    callbacks = resume.around()
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(train, epochs=1, shuffle=False, verbose=0, callbacks=callbacks)
    stored = fsspec.filesystem("memory").store
    files = [path for path in stored if path.startswith("/" + url.removeprefix("memory://"))]
    assert len(files) == 2
    for path in files:
        assert SECRET.encode() not in stored[path].getvalue()


def test_uploads_take_at_most_a_tenth_of_the_time(url, monkeypatch):
    checkpoints = checkpoints_in(RemotePath(url))
    checkpoints._upload_seconds = 0
    now = iter([100.0, 130.0])
    monkeypatch.setattr(
        "keras_bigdata.callbacks.resuming.checkpoint_url.time.perf_counter", lambda: next(now)
    )
    assert write_all(checkpoints, {"n": 1}) is None
    assert checkpoints.write_seconds == pytest.approx(3.0)  # the interval is 100 times that
