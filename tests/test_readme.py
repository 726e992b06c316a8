"""Runs the code that the README shows."""

from __future__ import annotations

import csv
import re

import keras
import numpy as np
from skimage import data, io

from tests.helpers.paths import ROOT

README = (ROOT / "README.md").read_text("utf-8")
MAX_LINES = 15


def test_from_files_to_fit_in_15_lines(tmp_path, monkeypatch):
    snippet = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert snippet is not None
    assert len(snippet[1].strip().splitlines()) <= MAX_LINES

    photos = tmp_path / "photos"
    photos.mkdir()
    rng = np.random.default_rng(0)
    with open(photos / "labels.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "caption", "label"])
        for number in range(40):
            label = ("brick", "cat")[number % 2]
            y, x = rng.integers(0, 200, 2)
            crop = getattr(data, label)()[y : y + 90, x : x + 80]
            io.imsave(photos / f"{number}.png", crop, check_contrast=False)
            table.writerow([f"{number}.png", f"a crop of {label}", label])

    image = keras.Input((128, 128, 3))
    text = keras.Input((4,), dtype="int32")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
    t = keras.layers.Flatten()(keras.layers.Embedding(20, 2)(text))
    outputs = keras.layers.Dense(2, activation="softmax")(keras.layers.Concatenate()([x, t]))
    model = keras.Model([image, text], outputs)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

    monkeypatch.chdir(tmp_path)
    exec(
        compile(snippet[1].replace("epochs=50", "epochs=2"), "README.md", "exec"), {"model": model}
    )
    assert (tmp_path / "models/best.weights.h5").exists()
    assert "val_accuracy" in (tmp_path / "log.csv").read_text()


def test_the_commands_for_installing_are_present():
    assert "pip install -e . && python examples/quickstart.py" in README
    assert "pip install -e '.[test]' && python -m pytest" in README
