"""Fields of rows of any length, read from packed shards."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

from keras_bigdata import Ragged, ShardIndex
from keras_bigdata.shards.reading.read_column import read_ragged


def stored_rows(index: ShardIndex, name: str, variant: int = 0) -> list[np.ndarray]:
    """Returns the rows of a field in the order of the source, as any pickle has them.

    `read_ragged` must return the same ones.
    """
    rows: dict[int, np.ndarray] = {}
    for shard in np.flatnonzero(index.variant == variant).tolist():
        content = pickle.loads(index.path(shard).read_bytes())
        stored = Ragged(content[name]["values"], content[name]["offsets"])
        assert content[name]["values"].dtype == index.fields[name].dtype
        assert content[name]["offsets"].dtype == np.int64
        read = read_ragged(index, shard, name)
        assert_same(read, stored)
        assert read.padding == index.fields[name].padding
        assert len(stored) == index.samples[shard]
        rows |= dict(zip(content["row"].tolist(), stored, strict=True))
    return [rows[number] for number in sorted(rows)]


def assert_same(found: Any, expected: Any) -> None:
    """Checks that two lists of rows are equal, in dtypes and shapes too."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes()
