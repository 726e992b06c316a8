"""What is held of a remote set must fit into the cache, or into memory."""

from __future__ import annotations

import numpy as np
import pytest

import keras_bigdata as kb
from keras_bigdata import Arrays, Shards, ShardSequence
from keras_bigdata.shards.index.shard_index import ShardIndex
from tests.helpers.store import Store

pytest.importorskip("fsspec")

ROWS, PER_SHARD = 240, 10


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A packed set of 24 shards with 10 rows of 5 kB."""
    rows = np.arange(ROWS)
    x = np.repeat(rows[:, None] % 256, 5000, axis=1).astype("uint8")
    path = tmp_path_factory.mktemp("remote") / "set"
    kb.pack(Arrays(x=x, labels=rows), path, shard_samples=PER_SHARD, shuffle=False, verbose=0)
    return path


@pytest.fixture
def store():
    with Store() as store:
        yield store


def batches(sequence, start=0, epochs=1):
    """The rows of batches, requested as Keras requests them."""
    found = []
    for _ in range(epochs):
        sequence.on_epoch_begin()
        found += [np.asarray(sequence[i][1]) for i in range(sequence.num_batches)]
        sequence.on_epoch_end()
    return found


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
    rows = np.arange(ROWS)
    x = np.repeat(rows[:, None] % 256, 5000, axis=1).astype("uint8")
    kb.pack(
        Arrays(x=x, labels=rows % 3),
        tmp_path / "set",
        shard_samples=PER_SHARD,
        shuffle=False,
        verbose=0,
    )
    url = store.upload(tmp_path / "set")
    size = int(ShardIndex.load(url).sizes.max())
    monkeypatch.setattr("keras_bigdata.loading.batches.remote_room.memory_limit", lambda: 10 * size)
    with pytest.warns(UserWarning, match=r"balance.*downloaded again.*cache=directory"):
        sequence = ShardSequence(url, 10, balance="labels", window_shards=3, seed=1)
    local = ShardSequence(tmp_path / "set", 10, balance="labels", window_shards=3, seed=1)
    for one, other in zip(batches(sequence), batches(local), strict=True):
        np.testing.assert_array_equal(one, other)
    sequence.server.prefetcher.release()
