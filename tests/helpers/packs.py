"""The content of packed directories, read without the package."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from keras_bigdata import ShardIndex


def read_files(directory: Path) -> dict[str, bytes]:
    """Returns name -> content of the files of a directory, without folders."""
    return {entry.name: entry.read_bytes() for entry in directory.iterdir() if entry.is_file()}


def read_rows(index: ShardIndex, variant: int = 0) -> dict[str, np.ndarray]:
    """Returns the fields of all rows of a variant, read by plain pickle."""
    shards = [
        pickle.loads(index.path(shard).read_bytes())
        for shard in range(len(index))
        if index.variant[shard] == variant
    ]
    return {name: np.concatenate([shard[name] for shard in shards]) for name in index.fields}
