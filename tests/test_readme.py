"""Runs the code that the README shows."""

from __future__ import annotations

import csv
import re

import keras
import numpy as np
from skimage import data, io

import keras_bigdata
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
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)

    monkeypatch.chdir(tmp_path)
    exec(
        compile(snippet[1].replace("epochs=50", "epochs=2"), "README.md", "exec"), {"model": model}
    )
    assert (tmp_path / "models/best.weights.h5").exists()
    assert "val_accuracy" in (tmp_path / "log.csv").read_text()


def test_the_commands_for_installing_are_present():
    assert "pip install -e . && python examples/quickstart.py" in README
    assert "pip install -e '.[test]' && python -m pytest" in README


def test_rows_are_described_and_chosen(tmp_path, monkeypatch):
    (snippet,) = re.findall(r"```python\n(from keras_bigdata import Shards\n.*?)```", README, re.S)
    (tmp_path / "photos").mkdir()
    with open(tmp_path / "photos/labels.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "label", "patient", "site"])
        for number in range(40):
            io.imsave(
                tmp_path / f"photos/{number}.png",
                np.full((8, 8, 3), number, np.uint8),
                check_contrast=False,
            )
            table.writerow(
                [f"{number}.png", "ab"[number % 2], f"p{number // 4}", "AB"[number > 31]]
            )
    monkeypatch.chdir(tmp_path)
    names = {name: getattr(keras_bigdata, name) for name in ("ImageTable", "ShardSequence", "pack")}
    exec(compile(snippet.replace("128", "8"), "README.md", "exec"), names)

    assert sorted(names["table"]["file"]) == sorted(f"{number}.png" for number in range(40))
    assert names["shards"].num_samples == 32
    train, val = (set(names[part].columns("patient")["patient"]) for part in ("train", "val"))
    assert train | val == {f"p{number}" for number in range(8)}
    assert train.isdisjoint(val)
    served = [image[0, 0, 0] for images, _ in names["sequence"] for image in images]
    files = names["train"].columns("file")["file"].tolist()
    assert sorted(f"{number}.png" for number in served) == sorted(files)


def test_the_calls_in_the_table_of_rows_work(tmp_path, monkeypatch):
    """Those that need no model; the others have tests of their own."""
    section = README.partition("## Choose, split and mix rows")[2].partition("\n## ")[0]
    monkeypatch.chdir(tmp_path)
    rows = np.arange(40)
    arrays = {"x": rows[:, None] / 1, "labels": rows % 2, "patient": rows // 4, "site": rows // 20}
    source = keras_bigdata.Arrays(**arrays, inputs="x", targets="labels")
    for directory in ("shards/2024", "shards/2025"):
        keras_bigdata.pack(source, directory, workers=1)
    names = {name: getattr(keras_bigdata, name) for name in keras_bigdata.__all__}
    names |= {"shards": keras_bigdata.Shards("shards/2024"), "photos": source}
    results = {}
    for call in (
        'shards.where(lambda columns: columns["site"] != "B")',
        "shards.rows([3, 17, 5])",
        'train, val = shards.split(0.2, groups="patient")',
        'train_photos, val_photos = photos.split(0.2, groups="patient")',
        'for train, val in shards.folds(5, groups="patient"):',
        "shards.take(0.1)",
        'Shards(["shards/2024", "shards/2025"])',
    ):
        assert f"`{call}`" in section
        runnable = call.replace('"B"', "1")
        if runnable.endswith(":"):
            runnable = f"found = [len(val) {runnable[:-1]}]"
        elif " = " not in runnable:
            runnable = f"found = len({runnable})"
        else:
            runnable += f"; found = len({runnable.partition(' = ')[0].split(', ')[1]})"
        exec(runnable, names)
        results[call.partition("(")[0]] = names["found"]
    assert list(results.values()) == [20, 3, 8, 8, [8] * 5, 4, 80]
