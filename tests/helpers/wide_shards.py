"""Shards of wide rows, which are read one by one, and a sequence that checks every row."""

from __future__ import annotations

import pickle
import time

import keras
import numpy as np

from keras_bigdata import ShardSequence

ROWS, SHARDS, BATCH = 20, 40, 16
WIDE = 1100  # floats: rows that are read one by one
BAD = 35  # the number of the shard that tests damage

TENSORFLOW = keras.backend.backend() == "tensorflow"


def write_wide_shards(directory, count=SHARDS, rows=ROWS, width=WIDE):
    """Writes shards, half of them in each of two subdirectories; returns the directory."""
    for number in range(count):
        ids = np.arange(number * rows, (number + 1) * rows, dtype=np.int32)
        path = directory / ("first" if number < count // 2 else "last") / f"{number:05d}.pkl"
        path.parent.mkdir(parents=True, exist_ok=True)
        x = np.repeat(ids[:, None], width, axis=1).astype(np.float32)
        path.write_bytes(pickle.dumps({"x": x, "id": ids}, protocol=5))
    return directory


def wide_model():
    model = keras.Sequential([keras.Input((WIDE,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1e-12), "mse")
    return model


class Recorded(ShardSequence):
    """Records the batches that `fit` receives, and checks every row."""

    def __getitem__(self, index):
        x, ids = super().__getitem__(index)
        np.testing.assert_array_equal(x, np.repeat(ids[:, None], WIDE, axis=1))
        self.given.append((index, ids.copy()))
        return x, ids


def sequence(directory, **arguments):
    arguments = {"shuffle": None, "inputs": "x", "targets": "id"} | arguments
    data = Recorded(directory, BATCH, **arguments)
    data.given = []
    return data


class At(keras.callbacks.Callback):
    """Calls a function in the first epoch, after some batches."""

    def __init__(self, do, batch=2):
        super().__init__()
        self.do, self.batch, self.done = do, batch, None

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.batch and self.done is None:
            self.do()
            self.done = time.monotonic()


def bad_file(directory, number=BAD):
    (path,) = directory.rglob(f"{number:05d}.pkl")
    return path
