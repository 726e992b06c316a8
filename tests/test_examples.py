"""The examples do what they say, run as a user runs them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import joblib
import keras
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="once is enough; they take a minute"
)


def run(name: str, folder: Path, *arguments: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / name), str(folder), *arguments],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.mark.slow
def test_quickstart_learns_and_says_so(tmp_path):
    told = run("quickstart.py", tmp_path)
    assert "packed 2600 samples into 11 shards" in told
    best = re.search(r"best epoch \d+: validation accuracy ([\d.]+)", told)
    chance = re.search(r"chance would be ([\d.]+)", told)
    assert best is not None
    assert chance is not None
    assert float(best[1]) > 5 * float(chance[1])
    assert str(tmp_path / "models/best.weights.h5") in told
    assert (tmp_path / "models/best.weights.h5").exists()


@pytest.mark.slow
def test_replace_training_loop_learns_and_logs(tmp_path):
    told = run("replace_training_loop.py", tmp_path)
    scores = joblib.load(tmp_path / "scores.joblib")
    assert len(scores["train"]) == len(scores["val"]) == told.count("Epoch ")
    assert max(scores["val"]) > 0.8


@pytest.mark.slow
def test_replace_keras_sequence_predicts_right(tmp_path):
    told = run("replace_keras_sequence.py", tmp_path)
    right = re.search(r"predicted 300 images, ([\d.]+) of them right", told)
    assert right is not None
    assert float(right[1]) > 0.9


@pytest.mark.slow
def test_with_keras_callbacks_logs_and_saves(tmp_path):
    pytest.importorskip("tensorboard")
    told = run("with_keras_callbacks.py", tmp_path)
    assert "val_large_accuracy,val_large_loss,val_loss" in told
    assert list(tmp_path.glob("*.keras"))
    assert list((tmp_path / "tensorboard").rglob("events*"))


@pytest.mark.slow
def test_from_image_data_generator_pays(tmp_path):
    told = run(
        "from_image_data_generator.py", tmp_path, "--pieces=50", "--epochs=10", "--variants=3"
    )
    assert "450 pieces, 10 epochs, 3 variants" in told
    live, stored = map(float, re.findall(r", ([\d.]+) s an epoch", told))
    assert stored < live
    assert re.search(r"break-even: at the end of epoch \d+", told)
    accuracies = re.search(r"validation accuracy: generator ([\d.]+), captured ([\d.]+)", told)
    chance = re.search(r"chance would be ([\d.]+)", told)
    assert accuracies is not None
    assert chance is not None
    assert min(map(float, accuracies.groups())) > 3 * float(chance[1])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_custom_loops_learn(tmp_path, backend):
    pytest.importorskip(backend)
    told = run("custom_loop.py", tmp_path, KERAS_BACKEND=backend)
    accuracies = re.findall(rf" on {backend}: validation accuracy ([\d.]+)", told)
    assert len(accuracies) == 2
    assert min(map(float, accuracies)) > 0.9


@pytest.mark.slow
def test_from_tf_data_is_faster_from_shards(tmp_path):
    told = run("from_tf_data.py", tmp_path, "--pieces=60", "--epochs=12")
    assert "240 images, 12 epochs" in told
    live, stored = map(float, re.findall(r", ([\d.]+) s an epoch", told))
    assert stored < live
    accuracies = re.search(r"validation accuracy: ([\d.]+) and ([\d.]+)", told)
    assert accuracies is not None
    assert min(map(float, accuracies.groups())) > 0.5  # chance: 0.25; measured: 0.73 to 0.93


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_resume_training_ends_the_same(tmp_path):
    told = run("resume_training.py", tmp_path)
    kills = re.search(r"killed (\d+) times", told)
    assert kills is not None
    assert int(kills[1]) >= 1
    for name in ("weights and optimizer", "History", "log.csv"):
        assert f"{name} equal: True" in told


@pytest.mark.slow
def test_compare_pipelines_prints_ratios(tmp_path):
    told = run("compare_pipelines.py", tmp_path, "--samples=512", "--rounds=1", "--seconds=0.1")
    ratios = re.findall(r"^(\S.*?) +[\d,]+ +[\d.]+ +([\d.]+)$", told, re.MULTILINE)
    assert [name for name, _ in ratios][:3] == [
        "ShardSequence",
        "ShardSequence.as_dataset()",
        "arrays in memory",
    ]
    assert len(ratios) >= 8  # and grain, where it is installed
    assert float(ratios[0][1]) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_image_and_mask_finds_coins(tmp_path):
    told = run("image_and_mask.py", tmp_path)
    assert "90 pairs in 8 variants" in told
    found = re.search(r"intersection over union ([\d.]+)", told)
    threshold = re.search(r"threshold on brightness: ([\d.]+)", told)
    assert found is not None
    assert threshold is not None
    assert float(found[1]) > float(threshold[1])
    assert (tmp_path / "pairs.png").exists()
