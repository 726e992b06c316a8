"""Trainings whose input is slow in a known place; run by `test_input_on_backends.py`.

KERAS_BACKEND=jax python -m tests.helpers.slow_input FOLDER [NAME ...]
"""

from __future__ import annotations

import functools
import io
import json
import os
import sys
import time
from pathlib import Path
from typing import ClassVar

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["JAX_PLATFORMS"] = "cpu"

import keras
import numpy as np
import skimage.data
from PIL import Image

from keras_bigdata import InputReport, Resize, ShardSequence, ShardWriter, pack
from keras_bigdata.packing.samples.stored_form import StoredForm
from keras_bigdata.shards.fields.roles import Roles
from tests.helpers.faulty_disk import FaultyDisk

BATCHES = 60
# Long, so that what the machine does meanwhile takes little of it.
LOADING, STEP = 0.09, 0.03


class Sleep(keras.callbacks.Callback):
    """Makes each step take longer."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def on_train_batch_begin(self, batch, logs=None):
        time.sleep(self.seconds)


def write(directory, rows, row_shape):
    rng = np.random.default_rng(0)
    with ShardWriter(directory, inputs="x", targets="y") as writer:
        for _ in range(BATCHES):
            x = rng.random((rows, *row_shape), np.float32)
            writer.write({"x": x, "y": np.zeros(rows, np.float32)})
    return directory


def waits(batch, rng):
    time.sleep(LOADING)
    return batch


def in_python(batch, rng):
    end = time.thread_time() + 0.03
    while time.thread_time() < end:
        sum(range(100))
    return batch


NUMBERS = np.random.default_rng(0).random(200_000)


def in_numpy(batch, rng):
    end = time.thread_time() + 0.03
    while time.thread_time() < end:
        np.sort(NUMBERS)
    return batch


def train(data, step):
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    report = InputReport()
    sys.stdout = text = io.StringIO()
    # After it, what a callback does at the beginning of a batch is waiting on TensorFlow, where
    # the batch is fetched after that.
    callbacks = [Sleep(step), report] if step else [report]
    try:
        model.fit(data, epochs=2, shuffle=False, verbose=0, callbacks=callbacks)
    finally:
        sys.stdout = sys.__stdout__
    last = report.epochs[-1]
    advice = text.getvalue().splitlines()[-1]
    names = ("seconds", "batches", "read", "decode", "transform", "transform_cpu", "conversion")
    stages = {name: round(last[name], 2) for name in names}
    return {"wait": last["wait"], "limit": last["limit"], "advice": advice, **stages}


def slow_transform(folder, function):
    return train(
        ShardSequence(folder, 8, workers=1, transform=function), STEP if function is waits else 0.01
    )


def slow_disk(folder):
    disk = FaultyDisk()
    disk.delay = LOADING
    try:
        return train(ShardSequence(folder, 8, workers=1, shuffle="shards"), 0.01)
    finally:
        disk.remove()


def slow_decoding(folder):
    if not folder.exists():
        pack(Photographs(), folder, workers=1)
    return train(ShardSequence(folder, 8, workers=1, decode=Resize((16, 16))), 0.0)


class Photographs:
    """Large images, stored as files."""

    roles = Roles("images", "y")
    stored_forms: ClassVar = {"images": StoredForm("file", row_bytes=50_000)}

    def __len__(self):
        return 8 * BATCHES

    def __getitem__(self, row):
        return {"images": np.frombuffer(photograph(), np.uint8), "y": np.float32(0)}

    def file(self, row):
        return f"{row}.png"


@functools.cache
def photograph():
    output = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()).save(output, "PNG")
    return output.getvalue()


def main(folder, names):
    small = write(folder / "small", 8, (4,))
    runs = {
        "waits": lambda: slow_transform(small, waits),
        "python": lambda: slow_transform(small, in_python),
        "numpy": lambda: slow_transform(small, in_numpy),
        "disk": lambda: slow_disk(write(folder / "rows", 8, (64, 64))),
        "decode": lambda: slow_decoding(folder / "images"),
        "model": lambda: train(ShardSequence(small, 8), STEP),
        "tiny": lambda: train(ShardSequence(write(folder / "tiny", 32, (4,)), 1), 0.0),
    }
    for name in names or runs:
        print(json.dumps({"name": name, **runs[name]()}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
