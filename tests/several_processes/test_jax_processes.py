"""Several processes that JAX connects train one model: on this machine, over loopback."""

import json
import os
import shutil
import time

import joblib
import numpy as np
import pytest

import keras_bigdata as kb
from keras_bigdata import Arrays
from keras_bigdata.callbacks.best_weights.best_weights_file import read_record
from tests.helpers.process_groups import ProcessGroup, run_together

pytest.importorskip("jax")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MODULE = "tests.helpers.jax_process"
ROWS = 101  # 6 batches of 16 rows, and one of 5


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("several") / "set"
    rows = np.arange(ROWS)
    source = Arrays(x=np.repeat(rows[:, None], 3, axis=1).astype("float32"), labels=rows % 3)
    kb.pack(source, path, shard_samples=17, verbose=0)
    return path


@pytest.fixture(scope="module")
def alone(directory, tmp_path_factory):
    """The results of one process."""
    out = tmp_path_factory.mktemp("alone")
    run_together(MODULE, 1, directory, out, "train", "drop", "callbacks")
    return out


def load(out, task, rank=0):
    with np.load(out / f"{task}.{rank}.npz") as archive:
        return dict(archive)


def assert_same_weights(ours, theirs):
    for name in (name for name in theirs if name[0] == "w" and name[1:].isdigit()):
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-5, err_msg=name)


def test_two_processes_train_validate_and_decide_as_one(directory, alone, tmp_path):
    tasks = ("refuse", "train", "drop", "callbacks", "1x2")
    texts = run_together(MODULE, 2, directory, tmp_path, *tasks)
    assert all("REFUSED" in text for text in texts)

    parts = [load(tmp_path, "train", rank) for rank in range(2)]
    for part in parts:
        assert_same_weights(part, load(alone, "train"))
        assert part["epoch"] == 3
    assert sorted(np.concatenate([part["ids"] for part in parts])) == list(range(ROWS))

    dropped = load(tmp_path, "drop")
    assert_same_weights(dropped, load(alone, "drop"))
    np.testing.assert_allclose(dropped["accuracy"], load(alone, "drop")["accuracy"], atol=1e-6)

    # With a (1, 2) mesh there is one copy of the model, so both processes serve all rows.
    whole = load(tmp_path, "1x2")
    assert whole["part"].tolist() == [0, 1]
    assert_same_weights(whole, load(alone, "train"))

    check_callbacks(tmp_path, alone, texts)


def check_callbacks(out, alone, texts):
    expected, parts = load(alone, "callbacks"), [load(out, "callbacks", rank) for rank in range(2)]
    figures = [name for name in expected if name.startswith("val_") and name != "val_score"]
    assert len(figures) == 16
    for name in figures:  # of unweighted metrics too: no row of a set is counted twice
        for part in parts:
            np.testing.assert_allclose(part[name], expected[name], atol=2e-6, err_msg=name)
    # Each process saw another `score`, and all stopped by that of the first.
    assert [part["stopped"] for part in parts] == [2, 2]
    assert [part["epochs"] for part in parts] == [3, 3]
    files = out / "files2"
    assert sorted(path.name for path in files.iterdir()) == ["best.weights.h5", "scores.pkl"]
    assert (read_record(files / "best.weights.h5").epoch, parts[1]["w1"].shape) == (1, (8,))
    scores = joblib.load(files / "scores.pkl")
    assert scores == {"train": [1.0, 3.0, 2.0], "val": [1.0, 3.0, 2.0]}
    for text in texts:
        assert "WARNED 1" in text
        assert "weighted_metrics" in text


def test_processes_that_differ_are_refused_and_divided_variables_are_resumed(directory, tmp_path):
    run_together(MODULE, 1, directory, tmp_path, "divided", tensorflow=True)
    alone = load(tmp_path, "divided")["loss"]
    texts = run_together(MODULE, 2, directory, tmp_path, "differ", "divided", tensorflow=True)
    assert all("DIFFER" in text for text in texts)
    assert not list(tmp_path.glob("never*"))
    for rank in range(2):
        np.testing.assert_allclose(load(tmp_path, "divided", rank)["loss"], alone, atol=1e-5)


