"""Sets behind URLs: what is fetched, in which order, how often, and what is held."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from concurrent.futures import CancelledError

import numpy as np
import pytest

import keras_bigdata as kb
from keras_bigdata import Arrays, CorruptShardError, Mixture, Shards, ShardSequence, StorageError
from keras_bigdata.loading.fetching import planned_fetch, shared_downloads
from keras_bigdata.loading.prefetching.worker_threads import ThreadProvider
from keras_bigdata.shards.index.shard_index import ShardIndex
from tests.helpers.store import ROWS, batches, pack_numbers
from tests.helpers.waiting import wait_for

pytest.importorskip("fsspec")


def needed_order(sequence, count, first=0):
    """The names of the shards in the order in which `count` batches of the stream need them."""
    loader = sequence.server.config.loader()
    shards = [loader._rows(range(p, p + 1))[0] for p in range(first, first + count)]
    order = dict.fromkeys(np.concatenate(shards).tolist())
    return [loader.config.index.names[shard] for shard in order]


def held(sequence):
    """The number of copies of shards that a sequence holds."""
    remote = sequence.server.prefetcher.loader.reader.files.remote
    return len(remote._futures) + len(remote._aside)


OPTIONS = {
    "window": {},
    "shards": {"shuffle": "shards"},
    "global": {"shuffle": "global"},
    "unshuffled": {"shuffle": None},
    "dropped": {"last_batch": "drop"},
    "steps": {"steps_per_epoch": 7},
    "balanced": {"balance": "labels"},
    "one by one": {"workers": 0},
}


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize("name", OPTIONS)
def test_the_batches_are_those_of_the_directory_over_two_epochs(name, directory, store, tmp_path):
    options = {"seed": 3, "window_shards": 3, **OPTIONS[name]}
    if name == "balanced":
        directory = pack_numbers(tmp_path / "set", classes=3)
    remote = ShardSequence(store.upload(directory), 16, **options)
    local = ShardSequence(directory, 16, **{**options, "workers": 0})
    for one, other in zip(batches(remote, epochs=2), batches(local, epochs=2), strict=True):
        np.testing.assert_array_equal(one, other)
    if name in ("global", "balanced"):  # any batch may need any shard: all are held
        assert len(store.shards()) == len(set(store.shards())) == 24
    remote.server.prefetcher.release()


@pytest.mark.parametrize("shuffle", ["window", "shards", None])
def test_shards_are_fetched_in_the_order_in_which_the_plan_needs_them(
    shuffle, directory, store, monkeypatch
):
    started = []

    def download(file, next_use):
        started.append(file.path.name)
        return shared_downloads.download(file, next_use)

    monkeypatch.setattr(planned_fetch, "download", download)
    sequence = ShardSequence(
        store.upload(directory), 3, seed=1, shuffle=shuffle, window_shards=3, workers=0
    )
    loader = sequence.server.prefetcher.loader
    loader.read(loader.run_at(0))
    # The current window and the next one. Without windows, 16 batches are read together, which lie
    # in 5 shards.
    count = 6 if shuffle == "window" else 10
    wait_for(lambda: len(store.shards()) == count)
    assert list(dict.fromkeys(started)) == needed_order(sequence, 80)[:count]
    assert store.busiest > 1


def test_the_next_epoch_begins_before_the_last_one_ends(directory, store):
    sequence = ShardSequence(store.upload(directory), 10, seed=1, window_shards=3, workers=0)
    loader = sequence.server.prefetcher.loader
    last = loader.num_batches - 1
    loader.read(loader.run_at(last))
    expected = needed_order(sequence, 3, last + 1)
    wait_for(lambda: set(expected) <= set(store.shards()))
    sequence.server.prefetcher.release()
    fixed = sequence.unshuffled()
    loader = fixed.server.prefetcher.loader
    store.requests.clear()
    loader.read(loader.run_at(last))
    first = loader.config.index.names[:2]
    wait_for(lambda: set(first) <= set(store.shards()))


def test_only_two_windows_are_held_and_they_are_dropped_when_passed(directory, store):
    sequence = ShardSequence(store.upload(directory), 10, seed=1, window_shards=3, workers=0)
    most = 0
    for index in range(len(sequence)):
        sequence.server.batch(0, index)
        most = max(most, held(sequence))
    assert most <= 6
    wait_for(lambda: not shared_downloads._running)
    gc.collect()
    assert len(shared_downloads._open) <= 6 + 1
    sequence.server.prefetcher.release()
    wait_for(lambda: not shared_downloads._running)
    gc.collect()
    assert len(shared_downloads._open) == 0, "released: nothing is held"


@pytest.mark.parametrize("workers", [0, 2])
def test_each_shard_is_downloaded_once_an_epoch(workers, directory, store):
    sequence = ShardSequence(store.upload(directory), 3, seed=1, window_shards=3, workers=workers)
    for epoch in range(2):
        store.requests.clear()
        batches(sequence)
        counts = np.unique(store.shards(), return_counts=True)[1]
        # The shards of the first three windows of the next epoch may be downloaded again.
        assert counts.sum() <= 24 + 3 * 3, epoch
        assert counts.max() <= 2
    sequence.server.prefetcher.release()


@pytest.mark.parametrize("sets", [1, 2])
def test_a_shard_is_not_downloaded_again_if_threads_read_ahead_of_the_caller_who_needs_it(
    sets, directory, store
):
    of_sets = [
        ShardSequence(store.upload(directory), 3, shuffle=None, workers=0) for _ in range(sets)
    ]
    sequence = of_sets[0] if sets == 1 else Mixture(of_sets, (1, 1), batch_size=6, workers=0)
    loader = sequence.server.prefetcher.loader
    provider = ThreadProvider(loader, 1)
    pending = provider.load_now(0)
    run = loader.run_at(0)
    for _ in range(3):
        loader.read(run)
        run = loader.run_at(run.stop)
    pending.result()
    counts = Counter(store.shards())
    assert set(counts.values()) == {sets}
    for read in getattr(loader, "_sets", [loader]):
        assert not read.remote._fetch.keeps(0), "dropped when it has been read"
    provider.close()


@pytest.mark.parametrize(("shuffle", "batch_size"), [("window", 7), (None, 7), ("shards", 10)])
def test_batches_of_several_windows_download_no_shard_twice_in_an_epoch(
    shuffle, batch_size, directory, store
):
    # 240 rows are read in runs of 56 and a last one of 9. Its horizon was shorter, and dropped
    # shards of the next epoch that were on their way: 31.5 downloads in an epoch of 24 shards.
    sequence = ShardSequence(
        store.upload(directory), batch_size, seed=1, shuffle=shuffle, window_shards=1, workers=1
    )
    batches(sequence, epochs=4)
    sequence.server.prefetcher.release()
    # Two runs of the fifth epoch are read, or on their way.
    assert max(Counter(store.shards()).values()) <= 5


def test_a_shard_that_is_read_is_kept_when_another_thread_moves_the_plan(directory, store):
    index = ShardIndex.load(store.upload(directory))
    fetch = planned_fetch.PlannedFetch(index)
    fetch.plan([0, 1])
    with fetch.in_use([0]), fetch.in_use([0, 2]):
        fetch.open(0, index.path(0)), fetch.open(2, index.path(2))
        gc.collect()
        fetch.plan([5])
        gc.collect()
        assert fetch.keeps(0)
        fetch.open(0, index.path(0)), fetch.open(2, index.path(2))
    assert not fetch.keeps(0)
    wait_for(lambda: fetch.have_arrived([5]))
    gc.collect()
    assert store.shards().count("shard-00000.pkl") == 1
    assert store.shards().count("shard-00002.pkl") == 1
    fetch.open(0, index.path(0))
    assert store.shards().count("shard-00000.pkl") == 2


def test_a_read_that_was_ended_requests_no_shard(directory, store):
    index = ShardIndex.load(store.upload(directory))
    fetch = planned_fetch.PlannedFetch(index)
    fetch.begin_read()
    fetch.close()
    fetch.want([0, 1])
    with pytest.raises(CancelledError):
        fetch.open(0, index.path(0))
    time.sleep(0.05)
    assert store.shards() == []


def test_a_resumed_epoch_fetches_what_is_left_only(directory, store):
    sequence = ShardSequence(store.upload(directory), 10, seed=1, window_shards=3, workers=0)
    state = {**sequence.state_dict(), "batch": 15}
    sequence.load_state_dict(state)
    sequence.server.batch(0, 15), sequence.server.batch(0, 16)
    expected = needed_order(sequence, 6, 15)
    wait_for(lambda: len(store.shards()) >= 6)
    assert set(store.shards()) == set(expected)


def test_shards_without_selected_rows_are_never_fetched(directory, store):
    chosen = Shards(store.upload(directory)).where(lambda columns: columns["labels"] < 45)
    sequence = ShardSequence(chosen, 10, seed=1, window_shards=3)
    assert sorted(np.concatenate(batches(sequence, epochs=2))) == sorted([*range(45)] * 2)
    assert {int(name[6:11]) for name in store.shards()} == set(range(5))
    sequence.server.prefetcher.release()


def test_threads_that_need_the_same_shard_wait_for_one_download(directory, store):
    store.delay = 0.05
    url = store.upload(directory)
    sequences = [ShardSequence(url, 10, shuffle=None, window_shards=1, workers=0) for _ in range(6)]
    found = []
    threads = [
        threading.Thread(target=lambda one=one: found.append(one.server.batch(0, 0)))
        for one in sequences
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert store.shards().count("shard-00000.pkl") == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_is_raised_when_the_shard_is_needed_with_its_url(
    workers, directory, store, monkeypatch
):
    monkeypatch.setattr("keras_bigdata.storage.requests.request.PAUSES", (0.001,))
    url = store.upload(directory)
    sequence = ShardSequence(
        url, 10, shuffle=None, window_shards=3, workers=workers, on_corrupt="skip"
    )
    store.broken.add("shard-00020.pkl")
    for index in range(20):
        sequence.server.batch(0, index)
    with pytest.raises(StorageError, match=rf"{url}/shard-00020\.pkl.*network is down"):
        sequence.server.batch(0, 20)
    assert not sequence.skipped_shards, "a network error is not a corrupt shard"
    store.broken.clear()
    np.testing.assert_array_equal(sequence.server.batch(0, 20)[1], np.arange(200, 210))
    sequence.server.prefetcher.release()


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("kind", ["gone", "damaged"])
def test_a_missing_or_damaged_shard_is_skipped_or_raised(kind, directory, store):
    url, name = store.upload(directory), "shard-00003.pkl"
    if kind == "gone":
        store.removed.add(name)
    else:
        store.changed[name] = lambda content, start: content[:-9] + b"damaged!" + content[-1:]
    raising = ShardSequence(url, 10, seed=1, window_shards=3, workers=0)
    with pytest.raises(CorruptShardError, match=f"{url}/{name}"):
        batches(raising)
    skipping = ShardSequence(url, 10, seed=1, window_shards=3, on_corrupt="skip")
    with pytest.warns(UserWarning, match=name):
        found = np.concatenate(batches(skipping))
    assert len(found) == ROWS
    assert not set(found) & set(range(30, 40))
    assert list(skipping.skipped_shards) == [f"{url}/{name}"]
    skipping.server.prefetcher.release()


def test_a_mixture_fetches_the_windows_of_each_set(directory, store):
    url = store.upload(directory)

    def mixture(place, **options):
        return Mixture(
            {
                "a": ShardSequence(Shards(place).take(0.5, seed=0), 10, seed=1, window_shards=3),
                "b": ShardSequence(place, 10, seed=2, shuffle="shards"),
            },
            {"a": 1, "b": 2},
            batch_size=10,
            **options,
        )

    remote, local = mixture(url), mixture(directory)
    for one, other in zip(batches(remote, epochs=2), batches(local, epochs=2), strict=True):
        np.testing.assert_array_equal(one, other)
    remote.server.prefetcher.release()


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_may_serve_no_rows_of_a_remote_set_of_a_mixture(rank, directory, store):
    sets = [
        ShardSequence(directory, 4, seed=0),
        ShardSequence(store.upload(directory), 4, seed=0),
    ]
    mixture = Mixture(sets, (3, 1), 8, part=(rank, 2))
    assert [len(y) for _, y in mixture] == [4] * len(mixture)
    mixture.server.prefetcher.release()


def test_variants_are_fetched_in_their_own_epochs(tmp_path, store):
    rows = np.arange(60)
    x = np.repeat(rows[:, None], 5000, axis=1).astype("uint8")

    def noise(sample, rng):
        return {**sample, "x": rng.integers(0, 255, 5000, np.uint8)}

    kb.pack(Arrays(x=x, labels=rows), tmp_path / "set", shard_samples=10, shuffle=False, verbose=0,
            augment=noise, variants=2, workers=1)  # fmt: skip
    sequence = ShardSequence(store.upload(tmp_path / "set"), 10, seed=1, window_shards=2)
    local = ShardSequence(tmp_path / "set", 10, seed=1, window_shards=2, workers=0)
    for one, other in zip(batches(sequence, epochs=3), batches(local, epochs=3), strict=True):
        np.testing.assert_array_equal(one, other)
    sequence.server.prefetcher.release()


def test_fetching_stops_when_a_sequence_is_released(directory, store):
    store.gate.clear()
    sequence = ShardSequence(store.upload(directory), 10, seed=1, window_shards=6)
    remote = sequence.server.prefetcher.loader.reader.files.remote
    remote.plan(range(20))
    wait_for(lambda: len(store.shards()) >= 8)
    sequence.server.prefetcher.release()
    begun = len(store.shards())
    store.gate.set()
    wait_for(lambda: not shared_downloads._running)
    assert len(store.shards()) == begun <= 8, "what was not begun is not fetched"
    assert not remote._futures


@pytest.mark.slow
def test_a_run_that_is_being_read_ends_when_the_sequence_is_released(directory, store):
    store.delay = 0.1
    sequence = ShardSequence(store.upload(directory), 3, seed=1, window_shards=3)
    sequence.server.batch(0, 0)  # the next windows are on their way
    sequence.server.prefetcher.release()
    wait_for(lambda: not shared_downloads._running)
    begun = len(store.shards())
    time.sleep(0.4)
    assert len(store.shards()) == begun


def test_a_loader_that_is_not_used_any_more_stops_fetching(directory, store):
    store.gate.clear()
    loader = ShardSequence(store.upload(directory), 10, workers=0).server.config.loader()
    loader.reader.files.remote.plan(range(20))
    wait_for(lambda: len(store.shards()) >= 8)
    begun = len(store.shards())
    del loader
    gc.collect()
    store.gate.set()
    wait_for(lambda: not shared_downloads._running)
    assert len(store.shards()) == begun


def test_an_example_fetches_its_own_shards_only(directory, store):
    sequence = ShardSequence(store.upload(directory), 10, seed=1, window_shards=3)
    sequence.server.example()
    assert set(store.shards()) == set(needed_order(sequence, 1))


def test_a_cache_is_filled_once_and_its_windows_are_kept(directory, store, tmp_path):
    url = store.upload(directory)
    size = int(ShardIndex.load(url).sizes.max())
    whole = ShardSequence(Shards(url, cache=tmp_path / "whole"), 10, seed=1, window_shards=3)
    batches(whole, epochs=3)
    whole.server.prefetcher.release()
    assert len(store.shards()) == 24
    store.requests.clear()
    again = ShardSequence(Shards(url, cache=tmp_path / "whole"), 10, seed=2, window_shards=3)
    batches(again)
    again.server.prefetcher.release()
    assert not store.shards(), "all shards are in the cache"
    small = Shards(url, cache=tmp_path / "small", cache_bytes=14 * size)
    sequence = ShardSequence(small, 10, seed=1, window_shards=3)
    epochs = 6
    batches(sequence, epochs=epochs)
    # What is needed latest is removed, so a part of each epoch is read from the cache. Removing
    # what was used longest ago would find about 14 / 24 of random accesses, and none in file order.
    assert len(store.shards()) < 0.75 * 24 * epochs
    sequence.server.prefetcher.release()
