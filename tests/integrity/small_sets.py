"""Small packed sets that tests of `repair` and of `verify` share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from keras_bigdata import (
    Arrays,
    ShardIndex,
    ShardSequence,
    verify,
)
from tests.helpers.unindexed_pickles import rows_of

WORDS = ["ant", "bee", "cat"]


class Numbers:
    """A source without `select` that records the rows that are read."""

    classes = WORDS
    read: list[int]

    def __init__(self, rows=50, add=0):
        self.rows, self.add, self.read = rows, add, []

    def __len__(self):
        return self.rows

    def __getitem__(self, row):
        self.read.append(row)
        return {"x": np.full(7, row + self.add, np.int32), "labels": np.int32(row % 3)}

    def fingerprint(self):
        return {"kind": "Numbers", "rows": self.rows}


def noisy(sample, rng):
    return {**sample, "x": sample["x"] + rng.integers(0, 100, 7, np.int32)}


def read_files(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def damage(packed):
    """Damages two shards and deletes one."""
    os.truncate(packed / "shard-00001.pkl", 100)
    data = bytearray((packed / "shard-00004.pkl").read_bytes())
    data[ShardIndex.load(packed)[4].offsets["x"] + 2] ^= 4
    (packed / "shard-00004.pkl").write_bytes(data)
    (packed / "shard-00006.pkl").unlink()


def rows_served(directory, **options):
    data = ShardSequence(directory, 8, workers=0, **options)
    return sorted(int(x[0]) for i in range(len(data)) for x in data[i][0])


def make_source(start=0, rows=60):
    ids = np.arange(start, start + rows, dtype=np.int32)
    wide = np.repeat(ids[:, None], 300, axis=1)
    return Arrays(x=rows_of(ids), wide=wide, id=ids, inputs=("x", "wide"), targets="id")


def find_faults(directory, **options):
    report = verify(directory, **options)
    assert report.ok == (not report.faults)
    for fault in report.faults:
        assert fault.expected != fault.found
        assert fault.remedy.endswith(".")
        assert str(fault).startswith(fault.file)
    return {Path(fault.file).name: fault for fault in report.faults}
