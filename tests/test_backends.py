"""The tests that concern a backend, on each backend that is installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

FILES = [
    "loading/test_epochs.py",
    "loading/test_epochs_advance.py",
    "loading/test_exactly_once.py",
    "keras_internals",
    "loading/test_recycled_memory.py",
    "legacy/test_callbacks.py",
    "legacy/test_failing_sources.py",
    "legacy/test_fit.py",
    "legacy/test_install.py",
    "legacy/test_sources.py",
    "callbacks/test_replace_training_loop.py",
    "callbacks/test_checkpoint_files.py",
    "callbacks/test_resume.py",
    "callbacks/test_resume_dataset.py",
    "callbacks/test_resume_one_at_a_time.py",
    "callbacks/test_resume_refused.py",
    "loading/test_dataset_place.py",
    "loading/test_sequence.py",
    "loading/test_sequence_surroundings.py",
    "loading/test_transform.py",
    "loading/test_transform_keys.py",
    "loading/test_bad_shards.py",
    "loading/test_ragged_rows.py",
    "loading/test_class_weights.py",
    "loading/test_class_sample_weights.py",
]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_on_another_backend(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    tests = Path(__file__).parent
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        + ["-m", "not slow or every_backend"]
        + [str(tests / file) for file in FILES],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=tests.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-2000:]
