"""When this process needs the entries of a cache again."""

from __future__ import annotations

import math

import numpy as np
import pytest

import keras_bigdata as kb
from keras_bigdata import Arrays, Shards, ShardSequence
from keras_bigdata.loading.fetching.next_use import needed_in_process
from keras_bigdata.storage.cache.cache_entry import entry_name
from tests.helpers.store import Store

pytest.importorskip("fsspec")


@pytest.fixture
def shards(tmp_path):
    rows = np.arange(240)
    kb.pack(Arrays(x=rows, labels=rows), tmp_path / "set", shard_samples=10, shuffle=False,
            verbose=0)  # fmt: skip
    with Store() as store:
        yield Shards(store.upload(tmp_path / "set"), cache=tmp_path / "cache")


def uses(index):
    """How soon each shard is needed, by its number."""
    paths = [index.path(shard) for shard in range(len(index))]
    return np.array([
        needed_in_process(entry_name(path, int(size), int(checksum)))
        for path, size, checksum in zip(paths, index.sizes, index.checksums, strict=True)
    ])  # fmt: skip


def order(sequence, first, count):
    loader = sequence.server.prefetcher.loader
    rows = [loader._rows(range(p, p + 1))[0] for p in range(first, first + count)]
    return list(dict.fromkeys(np.concatenate(rows).tolist()))


def test_it_is_zero_for_two_windows_and_then_the_distance_in_batches(shards):
    index = shards.index
    sequence = ShardSequence(shards, 3, seed=1, window_shards=3)
    assert (uses(index) == math.inf).all(), "nothing is being read"
    loader = sequence.server.prefetcher.loader
    for position in (0, 25, 70):  # 80 batches, windows of 10
        loader.read(loader.run_at(position))
        found = uses(index)
        run = loader.run_at(position)
        soon = order(sequence, run.start, 20)
        assert set(np.flatnonzero(found == 0)) == set(soon)
        later = [shard for shard in order(sequence, run.start, 160) if shard not in soon]
        distances = found[later]
        assert (np.diff(distances) >= 0).all()
        used = [order(sequence, p, 1) for p in range(run.start, run.start + 160)]
        for shard in later:  # at most a window before its first row
            first = run.start + next(i for i, shards in enumerate(used) if shard in shards)
            assert first - run.start - 10 <= found[shard] <= first - run.start
    sequence.server.prefetcher.release()
    assert (uses(index) == math.inf).all()


def test_other_sequences_of_the_process_count_too(shards):
    index = shards.index
    one = ShardSequence(shards, 3, seed=1, window_shards=3)
    other = one.unshuffled()
    for sequence in (one, other):
        loader = sequence.server.prefetcher.loader
        loader.read(loader.run_at(0))
    found = uses(index)
    assert set(np.flatnonzero(found == 0)) >= {0, 1, *order(one, 0, 20)}
    other.server.prefetcher.release()
    assert set(np.flatnonzero(uses(index) == 0)) == set(order(one, 0, 20))
    one.server.prefetcher.release()


def test_shards_without_selected_rows_and_unknown_entries_are_not_needed(shards):
    chosen = shards.where(lambda columns: columns["labels"] < 100)
    sequence = ShardSequence(chosen, 3, seed=1, window_shards=2)
    loader = sequence.server.prefetcher.loader
    loader.read(loader.run_at(0))
    found = uses(shards.index)
    assert (found[10:] == math.inf).all()
    assert (found[:10] < math.inf).all()
    assert needed_in_process("something else") == math.inf
    sequence.server.prefetcher.release()
