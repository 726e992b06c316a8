"""The tutorial notebook runs, and is stored without outputs."""

from __future__ import annotations

import time

import keras
import nbclient
import nbformat
import pytest

from tests.helpers.paths import ROOT

NOTEBOOK = ROOT / "examples/tutorial.ipynb"


def test_the_tutorial_is_stored_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert "outputs" not in cell or not cell.outputs
        assert cell.get("execution_count") is None


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="as for the other examples")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_tutorial_runs_and_removes_its_files(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)  # slow convolutions
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    start = time.perf_counter()
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    seconds = time.perf_counter() - start

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "Warning:" not in text
    assert "the power fails" in text
    assert "in epoch 3 after" in text
    assert "equal weights: True" in text
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 5
    assert not list(tmp_path.glob("tutorial-*"))
    assert seconds < 120  # 25 to 40 seconds on two busy cores
