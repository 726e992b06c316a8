"""Packs a small set, and appends rows to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from keras_bigdata import Arrays, ShardIndex, pack

FIRST_LABELS = ["dog", "cat"] * 5
MORE_LABELS = ["cow", "dog", "bee"] * 3


def source_of(labels: list[str], start: int = 0) -> Arrays:
    """Returns one row per label, with unique numbers `x`."""
    return Arrays(x=np.arange(start, start + len(labels), dtype=np.float32), labels=labels)


def pack_first(directory: Path, **options: Any) -> ShardIndex:
    """Packs 10 rows of cats and dogs in 3 shards."""
    return pack(source_of(FIRST_LABELS), directory, shard_samples=4, workers=1, **options)


def pack_more(directory: Path, **options: Any) -> ShardIndex:
    """Appends 9 rows with two new classes in 3 shards."""
    options = {"append": True, "workers": 1, **options}
    return pack(source_of(MORE_LABELS, 100), directory, shard_samples=4, **options)
