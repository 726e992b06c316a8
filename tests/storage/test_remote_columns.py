"""Columns of remote sets: read by ranges, ahead and in order, with the results of a directory."""

import threading

import numpy as np
import pytest

import keras_bigdata as kb
from keras_bigdata import Arrays, Ragged, ShardIndex, Shards, ShardSequence
from keras_bigdata.shards.reading import read_ahead
from keras_bigdata.shards.reading.read_ahead import largest_bytes, map_ahead
from keras_bigdata.storage.paths.near_ranges import read_near_ranges
from keras_bigdata.storage.paths.remote_path import RemotePath
from tests.helpers.remote_sets import Requests, packed_url, remove

pytest.importorskip("fsspec")

ROWS, SHARDS = 200, 50


@pytest.fixture
def url(tmp_path):
    """Returns the URL of 200 rows of 8 KB in 50 shards; the directory is `tmp_path / "set"`."""
    rows = np.arange(ROWS)
    x = np.repeat(rows[:, None], 1000, axis=1).astype("float64")
    source = Arrays(x=x, labels=rows % 3, group=rows // 10, targets="labels", inputs="x")
    url = packed_url(tmp_path, source, shard_samples=ROWS // SHARDS)
    yield url
    remove(url)


@pytest.fixture
def requests(url, monkeypatch):
    return Requests(monkeypatch, latency=0.002)


def test_a_start_sends_the_same_number_of_requests_for_any_number_of_shards(url, requests):
    assert len(ShardIndex.load(url)) == SHARDS
    for start in (Shards, ShardIndex.load, lambda url: ShardSequence(url, 16, workers=0)):
        requests.clear()
        start(url)
        assert len(requests) == 1, requests.sent


@pytest.mark.slow
def test_selections_are_those_of_the_directory_and_read_ranges(url, tmp_path, requests):
    remote, local = Shards(url), Shards(tmp_path / "set")

    def of(shards):
        some = shards.where(lambda columns: (columns["labels"] != 1) & (columns["group"] > 3))
        train, val = some.split(0.3, groups="group", seed=1)
        parts = [some, train, val, *next(iter(shards.folds(3, groups="group"))), shards.take(0.2)]
        return [part.columns(("row", "labels"))["row"].tolist() for part in parts]

    requests.clear()
    assert of(remote) == of(local)
    assert requests.nbytes < 60_000, "the set has 1,600,000 bytes"
    assert 4 <= requests.most_at_once <= read_ahead.THREADS


def sent_to_shards(requests):
    """Returns the number of requests, without that for the index after the last range."""
    return len([name for kind, name, _ in requests.sent if kind == "cat_file" and ".pkl" in name])


def test_where_reads_the_columns_ahead_that_the_function_has_used(url, requests):
    shards, threads = Shards(url), set()

    def first(columns):
        threads.add(threading.get_ident())
        return columns["labels"] == 1

    requests.clear()
    assert shards.where(first).num_samples == 67
    assert threads == {threading.get_ident()}, "the function is called in the user's thread"
    assert sent_to_shards(requests) == SHARDS
    assert requests.most_at_once >= 4


def test_columns_that_lie_close_together_are_one_request(url, tmp_path, requests):
    shards, names = Shards(url), ("labels", "group", "row")
    requests.clear()
    found = shards.columns(names)
    assert sent_to_shards(requests) == SHARDS
    for name, column in Shards(tmp_path / "set").columns(names).items():
        np.testing.assert_array_equal(found[name], column)
        assert found[name].flags.writeable
    assert requests.nbytes < SHARDS * 2000, "the field x has 32,000 bytes in each shard"


def test_near_ranges(monkeypatch):
    import fsspec

    path = RemotePath("memory://near-ranges/file")
    content = bytes(range(256)) * 100
    fsspec.filesystem("memory").pipe_file(path.url, content)
    requests = Requests(monkeypatch)
    ranges = [(9000, 9010), (5, 10), (8, 20), (300, 300), (4000, 4100), (20_000, 20_001)]
    found = read_near_ranges(path, ranges)
    assert [bytes(part) for part in found] == [content[a:b] for a, b in ranges]
    assert sorted(count for *_, count in requests.sent) == [1, 10, 4095]
    remove("memory://near-ranges")


def test_where_may_use_other_columns_in_some_shards(url, tmp_path, requests):
    def mixed(columns):
        if columns["row"][0] % 8:
            return columns["group"] < 15
        return np.ones(len(columns["row"]), bool)

    found = [Shards(place).where(mixed) for place in (url, tmp_path / "set")]
    rows = [each.columns("row")["row"].tolist() for each in found]
    assert rows[0] == rows[1]


def test_an_error_of_a_column_that_is_not_looked_up_is_not_raised(url, requests, monkeypatch):
    import fsspec

    store = fsspec.filesystem("memory")
    broken = f"{url}/shard-00030.pkl"
    store.pipe_file(broken, store.cat_file(broken)[:-10])

    class Lazy:
        calls = 0

        def __call__(self, columns):
            self.calls += 1
            return columns["labels"] >= 0 if self.calls <= 30 else np.ones(4, bool)

    assert Shards(url).where(Lazy()).num_samples == ROWS
    with pytest.raises(kb.CorruptShardError, match=r"shard-00030\.pkl") as caught:
        Shards(url).where(lambda columns: columns["labels"] >= 0)
    assert "raised by `where`" in "".join(caught.value.__notes__)


def test_classes_are_counted_weighted_and_balanced_by_ranges(url, tmp_path, requests):
    some = [
        Shards(place).where(lambda columns: columns["row"] % 7 > 1)
        for place in (url, tmp_path / "set")
    ]
    requests.clear()
    remote, local = (ShardSequence(each, 16, workers=0) for each in some)
    assert remote.class_weight() == local.class_weight()
    remote, local = (ShardSequence(each, 16, balance="labels", workers=0, seed=3) for each in some)
    assert requests.nbytes < 6 * ROWS * 8
    assert requests.most_at_once >= 4
    np.testing.assert_array_equal(remote[0][1], local[0][1])


def test_a_shard_that_cannot_be_read_is_left_out_of_class_weights(url):
    import fsspec

    store = fsspec.filesystem("memory")
    sequence = ShardSequence(
        Shards(url).where(lambda columns: columns["row"] >= 4), 16, workers=0, on_corrupt="skip"
    )
    store.rm(f"{url}/shard-00030.pkl")
    with pytest.warns(UserWarning, match=r"shard-00030\.pkl"):
        weights = sequence.class_weight()
    labels = np.delete(np.arange(4, ROWS) % 3, slice(116, 120))
    expected = len(labels) / 3 / np.bincount(labels)
    assert weights == pytest.approx(dict(enumerate(expected)))


def test_the_columns_of_joined_urls(url, tmp_path):
    more = packed_url(
        tmp_path,
        Arrays(
            x=np.zeros((8, 1000)),
            labels=np.arange(8) % 3,
            group=np.arange(8),
            targets="labels",
            inputs="x",
        ),
        "more",
    )
    try:
        both = Shards([url, more])
        columns = both.columns(("source", "row"))
        assert columns["source"].tolist() == [0] * ROWS + [1] * 8
        assert columns["row"].tolist() == [*range(ROWS), *range(8)]
        assert len(repr(both)) < 200
        assert ShardSequence(both, 16, workers=0).class_weight()
        three = Shards([tmp_path / "set", url, more])
        assert three.where(lambda columns: columns["source"] == 1).num_samples == ROWS
    finally:
        remove(more)


def test_rows_of_any_length_are_read_by_ranges(tmp_path, monkeypatch):
    texts = Ragged.from_rows([np.arange(n, dtype=np.int64) for n in range(1, 41)])
    url = packed_url(tmp_path, Arrays(tokens=texts, labels=np.arange(40) % 2), shard_samples=4)
    try:
        requests = Requests(monkeypatch)
        found = Shards(url).columns("tokens")["tokens"]
        assert [len(row) for row in found] == [len(row) for row in texts]
        assert requests.nbytes < 20_000
        index = ShardIndex.load(url)
        assert 0 < largest_bytes(index, ["tokens", "row"]) <= int(index.sizes.max())
    finally:
        remove(url)


def test_memory_bounds_how_far_ahead_is_read(url, monkeypatch):
    index = ShardIndex.load(url)
    assert largest_bytes(index, ["x"]) == 4 * 8000
    assert largest_bytes(index, ["labels", "source"]) == 4 * 8
    monkeypatch.setattr(read_ahead, "MAX_BYTES", 3 * 4 * 8000)
    running, most, lock, taken = 0, 0, threading.Lock(), []

    def read(item):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        taken.append(item)
        with lock:
            running -= 1
        return item

    results = map_ahead(read, range(40), index, ["x"])
    assert next(results) == 0
    assert taken == [0], "the first one is read alone"
    assert next(results) == 1
    assert len(taken) <= 5
    assert list(results) == list(range(2, 40))
    assert most <= 3


def test_a_local_set_is_read_in_the_thread_of_the_user(tmp_path, url):
    threads = set()

    def read(item):
        threads.add(threading.get_ident())
        return item

    index = ShardIndex.load(tmp_path / "set")
    assert list(map_ahead(read, range(9), index, [])) == list(range(9))
    assert threads == {threading.get_ident()}
