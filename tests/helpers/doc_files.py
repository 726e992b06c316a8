"""The files and objects that the code in the documentation names."""

from __future__ import annotations

import csv
import itertools
import os
import pickle
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from PIL import Image
from skimage import data

import keras_bigdata
from keras_bigdata import (
    Arrays,
    BestWeightsEarlyStopping,
    ImageFolder,
    ImageTable,
    InputReport,
    ResumeTraining,
    Shards,
    ShardSequence,
    TextTable,
    pack,
)

ROWS = 60
_RNG = np.random.default_rng(0)
_OLD_SCRIPT = "from keras.layers.core import Dense\nlayer = Dense(3, init='uniform')\n"


def write_files(folder: Path) -> None:
    """Writes image files with tables, texts, HDF5, pickles, old scripts and shards."""
    photo = Image.fromarray(data.coffee())
    for number in range(ROWS):
        for file in (_photo(number), f"flowers/{('rose', 'tulip')[number % 2]}/{number}.jpg"):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            photo.crop((0, number, 10, number + 12)).save(folder / file)
        (folder / "photos/masks").mkdir(exist_ok=True)
        mask = np.full((12, 10), number % 2, np.uint8)
        Image.fromarray(mask).save(folder / f"photos/masks/{number}.png")
    photo.crop((0, 0, 10, 12)).save(folder / "new.jpg")
    for table in ("photos/labels.csv", "photos/test.csv"):
        _write_table(
            folder / table,
            {
                "file": [Path(_photo(number)).name for number in range(ROWS)],
                "id": range(ROWS),
                "caption": [f"a red cup of {number % 3}" for number in range(ROWS)],
                "label": ["tea" if number % 2 else "milk" for number in range(ROWS)],
                "patient": [f"p{number // 4}" for number in range(ROWS)],
                "site": ["B" if number >= 48 else "A" for number in range(ROWS)],
            },
        )
    reviews = {
        "review": ["worth the money", "not good"] * (ROWS // 2),
        "stars": [5, 1] * (ROWS // 2),
    }
    _write_table(folder / "reviews.csv", reviews)
    with h5py.File(folder / "photos.h5", "w") as file:
        file["train/x"] = _RNG.integers(0, 255, (ROWS, 8, 8, 3), np.uint8)
        file["train/y"] = np.arange(ROWS) % 2
    (folder / "megabatches").mkdir()
    for number in range(2):
        content = {
            "images": _RNG.integers(0, 255, (8, 8, 8, 3), np.uint8),
            "texts": _RNG.integers(0, 9, (8, 3)),
            "labels": np.arange(8) % 2,
        }
        (folder / f"megabatches/{number}.pkl").write_bytes(pickle.dumps(content))
    (folder / "project").mkdir()
    (folder / "project/old.py").write_text(_OLD_SCRIPT)
    (folder / "train.py").write_text("import keras\nkeras.layers.Dense(3, W_regularizer='l2')\n")

    source = _photos(folder)
    rows = np.arange(ROWS)
    for name, part in {
        "train": rows % 10 < 7,
        "val": (rows % 10 == 7) | (rows % 10 == 8),
        "new": rows % 10 == 9,
        "2024": rows < 20,
        "2025": rows >= 20,
    }.items():
        pack(source.select(np.flatnonzero(part)), folder / "shards" / name, verbose=0, workers=1)
    for name in ("full", "full-val"):
        files = ImageFolder(folder / "flowers", store="file")
        pack(files, folder / "shards" / name, verbose=0, workers=1)


def _photo(number: int) -> str:
    return f"photos/{number}.png"


def _write_table(path: Path, columns: dict[str, Any]) -> None:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([tuple(columns), *zip(*columns.values(), strict=True)])


def _photos(folder: Path = Path()) -> ImageTable:
    """The source of the shards, with all columns that selections name."""
    return ImageTable(
        folder / "photos/labels.csv",
        image="file",
        text="caption",
        label="label",
        keep=("patient", "site"),
        size=(8, 8),
    )


class AnyInputs(keras.Model):
    """A classifier of two classes for any number of inputs of any shape."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(2, activation="softmax")

    def call(self, inputs: Any) -> Any:
        """Returns the outputs for the means of all inputs."""
        means = [
            keras.ops.mean(keras.ops.reshape(each, (keras.ops.shape(each)[0], -1)), 1)
            for each in (keras.ops.cast(each, "float32") for each in keras.tree.flatten(inputs))
        ]
        return self.dense(keras.ops.stack(means, 1) / 255)


def _model(*_: Any) -> keras.Model:
    model = AnyInputs()
    model.compile(
        "sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=_is_eager()
    )
    return model


def _is_eager() -> bool:
    return keras.backend.backend() == "tensorflow"


def _batches() -> Iterator[tuple[Any, Any]]:
    for _ in itertools.count():
        yield _RNG.random((4, 3)), np.arange(4) % 2


def _image_generator() -> Any:
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    return ImageDataGenerator(horizontal_flip=True)


def _image_flow() -> Any:
    return _image_generator().flow(_RNG.random((8, 8, 8, 3)), batch_size=4, seed=1)


def _dataset() -> Any:
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((_RNG.random((8, 3)), np.arange(8) % 2)).batch(4)


def _train() -> ShardSequence:
    return ShardSequence("shards/train", 4)


def _train_with(*callbacks: keras.callbacks.Callback) -> Any:
    return _model().fit(_train(), epochs=2, shuffle=False, verbose=0, callbacks=list(callbacks))


def _report() -> InputReport:
    report = InputReport(verbose=0)
    _train_with(report)
    return report


# Name -> a function that makes the object that the code means by it.
_OBJECTS: dict[str, Callable[[], Any]] = {
    "build_model": lambda: _model,
    "callbacks": lambda: [BestWeightsEarlyStopping("models/b.weights.h5", "accuracy")],
    "datagen": _image_generator,
    "dataset": _dataset,
    "generator": _batches,
    "history": _train_with,
    "image_flow": _image_flow,
    "mask_flow": _image_flow,
    "model": _model,
    "more_photos": lambda: TextTable("reviews.csv", text="review", label="stars"),
    "my_function": lambda: lambda batch, rng: batch,
    "my_generator": lambda: _batches,
    "own": lambda: ShardSequence("shards/2025", 4),
    "photos": _photos,
    "report": _report,
    "resume": lambda: ResumeTraining("checkpoints", _train()),
    "shards": lambda: Shards("shards/train"),
    "source": lambda: Arrays(x=_RNG.random((8, 3)), labels=np.arange(8) % 2),
    "train": _train,
    "train_photos": _photos,
    "val": lambda: Shards("shards/val"),
    "val_generator": _batches,
    "web": lambda: ShardSequence("shards/2024", 4),
}


def remove_packed(code: str) -> None:
    """Removes the directories of shards that code writes, which may hold other rows."""
    python = re.findall(r"(?:pack|capture)\([^\n]*?\"(\w*shards\b[\w/-]*)\"[^\n]*\)", code)
    shell = re.findall(r" -o ([\w/]+)", code)
    for directory in (*python, *shell):
        shutil.rmtree(directory, ignore_errors=True)


class Variables(dict[str, Any]):
    """The variables of code: an object that the code reads but does not make is made for it."""

    def __missing__(self, name: str) -> Any:
        if name not in _OBJECTS:
            raise KeyError(name)
        self[name] = _OBJECTS[name]()
        return self[name]


def run_python(code: str, name: str, variables: Variables | None = None) -> Variables:
    """Runs code in the current directory and returns its variables.

    Args:
        code: the code. It finds the public names of the package.
        name: what a traceback calls it.
        variables: those of code that was run before. Defaults to `None`.
    """
    variables = Variables() if variables is None else variables
    public = {each: getattr(keras_bigdata, each) for each in keras_bigdata.__all__}
    exec(compile(code, name, "exec"), {**public, "keras": keras, "np": np}, variables)
    return variables


if __name__ == "__main__":
    # `python -m tests.helpers.doc_files FOLDER < code`: with another backend, in another process.
    import sys

    os.chdir(sys.argv[1])
    sys.stdout.write(" ".join(run_python(sys.stdin.read(), "code")))
