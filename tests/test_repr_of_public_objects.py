"""Every public object is shown in a few words, however large its data is."""

from __future__ import annotations

import numpy as np
import pytest

import keras_bigdata as kb
from tests.helpers.html_checker import Checker
from tests.helpers.unindexed_pickles import ROLES


def check_html(value):
    text = value._repr_html_()
    assert len(text) < 8000
    parser = Checker()
    parser.feed(text)
    assert not parser.open
    assert "<table" in text


def test_a_sequence(shards):
    directory = shards([30] * 40)
    train = kb.ShardSequence(directory, 64, **ROLES)
    name = str(directory)
    assert repr(train) == f"ShardSequence({name!r}: 1,200 rows in 40 shards, batch 64, window of 6)"
    shuffled = kb.ShardSequence(directory, 64, **ROLES, shuffle="global")
    assert repr(shuffled).endswith("batch 64, shuffle='global')")
    check_html(train)
    assert repr(next(train.epochs(1))) == "Epoch(number=0, 19 batches)"


def test_a_sequence_of_one_shard(shards):
    assert "30 rows in 1 shard, " in repr(kb.ShardSequence(shards([30]), **ROLES))


@pytest.mark.parametrize("rows", [4, 100])
def test_what_pack_returns_and_takes_does_not_grow_with_the_data(tmp_path, rows):
    source = kb.Arrays(x=np.zeros((rows, 2), np.float32), labels=np.arange(rows) % 3)
    index = kb.pack(source, tmp_path / "s", shard_samples=2, workers=1, verbose=0)
    some = kb.Shards(tmp_path / "s").rows(range(rows // 2)).take(0.5).where(is_number)
    for value in (source, index, kb.verify(tmp_path / "s", verbose=0), index.fields["x"], some):
        assert len(repr(value)) < 200
        assert "\n" not in repr(value)
        check_html(value)
    with kb.ShardWriter(tmp_path / "w") as writer:
        writer.write({"x": np.zeros((3, 2))})
        assert repr(writer) == f"ShardWriter({str(tmp_path / 'w')!r}: 1 shard, open)"


def is_number(columns):
    return columns["labels"] >= 0


def test_html_is_escaped(tmp_path):
    source = kb.Arrays(x=np.zeros((2, 1)), labels=["<script>alert(1)</script>", "b"])
    assert "<script>" not in source._repr_html_()
    check_html(source)
