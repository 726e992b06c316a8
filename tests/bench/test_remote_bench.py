"""`bench` of a remote set: a bounded part is copied once, and the store is measured by that."""

from dataclasses import replace

import numpy as np
import pytest

from keras_bigdata import Arrays, CorruptShardError, Shards
from keras_bigdata.bench import bench
from keras_bigdata.bench.measure import _select_shards
from keras_bigdata.bench.store import copied_shards
from tests.bench.test_bench import RATES
from tests.helpers.remote_sets import Requests, packed_url, remove

pytest.importorskip("fsspec")


@pytest.fixture
def url(tmp_path):
    rows = np.arange(400)
    x = np.repeat(rows[:, None], 200, axis=1).astype("float32")
    url = packed_url(tmp_path, Arrays(x=x, labels=rows % 3), shard_samples=20)
    yield url
    remove(url)


def test_a_part_is_copied_once_and_removed(url, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    shards = Shards(url, cache=cache)
    part = _select_shards(shards.index, int(shards.index.sizes[:5].sum()))
    assert len(part) == 5
    requests = Requests(monkeypatch)
    with copied_shards(part) as (copies, rate):
        assert requests.nbytes == int(part.sizes.sum())
        assert copies.directory.parent == cache
        remote = Shards(part).columns("x")["x"]
        np.testing.assert_array_equal(Shards(copies).columns("x")["x"], remote)
        assert rate > 0
    assert list(cache.iterdir()) == []


def test_a_damaged_shard_is_an_error_and_nothing_is_left(url, tmp_path, monkeypatch):
    shards = Shards(url, cache=tmp_path / "cache")
    index = replace(shards.index, checksums=shards.index.checksums + 1)
    monkeypatch.setattr("keras_bigdata.storage.copies.fetch._CHECKSUM_ATTEMPTS", 1)
    with pytest.raises(CorruptShardError, match=url), copied_shards(index):
        pass
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.slow
def test_bench_of_a_url_measures_the_store(url, monkeypatch):
    requests = Requests(monkeypatch)
    size = int(Shards(url).index.sizes[0])
    requests.clear()
    rates = bench(url, 16, rounds=1, seconds=0.02, max_bytes=4 * size)
    assert requests.nbytes <= 4 * size
    assert (rates.shards, rates.total_shards, rates.is_remote) == (4, 20, True)
    assert rates.disk > 0


def test_the_store_is_named(url):
    rates = replace(RATES, is_remote=True)
    assert "would wait for the store, which delivers 2,000" in rates.describe_bottleneck(3000)
    assert "in a local cache (`cache=`)" in rates.describe_limits()
    assert "disk" not in rates.describe_limits() + rates.describe_bottleneck(9000)
