"""Ratios that hold with a factor of two to spare, and the bounds of memory and of opening."""

from __future__ import annotations

import os
import pickle
import statistics
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from keras_bigdata import ShardSequence, ShardWriter
from tests.helpers import transforms

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its null model"),
]

SHARDS, SHARD, BATCH = 32, 512, 128


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """800 MB of pictures in bare pickles."""
    folder = tmp_path_factory.mktemp("speed")
    rng = np.random.default_rng(0)
    for number in range(SHARDS):
        content = {
            "images": rng.integers(0, 256, (SHARD, 128, 128, 3), np.uint8),
            "labels": np.arange(SHARD, dtype=np.int32),
        }
        with open(folder / f"{number:03d}.pkl", "wb") as file:
            pickle.dump(content, file, protocol=4)
    return folder


def sequence(directory, **arguments):
    files = sorted(directory.glob("*.pkl"))
    arguments = {"inputs": "images", "targets": "labels", "seed": 0, **arguments}
    return ShardSequence(files, BATCH, **arguments)


class Null(keras.Model):
    """Trains nothing: what is timed is the feeding."""

    def __init__(self):
        super().__init__()
        self.built = True
        self.compile("sgd", "mse")

    def call(self, x):
        return x

    def train_step(self, data):
        import tensorflow as tf

        return {"loss": tf.zeros(())}


class Seconds(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0:
            self.started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(time.monotonic() - self.started)


def seconds(model, data, **arguments):
    times = Seconds()
    model.fit(data, epochs=3, verbose=0, callbacks=[times], **arguments)
    return statistics.median(times.epochs[1:])


def ratio(one, other, rounds=3):
    """How many times as long the other takes: medians of times taken in turn."""
    times = [(one(), other()) for _ in range(rounds)]
    first, second = map(statistics.median, zip(*times, strict=True))
    return second / first


def test_faster_than_a_generator_over_pickles(directory):
    files = sorted(directory.glob("*.pkl"))

    def batches():
        while True:
            for file in files:
                content = pickle.loads(file.read_bytes())
                for start in range(0, SHARD, BATCH):
                    part = slice(start, start + BATCH)
                    yield content["images"][part], content["labels"][part]

    model, train, generator = Null(), sequence(directory), batches()
    steps = len(train)
    times = ratio(
        lambda: seconds(model, train, shuffle=False),
        lambda: seconds(model, generator, steps_per_epoch=steps, shuffle=False),
    )
    assert times > 1.5  # 3.1 when it was measured at length


def test_the_shuffle_of_fit_costs_little(directory):
    model, train, shuffled = Null(), sequence(directory), sequence(directory)
    times = ratio(
        lambda: seconds(model, train, shuffle=False), lambda: seconds(model, shuffled, shuffle=True)
    )
    assert times < 2  # 1.0 to 1.2


# Keras forks its workers; where another test has imported JAX, that warns of it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:os.fork")
def test_processes_beat_those_of_keras(directory):
    class Naive(keras.utils.PyDataset):
        def __init__(self):
            super().__init__(workers=2, use_multiprocessing=True)
            self.plain = sequence(directory, workers=0, steps_per_epoch=32)

        def __len__(self):
            return len(self.plain)

        def __getitem__(self, index):
            x, y = self.plain[index]
            batch = transforms.busy({"images": x, "labels": y}, None)
            return batch["images"], batch["labels"]

    ours = sequence(
        directory, transform=transforms.busy, use_multiprocessing=True, steps_per_epoch=32
    )
    model, naive = Null(), Naive()
    times = ratio(
        lambda: seconds(model, ours, shuffle=False),
        lambda: seconds(model, naive, shuffle=False),
        rounds=3,
    )
    assert times > 1.5  # 4.0


def test_ten_thousand_shards_open_and_give_a_batch_in_no_time(tmp_path):
    with ShardWriter(tmp_path / "many", inputs="x", targets="y") as writer:
        for number in range(10_000):
            writer.write({"x": np.full((5, 4), number, np.float32), "y": np.zeros(5, np.int32)})
    started = time.monotonic()
    ShardSequence(tmp_path / "many", batch_size=64)[0]
    assert time.monotonic() - started < 0.3  # 0.06


MEMORY = """
import sys, threading, time
import keras

def private():
    with open("/proc/self/smaps_rollup") as file:
        lines = dict(line.split(":") for line in file if line.startswith("Private"))
    return sum(int(value.split()[0]) for value in lines.values()) * 1024

import tensorflow
before = private()
peak = 0

def watch():
    global peak
    while True:
        peak = max(peak, private())
        time.sleep(0.02)

threading.Thread(target=watch, daemon=True).start()
from tests.loading.test_speed import Null, sequence
from pathlib import Path
train = sequence(Path(sys.argv[1]))
Null().fit(train, epochs=2, shuffle=False, verbose=0)
print(peak - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps_rollup"), reason="Linux")
def test_memory_is_bounded_by_the_window_and_not_by_the_data(directory):
    result = subprocess.run(
        [sys.executable, "-c", MEMORY, str(directory)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    row = 128 * 128 * 3 + 4
    window, queue = 6 * SHARD * row, 10 * BATCH * row
    assert int(result.stdout) < window + queue + 300e6
