"""Sets of shards behind URLs that are read through a cache."""

import pickle
import shutil

import numpy as np
import pytest

import keras_bigdata as kb
from keras_bigdata import Arrays, Shards, ShardSequence
from tests.helpers.remote_files import files_of

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def upload(tmp_path):
    """Returns a function that packs rows of a value, uploads the set, and returns its URL."""
    memory = fsspec.filesystem("memory")
    url = f"memory://cached-{tmp_path.name}/set"

    def pack(value):
        shutil.rmtree(tmp_path / "packed", ignore_errors=True)
        x = np.full((60, 50), value, "float32") + np.arange(60)[:, None]
        source = Arrays(x=x, labels=np.arange(60) % 3)
        kb.pack(source, tmp_path / "packed", shard_samples=10, verbose=0)
        if memory.exists(url):
            memory.rm(url, recursive=True)
        memory.put(str(tmp_path / "packed"), url, recursive=True)
        return url

    yield pack
    memory.rm(url, recursive=True)


def rows(shards):
    sequence = ShardSequence(shards, 16, seed=1, window_shards=1, workers=0)
    return np.concatenate([np.asarray(sequence[i][0]) for i in range(len(sequence))])


@pytest.fixture
def requested(monkeypatch):
    """Returns the paths of the shards that are read from the store."""
    driver = type(fsspec.filesystem("memory"))
    original, found = driver.cat_file, []

    def cat_file(self, path, *arguments, **options):
        if path.endswith(".pkl"):
            found.append(path)
        return original(self, path, *arguments, **options)

    monkeypatch.setattr(driver, "cat_file", cat_file)
    return found


def test_a_second_use_sends_no_request_for_a_shard(upload, tmp_path, requested):
    url = upload(1.0)
    first = rows(Shards(url, cache=tmp_path / "cache"))
    np.testing.assert_array_equal(first, rows(tmp_path / "packed"))
    assert len(requested) >= 6
    requested.clear()
    np.testing.assert_array_equal(rows(Shards(url, cache=tmp_path / "cache")), first)
    assert requested == []
    assert len(files_of(tmp_path / "cache")) == 6


def test_a_set_that_was_replaced_between_two_uses_is_read_new(upload, tmp_path):
    first = rows(Shards(upload(1.0), cache=tmp_path / "cache"))
    second = rows(Shards(upload(2.0), cache=tmp_path / "cache"))
    np.testing.assert_array_equal(second, first + 1.0)
    third = rows(Shards(upload(1.0), cache=tmp_path / "cache"))
    np.testing.assert_array_equal(third, first)
    assert len(files_of(tmp_path / "cache")) == 12, "both versions"


@pytest.mark.parametrize("cache_bytes", [8800, 13_200, 100_000])
def test_any_limit_serves_the_same_rows(upload, tmp_path, cache_bytes):
    url = upload(1.0)
    shards = Shards(url, cache=tmp_path / "cache", cache_bytes=cache_bytes)
    np.testing.assert_array_equal(rows(shards), rows(tmp_path / "packed"))
    sizes = [path.stat().st_size for path in files_of(tmp_path / "cache").values()]
    assert sum(sizes) <= cache_bytes


def test_a_cache_in_the_directory_of_the_only_copy_of_a_set_removes_nothing_of_it(upload, tmp_path):
    url = upload(1.0)
    mine = tmp_path / "mine"
    shutil.copytree(tmp_path / "packed", mine)
    before = {path.name: path.read_bytes() for path in mine.iterdir()}
    for cache_bytes in (13_200, 8800):
        rows(Shards(url, cache=mine, cache_bytes=cache_bytes))
    after = {path.name: path.read_bytes() for path in mine.iterdir() if path.is_file()}
    assert after == before
    np.testing.assert_array_equal(rows(mine), rows(tmp_path / "packed"))


def test_a_path_with_a_cache_can_be_sent_to_another_process(upload, tmp_path):
    shards = Shards(upload(1.0), cache=tmp_path / "cache", cache_bytes=9000)
    copy = pickle.loads(pickle.dumps(shards))
    np.testing.assert_array_equal(rows(copy), rows(shards))
