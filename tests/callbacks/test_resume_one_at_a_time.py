"""A directory of checkpoints serves one training at a time, of one process and of one thread."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading

import keras
import pytest

from keras_bigdata import ShardSequence
from keras_bigdata.callbacks.resuming.checkpoint_directory import CheckpointDirectory
from tests.helpers.tiny_training import Kill, Killed, tiny, tiny_fit
from tests.helpers.unindexed_pickles import ROLES


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


@pytest.mark.slow
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
