"""Runs the examples of the public docstrings in a directory with the files that they use."""

from __future__ import annotations

import csv
import os
import pickle
import re
import shutil
import textwrap
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from skimage import data, io

import keras_bigdata
from keras_bigdata.bench import bench
from keras_bigdata.files import atomic_path
from keras_bigdata.images.load_image import load_image
from keras_bigdata.loading.order.epoch_plan import EpochPlan
from keras_bigdata.representation import html_table
from keras_bigdata.shards.pickles import find_arrays, read_array
from tests.helpers.reused import reused

DOCUMENTED = [
    *(getattr(keras_bigdata, name) for name in keras_bigdata.__all__),
    EpochPlan,
    atomic_path,
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


RNG = np.random.default_rng(0)
X, Y = RNG.random((20, 4)), RNG.integers(0, 3, 20)
BATCH = {
    "texts": RNG.integers(0, 9, (8, 3)),
    "images": RNG.integers(0, 255, (8, 28, 28, 1), np.uint8),
    "labels": RNG.integers(0, 3, 8),
}


def write_images(folder, count):
    folder.mkdir(parents=True)
    names = [f"{number:04d}.jpg" for number in range(1, count + 1)]
    photo = data.coffee()
    for number, name in enumerate(names):
        io.imsave(folder / name, photo[number : number + 90], check_contrast=False)
    return names


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A directory with images, arrays, pickles and shards."""
    tmp_path = tmp_path_factory.mktemp("files")
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
    (tmp_path / "megabatches").mkdir()
    for path in ("megabatches/0.pkl", "data_batch_1"):
        content = BATCH if path.startswith("mega") else {**BATCH, "data": BATCH["images"]}
        (tmp_path / path).write_bytes(pickle.dumps({**content, "labels": [0, 1] * 4}))
    np.save(tmp_path / "x.npy", X)
    with h5py.File(tmp_path / "photos.h5", "w") as file:
        for name, column in {"x": X, "train/x": X, "train/y": Y, "y": Y, "age": Y * 0.5}.items():
            file[name] = column
    keras_bigdata.pack(keras_bigdata.Arrays(x=X, labels=Y), tmp_path / "packed", verbose=0)
    tokens = keras_bigdata.Arrays(tokens=BATCH["texts"])
    keras_bigdata.pack(tokens, tmp_path / "shards/texts", verbose=0)
    photos_as_they_are = keras_bigdata.ImageFolder(tmp_path / "flowers/train", store="file")
    keras_bigdata.pack(photos_as_they_are, tmp_path / "shards/full", verbose=0)
    return tmp_path


@reused
def classifier() -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    metrics = ["accuracy"]
    model.compile("adam", "sparse_categorical_crossentropy", metrics=metrics, run_eagerly=True)
    return model


@pytest.fixture
def workspace(tmp_path, files, monkeypatch) -> dict[str, Any]:
    """A copy of the directory to work in, and the variables that the examples use."""
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    best = keras_bigdata.BestWeightsEarlyStopping("models/b.weights.h5", "accuracy")
    return {
        "__name__": "example",
        "np": np,
        "keras": keras,
        "x": X,
        "y": Y,
        "ages": np.arange(20.0),
        "batches": [(BATCH["images"], BATCH["labels"])],
        "model": classifier(),
        "best": best,
        **{name: getattr(keras_bigdata, name) for name in keras_bigdata.__all__},
        "load_image": load_image,
        "find_arrays": find_arrays,
        "html_table": html_table,
        "read_array": read_array,
        "EpochPlan": EpochPlan,
    }


@pytest.mark.quick_cases(6)
@pytest.mark.parametrize("code", EXAMPLES)
def test_example_runs(code, workspace):
    users = ("model.fit(train", "model.train_on_batch", "bench(", 'Shards("shards/train")')
    users += ("predict_rows(model",)
    if any(user in code for user in users):
        os.rename("packed", "shards/train")
    code = re.sub(r"\bepochs=\d+", "epochs=2", code)
    if "bench(" in code:
        code = code.replace("batch_size=64", "batch_size=8, rounds=1, seconds=0.01")
    # A worker process imports a function from its module, and the example is not in a module.
    code = code.replace("augment=flip", "augment=flip, workers=1")
    exec(compile(code, "docstring", "exec"), workspace)


def test_there_are_examples():
    members = {param.id.rsplit("-", 1)[0] for param in EXAMPLES}
    errors = {name for name in keras_bigdata.__all__ if name.endswith("Error")}
    assert set(keras_bigdata.__all__) - errors <= members
