"""The first batch of a set behind a URL is there before its shards are."""

from __future__ import annotations

import threading
import time
import warnings

import numpy as np
import pytest

import keras_bigdata as kb
from keras_bigdata import Mixture, Shards, ShardSequence, ShardWriter, StorageError
from keras_bigdata.loading.rows import ranged_reader
from tests.helpers.store import pack_numbers
from tests.helpers.waiting import wait_for

pytest.importorskip("fsspec")


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A packed set of 12 shards with 20 rows of 5 kB."""
    return pack_numbers(tmp_path_factory.mktemp("first") / "set", shard_rows=20)


@pytest.fixture
def store(monkeypatch, store):
    # The shards are small: a request counts as much as 100 bytes.
    monkeypatch.setattr(ranged_reader, "REQUEST_BYTES", 100)
    return store


def assert_equal(one, other):
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("workers", [0, 2])
def test_it_is_served_while_the_window_is_fetched(workers, directory, store):
    options = {"seed": 1, "window_shards": 4}
    sequence = ShardSequence(store.upload(directory), 8, workers=workers, **options)
    local = ShardSequence(directory, 8, workers=0, **options)
    store.gate.clear()  # no shard arrives
    for _ in range(2):  # Keras requests it twice
        assert_equal(sequence.server.batch(0, 0), local.server.batch(0, 0))
    read = sum(end - start for _, start, end in store.requests if start)
    assert read < 2.5 * 8 * (5000 + 200), "its rows twice, and little more"
    store.gate.set()
    assert_equal(sequence.server.batch(0, 1), local.server.batch(0, 1))
    ranges = len([start for _, start, _ in store.requests if start])
    for index in range(2, len(sequence)):
        assert_equal(sequence.server.batch(0, index), local.server.batch(0, index))
    assert len([start for _, start, _ in store.requests if start]) == ranges, "the first one only"
    sequence.server.prefetcher.release()


def test_the_example_of_a_set_needs_no_shard(directory, store):
    store.gate.clear()
    sequence = ShardSequence(store.upload(directory), 8, seed=1, window_shards=4)
    sequence.server.example()
    assert not store.shards()


def test_the_first_run_of_a_tf_dataset_is_one_batch(directory, store):
    store.gate.clear()
    sequence = ShardSequence(store.upload(directory), 8, seed=1, window_shards=4)
    runs = sequence.server.runs(0)
    assert runs[0] == range(0, 1)
    assert [i for run in runs for i in run] == list(range(30))
    local = ShardSequence(directory, 8, seed=1, window_shards=4)
    assert local.server.runs(0)[0] != range(0, 1)
    read = sequence.server.read_run(0, runs[0])
    assert_equal([part[0] for part in read], local.server.batch(0, 0))
    wait_for(lambda: len(store.shards()) >= 2)  # the windows are on their way
    sequence.server.prefetcher.release()


def test_shards_that_arrive_first_are_used(directory, store):
    """On a fast network, where the requests of a batch take longer than a window."""
    sequence = ShardSequence(store.upload(directory), 8, seed=1, window_shards=4, workers=0)
    slow = threading.Event()
    store.changed = {
        name: lambda content, start: (slow.wait(20) if start else None, content)[1]
        for name in sequence.index.names
    }
    store.gate.clear()
    loader = sequence.server.prefetcher.loader
    run = threading.Thread(target=lambda: loader.read(loader.run_at(0)))
    run.start()
    wait_for(lambda: len(store.shards()) >= 4)
    threading.Timer(0.1, store.gate.set).start()
    started = time.monotonic()
    local = ShardSequence(directory, 8, seed=1, window_shards=4, workers=0)
    assert_equal(sequence.server.batch(0, 0), local.server.batch(0, 0))
    assert time.monotonic() - started < 15
    assert [start for _, start, _ in store.requests if start], "they were requested"
    slow.set()
    run.join()
    sequence.server.prefetcher.release()


def test_after_a_seek_it_is_that_of_the_new_place(directory, store):
    url = store.upload(directory)
    sequence = ShardSequence(url, 8, seed=1, window_shards=4, workers=0)
    local = ShardSequence(directory, 8, seed=1, window_shards=4, workers=0)
    for index in range(3):
        sequence.server.batch(0, index)
    store.gate.clear()
    assert_equal(sequence.server.batch(0, 25), local.server.batch(0, 25))
    store.gate.set()
    assert_equal(sequence.server.batch(0, 26), local.server.batch(0, 26))


def test_rows_of_any_length_and_images_are_read_too(tmp_path, store):
    rng = np.random.default_rng(0)
    with ShardWriter(tmp_path / "set", inputs=("x", "t"), targets="labels") as writer:
        for shard in range(4):
            t = np.empty(30, object)
            t[:] = [rng.integers(0, 9, rng.integers(0, 40)).astype("int32") for _ in range(30)]
            writer.write({
                "x": rng.integers(0, 9, (30, 3000), np.uint8),
                "t": t,
                "labels": np.arange(30) + 30 * shard,
            })  # fmt: skip
    url = store.upload(tmp_path / "set")
    options = {"seed": 1, "window_shards": 2, "workers": 0}
    sequence = ShardSequence(url, 5, **options)
    local = ShardSequence(tmp_path / "set", 5, **options)
    store.gate.clear()
    one, other = sequence.server.batch(0, 0), local.server.batch(0, 0)
    assert_equal(one[0], other[0])
    assert_equal(one[1:], other[1:])


def test_a_mixture_has_its_first_batch_early(directory, store):
    def mixture(place):
        sets = {
            "a": ShardSequence(place, 8, seed=1, window_shards=3),
            "b": ShardSequence(place, 8, seed=2, window_shards=3),
        }
        return Mixture(sets, {"a": 1, "b": 1}, batch_size=8, workers=0)

    remote, local = mixture(store.upload(directory)), mixture(directory)
    store.gate.clear()
    assert_equal(remote.server.batch(0, 0), local.server.batch(0, 0))
    assert not store.shards()


def test_compressed_shards_are_waited_for(tmp_path, store):
    rows = np.arange(60)
    joblib = pytest.importorskip("joblib")
    (tmp_path / "set").mkdir()
    for shard in range(3):
        part = rows[shard * 20 : shard * 20 + 20]
        x = np.repeat(part[:, None], 5000, axis=1).astype("uint8")
        joblib.dump({"x": x, "labels": part}, tmp_path / f"set/{shard}.pkl", compress=3)
    index = kb.ShardSequence(tmp_path / "set", inputs="x", targets="labels").index
    index.save()
    sequence = ShardSequence(
        store.upload(tmp_path / "set"), 4, inputs="x", targets="labels", seed=1, workers=0
    )
    local = ShardSequence(tmp_path / "set", 4, inputs="x", targets="labels", seed=1, workers=0)
    assert_equal(sequence.server.batch(0, 0), local.server.batch(0, 0))
    assert store.shards()


def test_a_batch_of_as_many_bytes_as_the_shards_is_waited_for(directory, store):
    sequence = ShardSequence(store.upload(directory), 40, seed=1, window_shards=2, workers=0)
    sequence.server.batch(0, 0)
    assert not [start for _, start, _ in store.requests if start], "40 of 40 rows: whole shards"


def test_shards_in_the_cache_are_not_requested_by_ranges(directory, store, tmp_path):
    shards = Shards(store.upload(directory), cache=tmp_path / "cache")
    first = ShardSequence(shards, 8, seed=1, window_shards=4)
    for index in range(len(first)):
        first.server.batch(0, index)
    first.server.prefetcher.release()
    store.requests.clear()
    ShardSequence(shards, 8, seed=1, window_shards=4).server.batch(0, 0)
    assert not store.requests


@pytest.mark.parametrize("twice", [False, True])
def test_wrong_bytes_are_found(twice, directory, store):
    """In the second reading at once, in two equal readings when the shard arrives."""
    url = store.upload(directory)
    sequence = ShardSequence(url, 8, seed=1, window_shards=4, workers=0)
    local = ShardSequence(directory, 8, seed=1, window_shards=4, workers=0)
    lock, seen = threading.Lock(), []

    def wrong(content, start):
        with lock:
            seen.append(start)
            is_second = seen.count(start) == 2
        return bytes(len(content)) if start and (twice or is_second) else content

    for name in sequence.index.names:
        store.changed[name] = wrong
    if not twice:
        assert_equal(sequence.server.batch(0, 0), local.server.batch(0, 0))
        assert store.shards(), "the whole shards decide"
        return
    sequence.server.batch(0, 0)
    for _ in range(2):  # it stays an error
        with pytest.raises(StorageError, match=rf"{url}/shard.*other bytes than the whole file"):
            sequence.server.batch(0, 1)


def test_a_shard_that_is_gone_is_found_out_by_its_download(directory, store):
    url = store.upload(directory)
    sequence = ShardSequence(url, 8, seed=1, window_shards=4, workers=0, on_corrupt="skip")
    store.removed.update(sequence.index.names[:3])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        labels = [sequence.server.batch(0, i)[1] for i in range(len(sequence))]
    assert len(caught) == 3
    assert min(np.concatenate(labels)) >= 60


@pytest.mark.slow
def test_no_row_of_a_damaged_shard_is_served_before_it_is_skipped(directory, store):
    url = store.upload(directory)
    sequence = ShardSequence(url, 8, seed=1, window_shards=4, workers=0, on_corrupt="skip")
    store.changed.update(dict.fromkeys(sequence.index.names[:6], lambda content, _: content[::-1]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        batches = [sequence.server.batch(0, i) for i in range(len(sequence))]
    assert len(caught) == 6
    for x, labels in batches:
        assert min(labels) >= 120
        np.testing.assert_array_equal(x[:, 0], labels % 256)
