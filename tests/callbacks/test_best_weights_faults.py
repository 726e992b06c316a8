"""A fault at any step of saving the best weights leaves the former ones, with an error."""

from __future__ import annotations

import os
import subprocess
import sys

import h5py
import pytest

from keras_bigdata import ScoreLog
from keras_bigdata.callbacks.best_weights import best_weights_file as _best_weights_file
from keras_bigdata.files import TEMPORARY_PREFIX, remove_leftovers, replace_file
from tests.helpers.paths import ROOT
from tests.helpers.small_models import TinyModel, best_callback, classifier, run_epochs


def epoch_of(directory):
    """Returns the epoch in the file, after checking that its weight is the same number."""
    with h5py.File(directory / "best.weights.h5") as file:
        epoch = int(file.attrs["epoch"])
        assert float(file["weight"][()]) == epoch
        return epoch


FULL = OSError(28, "No space left on device")
LOST = PermissionError(13, "Permission denied")
READ_ONLY = OSError(30, "Read-only file system")


@pytest.mark.parametrize(
    ("module", "name", "error"),
    [
        (os, "posix_fallocate", FULL),  # no space
        (_best_weights_file, "open", LOST),  # no file can be created
        (_best_weights_file, "open", READ_ONLY),
        (os, "fsync", FULL),  # the disk refuses what it had accepted
        (os, "fsync", OSError(5, "Input/output error")),
        (os, "replace", LOST),
    ],
)
def test_a_fault_leaves_the_former_best_and_names_the_file(
    tmp_path, monkeypatch, module, name, error
):
    if not hasattr(module, name) and module is os:
        pytest.skip(f"no os.{name}")
    best = best_callback(tmp_path)
    run_epochs(best, [0.5])

    class Break(TinyModel):
        def __setattr__(self, attribute, value):
            super().__setattr__(attribute, value)
            if value == 1:  # the second epoch
                monkeypatch.setattr(module, name, fail, raising=False)

    def fail(*arguments, **keywords):
        raise error

    match = (
        rf"epoch 2, the best so far, could not be .*{error.strerror}.*still holds the previous best"
    )
    with pytest.raises(type(error), match=match) as caught:
        run_epochs(best, [0.6, 0.9], model=Break())
    monkeypatch.undo()
    assert caught.value.errno == error.errno
    assert epoch_of(tmp_path) == 0
    assert os.listdir(tmp_path) == ["best.weights.h5"]
    assert best.best == 0.6


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_FSIZE and posix_fallocate")
def test_a_disk_that_is_full_at_any_byte_leaves_the_former_best(tmp_path):
    import resource

    model, path = classifier(), tmp_path / "best.weights.h5"
    _best_weights_file.write_best(path, model, _best_weights_file.BestRecord(0, "v", 1.0, "min", 0))
    old = path.read_bytes()
    new = _best_weights_file.BestRecord(1, "v", 0.5, "min", 0)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in [*range(0, len(old) + 1, 1999), len(old) - 1]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, unlimited[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                _best_weights_file.write_best(path, model, new)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        assert path.read_bytes() == old
        assert os.listdir(tmp_path) == ["best.weights.h5"]
    _best_weights_file.write_best(path, model, new)
    assert _best_weights_file.read_record(path) == new


def test_where_room_cannot_be_reserved_free_space_is_asked_for(tmp_path, monkeypatch):
    def unsupported(*arguments):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unsupported, raising=False)
    _best_weights_file.reserve_space(tmp_path / "a", 1000)
    with pytest.raises(OSError, match="bytes are free"):
        _best_weights_file.reserve_space(tmp_path / "b", 2**60)


def test_what_is_reserved_is_enough(tmp_path):
    for model in (classifier(), classifier(metrics=[])):
        path = tmp_path / "a.weights.h5"
        model.save_weights(path)
        assert path.stat().st_size <= _best_weights_file._max_file_size(model)


def test_another_process_that_begins_with_the_same_file_does_no_harm(tmp_path):
    attempts = []

    def write(temporary):
        attempts.append(temporary)
        temporary.write_text("complete")
        if len(attempts) < 4:
            remove_leftovers(tmp_path / "scores")

    replace_file(tmp_path / "scores", write)
    assert (tmp_path / "scores").read_text() == "complete"
    assert len(set(attempts)) == 4
    assert os.listdir(tmp_path) == ["scores"]


def test_a_directory_that_is_gone_is_an_error_at_once(tmp_path):
    attempts = []
    with pytest.raises(FileNotFoundError):
        replace_file(
            tmp_path / "gone" / "scores", lambda path: attempts.append(path.write_text(""))
        )
    assert not attempts


def test_two_score_logs_of_one_name_both_go_on(tmp_path, monkeypatch):
    import joblib

    path = tmp_path / "scores"
    dump = joblib.dump

    def interrupted(scores, temporary):
        dump(scores, temporary)
        if len(scores["train"]) == 1:
            monkeypatch.setattr(joblib, "dump", dump)
            ScoreLog(path).on_train_begin()  # the other training begins

    monkeypatch.setattr(joblib, "dump", interrupted)
    log = ScoreLog(path)
    log.on_train_begin()
    log.on_epoch_end(0, {"accuracy": 0.5, "val_accuracy": 0.25})
    assert joblib.load(path) == {"train": [0.5], "val": [0.25]}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL")
def test_kills_and_two_processes_never_leave_half_a_file(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "tests.helpers.kill_best_weights", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert "killed 20 times" in result.stdout
    assert "two processes wrote" in result.stdout
    assert not list(tmp_path.glob(f"{TEMPORARY_PREFIX}*"))
