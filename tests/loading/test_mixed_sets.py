"""`Mixture` of sets with selections, balance or class weights."""

from __future__ import annotations

import numpy as np
import pytest

from keras_bigdata import Arrays, Mixture, Shards, ShardSequence, pack


def test_selected_and_balanced_sets_are_mixed(tmp_path):
    labels = np.array([0] * 30 + [1] * 10)
    for name, start in (("a", 0), ("b", 1000)):
        x = np.arange(start, start + 40.0)
        pack(Arrays(x=x, labels=labels), tmp_path / name, shard_samples=11)
    even = Shards(tmp_path / "a").where(lambda columns: columns["x"] % 2 == 0)
    sets = {
        "even": ShardSequence(even, 8, seed=1),
        "balanced": ShardSequence(tmp_path / "b", 8, balance="labels", seed=1),
    }
    for workers in (0, 2):
        mixed = Mixture(sets, weights=(1, 1), batch_size=8, workers=workers)
        batches = [mixed.batch_of(0, index) for index in range(len(mixed))]
        x = np.concatenate([x for x, _ in batches])
        y = np.concatenate([y for _, y in batches])
        served = x[x < 1000]
        assert set(served.tolist()) == set(range(0, 40, 2))
        assert sorted(np.unique(served, return_counts=True)[1].tolist()) == [2] * 20
        assert np.bincount(y[x >= 1000]).tolist() == [20, 20]


def test_a_set_with_class_weights_is_not_mixed(tmp_path):
    pack(Arrays(x=np.zeros(8), labels=np.arange(8) % 2), tmp_path / "s")
    weighted = ShardSequence(tmp_path / "s", 4, class_weights="balanced")
    with pytest.raises(ValueError, match="it has class_weights"):
        Mixture([weighted, ShardSequence(tmp_path / "s", 4)], weights=(1, 1), batch_size=4)
