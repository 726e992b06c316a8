"""A remote set that is replaced by another one of the same sizes, under the same names."""

import contextlib
import gc
import shutil

import numpy as np
import pytest

import keras_bigdata as kb
from keras_bigdata import Arrays, CorruptShardError, Shards, ShardSequence
from keras_bigdata.loading.rows import open_files
from keras_bigdata.storage.paths import listed_sizes

fsspec = pytest.importorskip("fsspec")


ROWS = 300


def packed(directory, first, width=40):
    numbers = np.arange(first, first + ROWS)
    x = np.repeat(numbers[:, None], width, axis=1).astype("float32")
    kb.pack(Arrays(x=x, labels=numbers % 3), directory, shard_samples=15, verbose=0)
    return directory


@pytest.fixture(params=["memory", "http", pytest.param("s3", marks=pytest.mark.slow)])
def remote(request, tmp_path):
    """Returns a URL, its options, and a function that puts a directory there."""
    if request.param == "http":
        web = request.getfixturevalue("web")

        def put(directory):
            shutil.rmtree(web.directory / "set", ignore_errors=True)
            shutil.copytree(directory, web.directory / "set")

        return f"{web.url}/set", None, put
    if request.param == "s3":
        s3 = request.getfixturevalue("s3")
        url, options, store = s3.new_bucket(), s3.options, s3.filesystem()
    else:
        url, options, store = f"memory://{tmp_path.name}", None, fsspec.filesystem("memory")

    def replace(directory):
        if store.exists(f"{url}/set"):
            store.rm(f"{url}/set", recursive=True)
        for file in directory.iterdir():
            store.pipe_file(f"{url}/set/{file.name}", file.read_bytes())

    return f"{url}/set", options, replace


@pytest.fixture
def sets(tmp_path):
    return packed(tmp_path / "old", 0), packed(tmp_path / "new", 1000)


def served(sequence):
    batches = [np.asarray(sequence[i][0])[:, 0] for i in range(len(sequence))]
    return np.sort(np.concatenate(batches))


@pytest.mark.slow
def test_a_running_sequence_never_serves_the_new_set_and_a_new_one_does(
    remote, tmp_path, monkeypatch
):
    monkeypatch.setattr(open_files, "max_open_files", lambda: 1)
    url, options, put = remote
    # Rows that are too large for all of them to be kept as arrays.
    old = packed(tmp_path / "large old", 0, 4000)
    new = packed(tmp_path / "large new", 1000, 4000)
    put(old)
    shards = Shards(url, storage_options=options)
    sequence = ShardSequence(shards, 16, window_shards=2, workers=0)
    np.testing.assert_array_equal(served(sequence), np.arange(ROWS))
    sequence.on_epoch_end()
    put(new)
    # Shards that are still held are those of the old set; all others are refused.
    with contextlib.suppress(CorruptShardError):
        assert set(served(sequence)) <= set(range(ROWS))
    del sequence
    gc.collect()
    late = ShardSequence(shards, 16, window_shards=2, workers=0)
    with pytest.raises(CorruptShardError, match="open it again"):
        served(late)
    again = ShardSequence(Shards(url, storage_options=options), 16, workers=0)
    np.testing.assert_array_equal(served(again), np.arange(1000, 1000 + ROWS))


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("lifetime", [0.0, 30.0])
def test_columns_of_a_replaced_set_are_not_those_of_the_new_one(
    remote, sets, monkeypatch, lifetime
):
    monkeypatch.setattr(listed_sizes, "_LIFETIME", lifetime)
    url, options, put = remote
    old, new = sets
    put(old)
    shards = Shards(url, storage_options=options)
    expected = shards.columns("labels")["labels"]
    np.testing.assert_array_equal(expected, Shards(old).columns("labels")["labels"])
    put(new)
    with pytest.raises(CorruptShardError, match=r"[Oo]pen it again"):
        shards.columns("labels")
    with pytest.raises(CorruptShardError, match=r"[Oo]pen it again"):
        shards.where(lambda columns: columns["labels"] == 1)
    again = Shards(url, storage_options=options).columns("labels")["labels"]
    np.testing.assert_array_equal(again, Shards(new).columns("labels")["labels"])


def test_a_set_that_is_replaced_while_its_columns_are_read(remote, sets):
    url, options, put = remote
    old, new = sets
    put(old)
    shards = Shards(url, storage_options=options)
    seen = []

    def choose(columns):
        if len(seen) == 3:
            put(new)
        seen.append(columns["labels"])
        return columns["labels"] == 1

    with pytest.raises(CorruptShardError, match=r"[Oo]pen it again"):
        shards.where(choose)


def test_shards_that_are_appended_do_not_disturb(remote, tmp_path, sets):
    url, options, put = remote
    old, _ = sets
    put(old)
    shards = Shards(url, storage_options=options)
    shards.columns("labels")
    numbers = np.arange(5)
    x = np.repeat(numbers[:, None], 40, axis=1).astype("float32")
    times = [entry.stat().st_mtime_ns for entry in sorted(old.glob("*.pkl"))]
    kb.pack(Arrays(x=x, labels=numbers % 3), old, shard_samples=10, append=True, verbose=0)
    assert times == [entry.stat().st_mtime_ns for entry in sorted(old.glob("*.pkl"))][: len(times)]
    if options is None and url.startswith("memory"):
        store = fsspec.filesystem("memory")
        for file in old.iterdir():
            if not store.exists(f"{url}/{file.name}") or file.suffix == ".json":
                store.pipe_file(f"{url}/{file.name}", file.read_bytes())
        assert len(shards.columns("labels")["labels"]) == ROWS
        assert len(Shards(url).columns("labels")["labels"]) == ROWS + 5
