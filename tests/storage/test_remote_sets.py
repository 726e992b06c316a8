"""Sets of shards behind URLs, read as if they were in a directory."""

import numpy as np
import pytest

import keras_bigdata as kb
from keras_bigdata import Arrays, CorruptShardError, ShardIndex, Shards, ShardSequence, StorageError
from tests.helpers.remote_sets import Requests

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def bucket(tmp_path):
    """Returns the URL of a packed set of 100 rows in 8 shards, and its directory."""
    rows = np.arange(100)
    x = np.repeat(rows[:, None], 40, axis=1).astype("float32")
    kb.pack(Arrays(x=x, labels=rows % 3), tmp_path / "set", shard_samples=13, verbose=0)
    url = f"memory://bucket-{tmp_path.name}/set"
    fsspec.filesystem("memory").put(str(tmp_path / "set"), url, recursive=True)
    yield url, tmp_path / "set"
    fsspec.filesystem("memory").rm(url, recursive=True)


def batches(sequence):
    return [[np.asarray(part) for part in sequence[i]] for i in range(len(sequence))]


@pytest.mark.parametrize("shuffle", ["window", "global", None])
def test_the_batches_are_those_of_the_directory(bucket, shuffle):
    url, directory = bucket
    remote = ShardSequence(url, 16, seed=1, shuffle=shuffle, workers=0)
    local = ShardSequence(directory, 16, seed=1, shuffle=shuffle, workers=0)
    for ours, theirs in zip(batches(remote), batches(local), strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


def test_columns_of_a_remote_set_are_read_by_ranges(bucket, monkeypatch):
    url, _ = bucket
    shards = Shards(url)
    requests = Requests(monkeypatch)
    found = shards.where(lambda columns: columns["labels"] == 1)
    np.testing.assert_array_equal(np.sort(found.columns("row")["row"]), np.arange(1, 100, 3))
    received = requests.bytes_of().total()
    assert 0 < received < 3_000, "100 labels and row numbers take 1,600 bytes, the set 20,000"


def test_a_set_in_a_url_and_one_in_a_directory_are_joined(bucket, tmp_path):
    url, _ = bucket
    rows = np.arange(20)
    x = np.repeat(rows[:, None], 40, axis=1).astype("float32")
    kb.pack(Arrays(x=x, labels=rows % 3), tmp_path / "more", verbose=0)
    both = Shards([url, tmp_path / "more"])
    assert both.num_samples == 120
    total = sum(len(batch[1]) for batch in batches(ShardSequence(both, 16, workers=0)))
    assert total == 120


def test_a_missing_index_names_the_url():
    with pytest.raises(CorruptShardError, match=r"memory://nothing/here/index\.json"):
        ShardIndex.load("memory://nothing/here")


def test_a_missing_driver_names_the_package(monkeypatch):
    def missing(scheme):
        raise ImportError("no driver")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(StorageError, match=r"gs://bucket/x.*pip install gcsfs"):
        ShardIndex.load("gs://bucket/x")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("s3:/bucket/x", "Two slashes"),
        ("https://me:secret@host/x", "user name or password"),
        ("https://host/x?Signature=abc", "query"),
        ("simplecache::s3://bucket/x", "chain"),
        ("s3://", "without a name"),
        ("s3://bucket/../x", "must not hold"),
    ],
)
def test_a_url_with_two_readings_or_a_secret_is_refused(url, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        ShardIndex.load(url)
    assert "secret" not in str(caught.value)
    assert "abc" not in str(caught.value)


def test_options_are_never_printed(bucket):
    options = {"skip_instance_cache": True, "key": "a-secret-key"}
    shards = Shards(bucket[0], storage_options=options)
    sequence = ShardSequence(shards, 16)
    shown = repr(shards) + repr(sequence) + shards._repr_html_() + repr(shards.index.directory)
    assert "a-secret-key" not in shown
    assert "a-secret-key" not in repr(shards.index.directory.options)
    assert "a-secret-key" not in str(sequence.state_dict())


def test_a_file_url_is_a_local_directory(tmp_path):
    kb.pack(Arrays(x=np.zeros((4, 2)), labels=np.arange(4) % 2), tmp_path / "a b", verbose=0)
    index = ShardIndex.load((tmp_path / "a b").as_uri())
    assert index.directory == tmp_path / "a b"
