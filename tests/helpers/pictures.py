"""Bare pickles of random pictures, large enough to measure speed and memory."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from keras_bigdata import ShardSequence

SHARD, BATCH = 512, 128
SHAPE = (128, 128, 3)


def write_pictures(folder: Path, shards: int) -> Path:
    """Writes shards of 25 MB."""
    rng = np.random.default_rng(0)
    for number in range(shards):
        content = {
            "images": rng.integers(0, 256, (SHARD, *SHAPE), np.uint8),
            "labels": np.arange(SHARD, dtype=np.int32),
        }
        with open(folder / f"{number:03d}.pkl", "wb") as file:
            pickle.dump(content, file, protocol=4)
    return folder


def sequence_of(directory: Path, **arguments: Any) -> ShardSequence:
    files = sorted(directory.glob("*.pkl"))
    arguments = {"inputs": "images", "targets": "labels", "seed": 0, **arguments}
    return ShardSequence(files, BATCH, **arguments)
