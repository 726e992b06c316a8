"""Copies of remote shards that several sequences and threads of one process share."""

from __future__ import annotations

import logging
import os
import pickle
import threading

import numpy as np
import pytest

import keras_bigdata as kb
from keras_bigdata import Arrays, ShardSequence
from keras_bigdata.loading.fetching.shared_downloads import RemoteFile, download
from keras_bigdata.storage.cache import open_copy
from keras_bigdata.storage.paths.place import as_place

pytest.importorskip("fsspec")


def test_a_copy_is_never_given_to_a_thread_while_it_is_being_closed(tmp_path, store, monkeypatch):
    """It would have the descriptor of another file, or none."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "file").write_bytes(bytes(1000))
    path = as_place(store.upload(tmp_path / "set"), "path") / "file"
    file = RemoteFile(path, 1000, None, None)
    begun, go_on, close = threading.Event(), threading.Event(), open_copy._Descriptor.close

    def close_slowly(self):
        begun.set()
        go_on.wait(10)
        close(self)

    held = [download(file, lambda name: 0.0).result()]
    monkeypatch.setattr(open_copy._Descriptor, "__del__", close_slowly)
    thread = threading.Thread(target=held.clear)
    thread.start()
    assert begun.wait(10)
    again = download(file, lambda name: 0.0).result()
    go_on.set()
    thread.join()
    monkeypatch.undo()
    assert again.open().read() == bytes(1000)


@pytest.mark.slow
def test_a_second_sequence_uses_hundreds_of_copies_that_are_open(tmp_path, store, caplog):
    rows = np.arange(500)
    kb.pack(Arrays(x=rows, labels=rows % 3), tmp_path / "set", shard_samples=2, verbose=0)
    url = store.upload(tmp_path / "set")
    options = {"shuffle": "global", "workers": 0}
    first = ShardSequence(url, 100, seed=1, **options)
    for index in range(len(first)):
        first.server.batch(0, index)
    with caplog.at_level(logging.ERROR):
        second = ShardSequence(url, 100, seed=2, **options)
        local = ShardSequence(tmp_path / "set", 100, seed=2, **options)
        for index in range(len(second)):
            one, other = second.server.batch(0, index), local.server.batch(0, index)
            np.testing.assert_array_equal(one[0], other[0])
    assert len(store.shards()) == 250
    assert not caplog.records


def test_a_replaced_set_without_checksums_is_not_read_from_copies_of_the_old_one(tmp_path, store):
    def shards(name, value):
        (tmp_path / name).mkdir()
        content = {"x": np.full((40, 500), value, "uint8"), "y": np.arange(40)}
        (tmp_path / name / "shard.pkl").write_bytes(pickle.dumps(content, protocol=5))
        ShardSequence(tmp_path / name, inputs="x", targets="y").index.save()
        return tmp_path / name

    url = store.upload(shards("set", 1))
    old = ShardSequence(url, 8, inputs="x", targets="y", workers=0)
    for index in range(3):
        old.server.batch(0, index)
    for file in shards("new", 2).iterdir():
        as_place(f"{url}/{file.name}", "path").write_bytes(file.read_bytes())
    new = ShardSequence(url, 8, inputs="x", targets="y", workers=0)
    assert all((new.server.batch(0, index)[0] == 2).all() for index in range(len(new)))


@pytest.mark.slow
def test_shards_in_memory_take_no_descriptors(tmp_path, store):
    """Hundreds of small shards used up those that a process may have."""
    rows = np.arange(400)
    kb.pack(Arrays(x=rows, labels=rows), tmp_path / "set", shard_samples=2, verbose=0)
    before = len(os.listdir("/proc/self/fd"))
    sequence = ShardSequence(store.upload(tmp_path / "set"), 10, shuffle="global")
    found = [row for index in range(len(sequence)) for row in sequence[index][1].tolist()]
    assert sorted(found) == rows.tolist()
    assert len(os.listdir("/proc/self/fd")) - before < 20
    sequence.server.prefetcher.release()


@pytest.mark.slow
def test_files_of_tiny_shards_that_are_read_together_are_not_all_open(tmp_path, store, monkeypatch):
    """Several batches are read together, which lie in more shards than two windows have."""
    rows = np.arange(400)
    kb.pack(Arrays(x=rows, labels=rows), tmp_path / "set", shard_samples=2, verbose=0)
    monkeypatch.setattr("keras_bigdata.loading.fetching.planned_fetch.max_open_files", lambda: 40)
    before, most, found = len(os.listdir("/proc/self/fd")), 0, []
    sequence = ShardSequence(store.upload(tmp_path / "set"), 10, seed=1, shuffle="shards")
    for index in range(len(sequence)):
        found += sequence.server.batch(0, index)[1].tolist()
        most = max(most, len(os.listdir("/proc/self/fd")) - before)
    assert sorted(found) == rows.tolist()
    assert most < 60
    sequence.server.prefetcher.release()
