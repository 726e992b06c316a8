"""Several processes of torch in a loop, and several devices of TensorFlow in one process."""

import os
import subprocess
import sys

import numpy as np
import pytest

import keras_bigdata as kb
from keras_bigdata import Arrays
from tests.helpers.paths import ROOT
from tests.helpers.process_groups import run_together

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROWS = 101


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("several") / "set"
    rows = np.arange(ROWS)
    source = Arrays(x=np.repeat(rows[:, None], 3, axis=1).astype("float32"), labels=rows % 3)
    kb.pack(source, path, shard_samples=17, verbose=0)
    return path


def test_two_torch_processes_in_a_loop_train_as_one(directory, tmp_path):
    pytest.importorskip("torch")
    module = "tests.helpers.torch_process"
    results = {}
    for size in (1, 2):
        out = tmp_path / str(size)
        out.mkdir()
        run_together(module, size, directory, out, backend="torch")
        results[size] = [dict(np.load(out / f"torch.{rank}.npz")) for rank in range(size)]
    (one,) = results[1]
    for two in results[2]:
        for name in (name for name in one if name.startswith("arr")):
            np.testing.assert_allclose(two[name], one[name], atol=1e-5)
    ids = np.concatenate([two["ids"] for two in results[2]])
    assert sorted(ids) == sorted(one["ids"]) == list(range(ROWS))


def test_fit_of_two_torch_processes_trains_one_model_or_says_that_it_does_not(directory, tmp_path):
    """Keras 3.16 joins the processes of `torch.distributed`; 3.15 trains a model in each."""
    pytest.importorskip("torch")
    results = {}
    for size in (1, 2):
        out = tmp_path / str(size)
        out.mkdir()
        run_together("tests.helpers.torch_fit", size, directory, out, backend="torch")
        results[size] = [dict(np.load(out / f"fit.{rank}.npz")) for rank in range(size)]
    (one,) = results[1]
    for two in results[2]:
        np.testing.assert_array_equal(two["waits"], results[2][0]["waits"])
        assert two["epoch"] == one["epoch"] == 3
        for name in (name for name in one if name.startswith("arr")):
            if two["joined"]:
                np.testing.assert_allclose(two[name], one[name], atol=1e-5)


def test_a_mirrored_strategy_trains_as_one_device(directory):
    pytest.importorskip("tensorflow")
    result = subprocess.run(
        [sys.executable, "-m", "tests.helpers.mirrored_strategy", str(directory)],
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr[-3000:]
