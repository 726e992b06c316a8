"""Shards that earlier releases wrote are read, and their files are never written again.

`data/written_by_0_1` was packed by release 0.1.0 (commit aefd413) from a CSV file with the rows

    review,stars
    a good film,good
    a bad film,bad
    good,good
    not bad,good
    not good,bad
    a film,bad

by `pack(TextTable("reviews.csv", text="review", label="stars", text_length=4), directory,
shard_samples=4)`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import keras_bigdata
from keras_bigdata import ShardIndex, ShardSequence, verify
from keras_bigdata.shards.fields.roles import Roles
from keras_bigdata.shards.pickles import read_columns

WRITTEN_BY_0_1 = Path(__file__).parent / "data" / "written_by_0_1"

VOCABULARY = ["", "[UNK]", "a", "film", "good", "bad", "not"]
# Rows 3, 2, 1, 0 of the CSV file in the first shard, 4 and 5 in the second.
TEXTS = [[6, 5, 0, 0], [4, 0, 0, 0], [2, 5, 3, 0], [2, 4, 3, 0], [6, 4, 0, 0], [2, 3, 0, 0]]
LABELS = [1, 1, 0, 1, 0, 0]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WRITTEN_BY_0_1, tmp_path / "shards"))


def test_the_index_of_0_1_is_loaded(directory: Path):
    index = ShardIndex.load(directory)
    assert index.names == ["shard-00000.pkl", "shard-00001.pkl"]
    assert (index.samples.tolist(), index.num_samples) == ([4, 2], 6)
    assert {name: (f.dtype, f.shape) for name, f in index.fields.items()} == {
        "texts": (np.int32, (4,)),
        "labels": (np.int32, ()),
    }
    assert index.roles == Roles("texts", "labels")
    assert (index.classes, index.class_counts) == (["bad", "good"], [3, 3])
    assert index.vocabulary == VOCABULARY
    assert index.provenance["source"]["kind"] == "TextTable"
    assert index.provenance["arguments"]["shard_samples"] == 4
    assert index.writer_version is None


def test_the_shards_of_0_1_are_read(directory: Path):
    index = ShardIndex.load(directory)
    columns = [read_columns(index.path(shard), ["texts", "labels"]) for shard in range(2)]
    assert np.concatenate([each["texts"] for each in columns]).tolist() == TEXTS
    assert np.concatenate([each["labels"] for each in columns]).tolist() == LABELS
    report = verify(directory)
    assert (report.faults, report.notes, report.rows) == ([], [], 6)


def test_a_sequence_serves_the_shards_of_0_1(directory: Path):
    data = ShardSequence(directory, 6, shuffle=None, workers=0)
    texts, labels = data[0]
    assert (texts.tolist(), labels.tolist()) == (TEXTS, LABELS)
    shuffled = ShardSequence(directory, 4, seed=1, workers=0)
    served = [row for batch in range(2) for row in shuffled[batch][0].tolist()]
    assert sorted(served) == sorted(TEXTS)


def test_an_index_of_0_1_is_saved_with_the_same_content(directory: Path):
    ShardIndex.load(directory).save()
    saved = json.loads((directory / "index.json").read_bytes())
    written = json.loads((WRITTEN_BY_0_1 / "index.json").read_bytes())
    assert saved.pop("writer") == keras_bigdata.__version__
    assert (saved.pop("version"), written.pop("version")) == (2, 1)
    assert saved.pop("columns") == {}
    assert (saved["shards"].pop("source"), saved["shards"].pop("row_offset")) == ([0, 0], {})
    assert saved == written
