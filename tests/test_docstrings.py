"""Runs the examples of the public docstrings in a directory with the files that they use."""

from __future__ import annotations

import csv
import pickle
import re
import textwrap
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from skimage import data, io

import keras_bigdata
from keras_bigdata.bench import bench
from keras_bigdata.loading.epoch_plan import EpochPlan
from keras_bigdata.packing.sources.images import load_image
from keras_bigdata.representation import html_table
from keras_bigdata.shards.pickles import find_arrays, read_array

DOCUMENTED = [
    *(getattr(keras_bigdata, name) for name in keras_bigdata.__all__),
    EpochPlan,
    bench,
    load_image,
    find_arrays,
    read_array,
    html_table,
]
EXAMPLES = [
    pytest.param(textwrap.dedent(code), id=f"{member.__name__}-{number}")
    for member in DOCUMENTED
    for number, code in enumerate(
        re.findall(r"```python\n(.*?)```", member.__doc__ or "", re.DOTALL)
    )
]


def write_images(folder, count):
    folder.mkdir(parents=True)
    names = [f"{number:04d}.jpg" for number in range(1, count + 1)]
    for number, name in enumerate(names):
        io.imsave(folder / name, data.coffee()[number : number + 90], check_contrast=False)
    return names


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> dict[str, Any]:
    """A directory with images, arrays and pickles, and the variables that the examples use."""
    monkeypatch.chdir(tmp_path)
    photos = write_images(tmp_path / "photos", 12)
    for name in ("labels", "test"):
        with open(tmp_path / f"photos/{name}.csv", "w", newline="") as file:
            rows = [(photo, f"cup number {i}", "ab"[i % 2]) for i, photo in enumerate(photos)]
            csv.writer(file).writerows([("file", "caption", "label"), *rows])
    for folder in ("flowers/rose", "flowers/train/rose", "flowers/test/rose"):
        write_images(tmp_path / folder, 3)
    for video in range(4):
        write_images(tmp_path / f"clips/{'ab'[video % 2]}/{video}", 3)
    with open(tmp_path / "reviews.csv", "w", newline="") as file:
        rows = [("review", "stars"), ("Worth the money", 5), ("Not good", 1)]
        csv.writer(file).writerows(rows)
    rng = np.random.default_rng(0)
    batch = {
        "texts": rng.integers(0, 9, (8, 3)),
        "images": rng.integers(0, 255, (8, 28, 28, 1), np.uint8),
        "labels": rng.integers(0, 3, 8),
    }
    (tmp_path / "megabatches").mkdir()
    for path in ("megabatches/0.pkl", "data_batch_1"):
        content = batch if path.startswith("mega") else {**batch, "data": batch["images"]}
        (tmp_path / path).write_bytes(pickle.dumps({**content, "labels": [0, 1] * 4}))
    x, y = rng.random((20, 4)), rng.integers(0, 3, 20)
    np.save("x.npy", x)
    with h5py.File("photos.h5", "w") as file:
        for name, column in {"x": x, "train/x": x, "train/y": y, "y": y, "age": y * 0.5}.items():
            file[name] = column
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    best = keras_bigdata.BestWeightsEarlyStopping("models/b.weights.h5", "accuracy")
    return {
        "__name__": "example",
        "np": np,
        "keras": keras,
        "x": x,
        "y": y,
        "ages": np.arange(20.0),
        "batches": [(batch["images"], batch["labels"])],
        "model": model,
        "best": best,
        **{name: getattr(keras_bigdata, name) for name in keras_bigdata.__all__},
        "load_image": load_image,
        "find_arrays": find_arrays,
        "html_table": html_table,
        "read_array": read_array,
        "EpochPlan": EpochPlan,
    }


@pytest.mark.parametrize("code", EXAMPLES)
def test_example_runs(code, workspace):
    if "model.fit(train" in code or "model.train_on_batch" in code or "bench(" in code:
        source = keras_bigdata.Arrays(x=workspace["x"], labels=workspace["y"])
        keras_bigdata.pack(source, "shards/train")
        code = code.replace("epochs=50", "epochs=2")
    if "bench(" in code:
        code = code.replace("batch_size=64", "batch_size=8, rounds=1, seconds=0.01")
    # A worker process imports a function from its module, and the example is not in a module.
    code = code.replace("augment=flip", "augment=flip, workers=1")
    exec(compile(code, "docstring", "exec"), workspace)


def test_there_are_examples():
    members = {param.id.rsplit("-", 1)[0] for param in EXAMPLES}
    errors = {name for name in keras_bigdata.__all__ if name.endswith("Error")}
    assert set(keras_bigdata.__all__) - errors <= members
