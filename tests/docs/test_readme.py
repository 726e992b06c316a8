"""What the README promises: ten lines, two commands, and a table of code that runs."""

from __future__ import annotations

import os
import subprocess
import sys

import keras
import matplotlib as mpl
import pytest

import keras_bigdata
from keras_bigdata.cli.main import main
from tests.helpers.doc_files import Variables, remove_packed, run_python
from tests.helpers.doc_pages import blocks, commands, section, smaller, table_cells
from tests.helpers.paths import ROOT

README = ROOT / "README.md"
TEXT = README.read_text("utf-8")
MAX_LINES_OF_CODE = 15
MAX_LINES = 250
IN_MEMORY = ("s3://bucket", "memory://bucket")  # a store that needs no server

needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="some of the code is for tf.data"
)


@needs_tensorflow
def test_from_files_to_fit_in_15_lines(folder):
    first = next(blocks("python"))
    assert first.page == "README.md"
    assert len(first.code.strip().splitlines()) <= MAX_LINES_OF_CODE
    remove_packed(first.code)
    names = run_python(smaller(first.code), str(first))
    assert (folder / "models/best.weights.h5").exists()
    assert "val_accuracy" in (folder / "log.csv").read_text()
    # What the text below the code says.
    train = keras_bigdata.ShardSequence("shards/train", batch_size=4)
    (images, texts), labels = train[0]
    assert images.shape == (4, 8, 8, 3)
    assert texts.dtype.kind == labels.dtype.kind == "i"
    assert train.classes == ["milk", "tea"]
    assert "cup" in train.index.vocabulary
    before = (folder / "shards/train/index.json").stat().st_mtime_ns
    keras_bigdata.pack(names["train_photos"], "shards/train")
    assert (folder / "shards/train/index.json").stat().st_mtime_ns == before


def test_the_readme_stays_short():
    assert len(TEXT.splitlines()) <= MAX_LINES


def test_the_commands_for_installing_are_present():
    lines = TEXT.splitlines()
    assert lines.count("pip install -e . && python examples/quickstart.py") == 1
    assert lines.count("pip install -e '.[test]' && python -m pytest") == 1


@needs_tensorflow
@pytest.mark.slow
def test_each_line_of_the_table_runs(folder):
    """In order, because later lines use the variables of earlier ones."""
    pytest.importorskip("fsspec")
    mpl.use("agg")
    variables, ran = Variables(), 0
    for cell in table_cells(section(README, "What do you want to do?"), 1):
        code = smaller(cell).replace(*IN_MEMORY)
        if code.startswith("keras-bigdata "):
            assert main(commands(code)[0][1:]) == 0, cell
        elif code.startswith("python examples/"):
            assert (ROOT / code.removeprefix("python ")).exists()
        elif code.startswith("python "):
            arguments = commands(code)[0][1:]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            subprocess.run([sys.executable, *arguments], env=environment, check=True)
        else:
            run_python(code + " pass" if code.endswith(":") else code, cell, variables)
        ran += 1
    assert ran > 30
