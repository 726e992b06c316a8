"""Runs the measurement of what `InputReport` costs with few rows, and checks what it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import keras
import pytest

from tests.helpers.paths import ROOT


@pytest.mark.slow
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="it is not run on every backend"
)
def test_input_report_cost_prints_ratios(tmp_path):
    # Without oneDNN, which tests of small models turn off, convolutions take several times as long.
    inherited = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    options = ("--rows=640", "--rounds=2", "--seconds=0.05")
    result = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.input_report_cost", str(tmp_path), *options],
        cwd=ROOT,
        env={**inherited, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    row = r"^(\w.*?) +[\d.]+ s +[\d.]+ s +([\d.]+) +([\d.]+) +([\d.]+)$"
    found = re.findall(row, result.stdout, re.MULTILINE)
    assert [name for name, *_ in found] == [
        "computes nothing",
        "computes nothing, transform",
        "small network",
    ]
    for _, *ratios in found:
        middle, lowest, highest = map(float, ratios)
        assert 0 < lowest <= middle <= highest
