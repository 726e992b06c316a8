"""How much faster `fit` is fed than by what users write, as ratios.

    python -m tests.benchmarks.feeding [--shards N] [--rounds N]

Prints for each pipeline how many times as long as a `ShardSequence` it takes: medians of epochs
that are taken in turn, with a model that trains nothing. `examples/compare_pipelines.py` compares
with other formats.
"""

from __future__ import annotations

import argparse
import pickle
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_bigdata import ShardSequence
from keras_bigdata.bench.null_model import EpochTimer, NullModel
from tests.helpers import transforms
from tests.helpers.pictures import BATCH, SHARD, sequence_of, write_pictures


def generator(directory: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What old scripts do: load a pickle, and yield its batches in order."""
    while True:
        for file in sorted(directory.glob("*.pkl")):
            content = pickle.loads(file.read_bytes())
            for start in range(0, SHARD, BATCH):
                part = slice(start, start + BATCH)
                yield content["images"][part], content["labels"][part]


class BusyProcesses(keras.utils.PyDataset):
    """The same batches, with a transform in two processes of Keras."""

    def __init__(self, plain: ShardSequence) -> None:
        super().__init__(workers=2, use_multiprocessing=True)
        self.plain = plain

    def __len__(self) -> int:
        return len(self.plain)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        images, labels = self.plain[index]
        batch = transforms.busy({"images": images, "labels": labels}, None)
        return batch["images"], batch["labels"]


def seconds(data: Any, **arguments: Any) -> float:
    timer = EpochTimer(0)
    model = NullModel()
    model.fit(data, epochs=100, verbose=0, callbacks=[timer], **{"shuffle": False, **arguments})
    return timer.epoch_seconds


def ratio(ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> float:
    """How many times as long the other takes: medians of times taken in turn."""
    times = [(ours(), theirs()) for _ in range(rounds)]
    first, second = map(statistics.median, zip(*times, strict=True))
    return second / first


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shards", type=int, default=32, help="of 25 MB each")
    parser.add_argument("--rounds", type=int, default=3)
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = write_pictures(Path(folder), parsed.shards)
        train, shuffled = sequence_of(directory), sequence_of(directory)
        steps, few = len(train), min(32, len(train))
        batches = generator(directory)
        busy = sequence_of(
            directory,
            transform=transforms.busy,
            use_multiprocessing=True,
            steps_per_epoch=few,
        )
        processes = BusyProcesses(sequence_of(directory, workers=0, steps_per_epoch=few))
        compared = {
            "generator over pickles": (
                lambda: seconds(train),
                lambda: seconds(batches, steps_per_epoch=steps),
            ),
            "with the shuffle of fit": (
                lambda: seconds(train),
                lambda: seconds(shuffled, shuffle=True),
            ),
            "transform in processes of Keras": (lambda: seconds(busy), lambda: seconds(processes)),
        }
        for name, (ours, theirs) in compared.items():
            print(f"{name:33}{ratio(ours, theirs, parsed.rounds):5.2f}", flush=True)


if __name__ == "__main__":
    main()
