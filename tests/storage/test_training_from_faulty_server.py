"""Training from a web server on which everything goes wrong at random."""

import shutil

import numpy as np
import pytest

import keras_bigdata as kb
from keras_bigdata import Arrays, Shards, ShardSequence
from keras_bigdata.storage.copies import fetch
from keras_bigdata.storage.requests import request
from keras_bigdata.storage.urls import filesystem
from tests.helpers.web_server import Faults


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_every_batch_equals_that_of_the_directory(web, tmp_path, monkeypatch, seed):
    monkeypatch.setattr(request, "PAUSES", (0.01, 0.02, 0.05, 0.1))
    monkeypatch.setattr(filesystem, "SILENCE", 0.5)
    monkeypatch.setattr(fetch, "PIECE_BYTES", 20_000)
    rows = np.arange(600)
    x = np.random.default_rng(0).random((600, 100)).astype("float32")
    kb.pack(Arrays(x=x, labels=rows % 3), tmp_path / "set", shard_samples=100, verbose=0)
    shutil.copytree(tmp_path / "set", web.directory / "set")

    web.seed = seed
    shares = dict.fromkeys(("error", "reset", "stall", "cut", "whole", "no_length"), 0.12)
    # Nothing can be told of a wrong byte in the index, which has no checksum.
    web.faults = Faults(**shares, latency=0.001, stall_seconds=1, in_a_row=3)
    shards = Shards(f"{web.url}/set")
    remote = ShardSequence(shards, 32, seed=seed)
    local = ShardSequence(tmp_path / "set", 32, seed=seed)
    web.faults.wrong = 0.12
    for epoch in range(2):
        remote.on_epoch_begin()
        local.on_epoch_begin()
        seen = []
        for i in range(len(local)):
            for ours, theirs in zip(remote[i], local[i], strict=True):
                np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
            seen.append(np.asarray(remote[i][0])[:, 0])
        assert np.array_equal(np.sort(np.concatenate(seen)), np.sort(x[:, 0])), epoch
        remote.on_epoch_end()
        local.on_epoch_end()
    assert set(web.given) >= {"error", "reset", "stall", "cut", "wrong", "whole", "no_length"}
