"""Measures what `InputReport` costs in `fit`: trainings with it and without it, in turn.

    python -m tests.benchmarks.input_report_cost [FOLDER] [--rounds N] [--seconds S]

The program packs random images and compares three cases: a model that computes nothing, where each
batch takes less than a millisecond and the cost is largest; the same with a `transform`, for which
`InputReport` watches the GIL; and a small network. In each round the same model is trained without
and with `InputReport`, in one process, every other round in the opposite order. It prints the time
of an epoch, and the ratio: its median over the rounds, the lowest and the highest one. A ratio of
1.01 is a cost of 1%. Other programs should be idle: differences between rounds are as large as the
cost. It downloads nothing and takes about two minutes on two cores. Its files are removed at the
end, unless FOLDER is passed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import keras
import numpy as np

from keras_bigdata import Arrays, InputReport, ShardSequence, pack
from keras_bigdata.bench.null_model import EpochTimer, NullModel

SIDE = 32  # pixels
BATCH_SIZE = 64


def mirror(batch, rng):
    return {**batch, "images": batch["images"][:, :, ::-1]}


def build_model() -> keras.Model:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3), dtype="uint8"),
            layers.Rescaling(1 / 128, offset=-1),
            layers.Conv2D(16, 5, strides=2, activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def epoch_seconds(model: keras.Model, sequence: ShardSequence, report: bool, seconds: float):
    """Trains for some seconds; returns the time of an epoch without the first one."""
    timer = EpochTimer(seconds)  # the last callback, so that it measures the hooks of the others
    callbacks = [InputReport(verbose=0), timer] if report else [timer]
    # Far more epochs than necessary: the timer stops the training.
    model.fit(sequence, epochs=1_000_000, shuffle=False, verbose=0, callbacks=callbacks)
    return timer.epoch_seconds


def main(folder: Path, rows: int, rounds: int, seconds: float) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (rows, SIDE, SIDE, 3), np.uint8)
    pack(Arrays(images=images, labels=rng.integers(0, 10, rows)), folder / "shards", verbose=0)
    runs = {
        "computes nothing": (NullModel(), {}),
        "computes nothing, transform": (NullModel(), {"transform": mirror}),
        "small network": (build_model(), {}),
    }
    print(f"{keras.backend.backend()}, {rows:,} rows, batches of {BATCH_SIZE}, {rounds} rounds")
    print(f"{'model':28}{'without':>10}{'with':>10}{'ratio':>8}{'lowest':>8}{'highest':>9}")
    for name, (model, options) in runs.items():
        sequence = ShardSequence(folder / "shards", BATCH_SIZE, seed=0, **options)
        times: dict[bool, list[float]] = {False: [], True: []}
        for number in range(rounds):
            for report in (False, True) if number % 2 == 0 else (True, False):
                times[report].append(epoch_seconds(model, sequence, report, seconds))
        ratios = [used / bare for bare, used in zip(times[False], times[True], strict=True)]
        without, used = statistics.median(times[False]), statistics.median(times[True])
        print(
            f"{name:28}{without:8.3f} s{used:8.3f} s{statistics.median(ratios):8.3f}"
            f"{min(ratios):8.3f}{max(ratios):9.3f}",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path, help="where the shards are written")
    parser.add_argument("--rows", type=int, default=16_384)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="minimum time of a training")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        main(folder, arguments.rows, arguments.rounds, arguments.seconds)
