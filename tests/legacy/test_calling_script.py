"""Which Keras a script was written for is read from its text."""

from __future__ import annotations

import runpy

import keras
import pytest


@pytest.mark.parametrize(
    ("imports", "rate"),
    [
        ("from keras.optimizers import Adadelta", 1.0),
        ("import keras\nAdadelta = keras.optimizers.Adadelta", 1.0),
        ("import keras\nAdadelta = lambda: keras.optimizers.get('adadelta')", 1.0),
        ("import os, keras\nAdadelta = keras.optimizers.Adadelta", 1.0),
        ("import numpy as np, keras.optimizers as o\nAdadelta = o.Adadelta", 1.0),
        ("import os, tensorflow.keras as k\nAdadelta = k.optimizers.Adadelta", 0.001),
        ("from tensorflow.keras.optimizers import Adadelta", 0.001),
        ("from tensorflow import keras\nAdadelta = keras.optimizers.Adadelta", 0.001),
        ("import tensorflow as tf\nAdadelta = tf.keras.optimizers.Adadelta", 0.001),
        ("import keras\nfrom tensorflow.keras.optimizers import Adadelta", 0.001),
    ],
)
@pytest.mark.filterwarnings("ignore:Adadelta")
def test_the_default_rate_follows_the_import(installed, tmp_path, imports, rate):
    if "tensorflow" in imports and keras.backend.backend() != "tensorflow":
        pytest.skip("needs TensorFlow")
    script = tmp_path / "script.py"
    script.write_text(f"{imports}\noptimizer = Adadelta()\n")
    optimizer = runpy.run_path(str(script))["optimizer"]
    assert float(optimizer.lr) == pytest.approx(rate)


@pytest.mark.filterwarnings("ignore:Adadelta")
def test_installed_packages_are_for_keras_3(installed, tmp_path):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "package.py").write_text("import keras\noptimizer = keras.optimizers.Adadelta()\n")
    optimizer = runpy.run_path(str(folder / "package.py"))["optimizer"]
    assert float(optimizer.lr) == pytest.approx(0.001)


@pytest.mark.filterwarnings("ignore:Adadelta")
def test_cells_of_a_notebook_belong_together(installed):
    cells = ["from keras.optimizers import Adadelta", "optimizer = Adadelta()"]
    names = {"__name__": "__main__", "In": cells}
    for cell in cells:
        exec(compile(cell, "<cell>", "exec"), names)
    assert float(names["optimizer"].lr) == pytest.approx(1.0)