def test_two_processes_of_two_devices_each(directory, alone, tmp_path, monkeypatch):
    # The last batch has 5 rows: it is padded to 8, two for each of four devices.
    monkeypatch.setitem(os.environ, "XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    run_together(MODULE, 2, directory, tmp_path, "train")
    parts = [load(tmp_path, "train", rank) for rank in range(2)]
    for part in parts:
        assert_same_weights(part, load(alone, "train"))
    assert sorted(np.concatenate([part["ids"] for part in parts])) == list(range(ROWS))


def test_four_processes_and_a_two_by_two_mesh(directory, alone, tmp_path):
    run_together(MODULE, 4, directory, tmp_path, "train", "2x2")
    parts = [load(tmp_path, "train", rank) for rank in range(4)]
    for part in parts:
        assert_same_weights(part, load(alone, "train"))
    assert sorted(np.concatenate([part["ids"] for part in parts])) == list(range(ROWS))
    replicas = [load(tmp_path, "2x2", rank) for rank in range(4)]
    assert [part["part"].tolist() for part in replicas] == [[0, 2], [0, 2], [1, 2], [1, 2]]
    for part in replicas:
        assert_same_weights(part, load(alone, "train"))


def test_a_killed_process_and_all_restarted(directory, alone, tmp_path, monkeypatch):
    group = ProcessGroup(MODULE, 2, directory, tmp_path, "resume")
    marks = tmp_path / "batches.1"
    stop = time.monotonic() + 200
    while not marks.exists() or marks.stat().st_size < 10:  # in the second epoch, of 7 batches
        assert time.monotonic() < stop, group.kill()
        time.sleep(0.02)
    group.kill()
    assert marks.stat().st_size < 21, "the training had ended"
    shutil.copytree(tmp_path / "checkpoints", tmp_path / "other" / "checkpoints")
    monkeypatch.setitem(os.environ, "FAST", "1")
    monkeypatch.setitem(os.environ, "ATTEMPT", "1")

    run_together(MODULE, 2, directory, tmp_path, "resume")
    parts = [load(tmp_path, "resume", rank) for rank in range(2)]
    for rank, part in enumerate(parts):
        assert_same_weights(part, load(alone, "train"))
        # The random numbers of each process go on: those that it was seeded with before the kill.
        np.testing.assert_array_equal(part["drawn"], np.random.RandomState(rank).rand(2))
    np.testing.assert_array_equal(parts[0]["loss"], parts[1]["loss"])
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 4

    # The same checkpoint is continued by one process.
    text = run_together(MODULE, 1, directory, tmp_path / "other", "resume")[0]
    assert "written by 2 processes" in text
    assert_same_weights(load(tmp_path / "other", "resume"), load(alone, "train"))


def test_all_processes_report_the_one_whose_input_is_slow(directory, tmp_path):
    tasks = ("input_report", "input_report_of_a_divided_model")
    texts = run_together(MODULE, 2, directory, tmp_path, *tasks)
    parts = [load(tmp_path, "input_report", rank) for rank in range(2)]
    for part in parts:
        np.testing.assert_array_equal(part["wait"], parts[0]["wait"])
        # Measured on a busy machine: 0.75 to 0.79, once 0.60 before. By itself, the first
        # process would report no waiting, and the model as the limit.
        assert part["wait"][-1] > 0.3
        assert (part["process"], part["limit"]) == (1, "transform")
        assert part["rows"] == 6 * 8 + 3  # half of a batch, and 3 of the 6 rows of the last one
    advice = [line for line in texts[0].splitlines() if line.startswith("InputReport")]
    assert "process 1 of 2: waited" in advice[-1], advice
    assert "InputReport" not in texts[1]
    (record,) = (tmp_path / "run").iterdir()
    assert [each["process"] for each in json.loads(record.read_text())["epochs"]] == [1, 1, 1]

    waits = [load(tmp_path, tasks[1], rank)["wait"] for rank in range(2)]
    np.testing.assert_array_equal(*waits)
    assert np.isfinite(waits).all()
