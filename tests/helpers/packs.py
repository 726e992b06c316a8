"""Packed directories and the processes that write them."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
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


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    """Waits until a condition holds; fails after some seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    """Returns whether a process exists and is not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"
