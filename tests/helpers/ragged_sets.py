"""Rows of any length: sets and sources of them, and rows that are read from packed shards."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_bigdata import Ragged, ShardIndex, ShardWriter
from keras_bigdata.packing.samples.stored_form import StoredForm
from keras_bigdata.shards.reading.read_column import read_ragged


def token_rows(rows: int, longest: int = 40, seed: int = 0) -> list[np.ndarray[Any, Any]]:
    """Tokens from 1 on: realistic lengths, many short rows and a few long ones."""
    rng = np.random.default_rng(seed)
    lengths = np.minimum(rng.lognormal(2, 0.8, rows).astype(int), longest)
    return [rng.integers(1, 50, length).astype(np.int32) for length in lengths]


def write_tokens(directory: Path, rows: list[Any], shard_rows: int = 50) -> Path:
    """Shards of rows of any length, with their numbers as target."""
    with ShardWriter(directory, inputs="texts", targets="id") as writer:
        for start in range(0, len(rows), shard_rows):
            part = rows[start : start + shard_rows]
            writer.write({"texts": part, "id": np.arange(start, start + len(part))})
    return directory


def numbered_rows(start: int, stop: int) -> list[np.ndarray]:
    """Rows of 0 to 6 numbers that name their row."""
    return [np.arange(row, row + row % 7, dtype=np.int32) for row in range(start, stop)]


def write_numbered(directory: Path, sizes: Sequence[int] = (5, 4)) -> ShardIndex:
    """Writes `t`, rows of any length, and `y`."""
    start = 0
    with ShardWriter(directory, inputs="t", targets="y") as writer:
        for size in sizes:
            rows = numbered_rows(start, start + size)
            files = [f"texts/{row}.txt" for row in range(start, start + size)]
            labels = np.arange(start, start + size) % 2
            writer.write({"t": rows, "y": labels}, columns={"file": files})
            start += size
    return ShardIndex.load(directory)


class RaggedNumbers:
    """A source of rows of any length, `t`, with `labels`."""

    def __init__(self, rows: int = 20, **options: Any) -> None:
        self._rows = rows
        self.roles = {"inputs": "t", "targets": "labels"}
        self.stored_forms = {"t": StoredForm(None, row_bytes=12, **options)}

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"t": np.arange(row, row + row % 7, dtype=np.int32), "labels": np.int32(row % 3)}


def as_values(rows: Sequence[Any], dtype: Any = None, offsets: Any = np.int64) -> dict[str, Any]:
    """Returns rows as they are pickled: values and offsets."""
    return {
        "values": np.concatenate(rows).astype(dtype or rows[0].dtype),
        "offsets": np.cumsum([0, *map(len, rows)]).astype(offsets),
    }


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
