"""What is held of a remote set must fit into the cache, or into memory."""

from __future__ import annotations

import numpy as np
import pytest

from keras_bigdata import Shards, ShardSequence
from keras_bigdata.shards.index.shard_index import ShardIndex
from tests.helpers.store import batches, pack_numbers

pytest.importorskip("fsspec")


def test_two_windows_must_fit_into_the_cache(directory, store, tmp_path):
    url = store.upload(directory)
    size = int(ShardIndex.load(url).sizes.max())

    def sequence(nbytes, **options):
        shards = Shards(url, cache=tmp_path, cache_bytes=nbytes)
        return ShardSequence(options.pop("take", lambda s: s)(shards), 10, **options)

    with pytest.raises(ValueError, match=f"cache_bytes.*{6 * size:,} bytes"):
        sequence(6 * size - 1, window_shards=3)
    sequence(6 * size, window_shards=3)
    sequence(2 * size, shuffle="shards")
    sequence(2 * size, window_shards=3, take=lambda s: s.where(lambda c: c["labels"] < 15))
    with pytest.raises(ValueError, match=f"{24 * size:,} bytes"):
        sequence(23 * size, shuffle="global")


def test_what_does_not_fit_into_memory_names_the_cache(directory, store, tmp_path, monkeypatch):
    url = store.upload(directory)
    size = int(ShardIndex.load(url).sizes.max())
    monkeypatch.setattr("keras_bigdata.loading.batches.remote_room.memory_limit", lambda: 10 * size)
    ShardSequence(url, 10, window_shards=5)
    with pytest.raises(ValueError, match=r"two windows.*window_shards|two windows.*cache"):
        ShardSequence(url, 10, window_shards=6)
    with pytest.raises(ValueError, match=r'shuffle="global" needs any shard.*cache=directory'):
        ShardSequence(url, 10, shuffle="global")
    ShardSequence(Shards(url, cache=tmp_path), 10, shuffle="global")


def test_balance_without_room_warns_that_shards_are_downloaded_again(tmp_path, store, monkeypatch):
    url = store.upload(pack_numbers(tmp_path / "set", classes=3))
    size = int(ShardIndex.load(url).sizes.max())
    monkeypatch.setattr("keras_bigdata.loading.batches.remote_room.memory_limit", lambda: 10 * size)
    with pytest.warns(UserWarning, match=r"balance.*downloaded again.*cache=directory"):
        sequence = ShardSequence(url, 10, balance="labels", window_shards=3, seed=1)
    local = ShardSequence(tmp_path / "set", 10, balance="labels", window_shards=3, seed=1)
    for one, other in zip(batches(sequence), batches(local), strict=True):
        np.testing.assert_array_equal(one, other)
    sequence.server.prefetcher.release()


def test_processes_that_were_switched_off_need_no_room(directory, store):
    """`workers=0` ended with a ZeroDivisionError."""
    url = store.upload(directory)
    options = {"transform": _unchanged, "use_multiprocessing": True}
    assert len(list(ShardSequence(url, 10, workers=0, **options))) == len(ShardSequence(url, 10))


def _unchanged(batch, rng):
    return batch
