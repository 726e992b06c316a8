"""`ShardWriter` and `capture` into a URL: whole sets, or none; one writer at a time."""

import fsspec
import numpy as np
import pytest

from keras_bigdata import PackError, ShardError, ShardIndex, ShardWriter, StorageError, capture
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.writing.lease import Lease
from tests.helpers.packs import read_files
from tests.helpers.packs_in_stores import read_store

MEMORY = fsspec.filesystem("memory")
X = np.arange(60, dtype="float32").reshape(30, 2)


@pytest.fixture
def url(tmp_path):
    name = f"memory://writers-{tmp_path.name}/set"
    yield name
    if MEMORY.exists(name):
        MEMORY.rm(name, recursive=True)


def batches(fail_after=None):
    for number in range(3):
        if number == fail_after:
            raise RuntimeError("the generator is broken")
        yield X[number * 10 : number * 10 + 10], np.arange(10) % 2


def write(target):
    with ShardWriter(target, inputs="x") as writer:
        for part in np.split(X, 3):
            writer.write({"x": part})
    return writer


def test_the_files_of_a_writer_are_those_of_a_directory(url, tmp_path):
    write(tmp_path / "set")
    write(url)
    assert read_store(url) == read_files(tmp_path / "set")
    with pytest.raises(ShardError, match=r"memory://.*must be empty, but it holds 4 entries"):
        ShardWriter(url)
    assert read_store(url) == read_files(tmp_path / "set")


def test_a_writer_that_raised_leaves_its_shards_and_no_index(url):
    def write_and_fail():
        with ShardWriter(url) as writer:
            writer.write({"x": X})
            with pytest.raises(ShardError, match=r"is being written by process \d+ on"):
                ShardWriter(url)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert sorted(read_store(url)) == [".writing/writer.json", "shard-00000.pkl"]
    with pytest.raises(ShardError, match="is not complete: a `ShardWriter` was stopped"):
        ShardIndex.load(url)
    for again in (lambda: ShardWriter(url), lambda: capture(batches(), url)):
        with pytest.raises((ShardError, PackError), match=r"must be empty|something else"):
            again()
    assert "shard-00000.pkl" in read_store(url)


def test_a_writer_that_lost_its_lease_writes_no_index(url):
    writer = ShardWriter(url)
    writer.write({"x": X})
    leases = RemotePath(url) / ".writing" / "lease"
    (leases / "000001.json").remove()
    other = Lease(leases)
    with pytest.raises(StorageError, match="Nothing more is written"):
        writer.close()
    assert "index.json" not in read_store(url)
    other.release()


def test_batches_are_captured(url, tmp_path):
    capture(batches(), tmp_path / "set", shard_samples=8, verbose=0)
    index = capture(batches(), url, shard_samples=8, verbose=0)
    assert index.num_samples == 30
    assert read_store(url) == read_files(tmp_path / "set")
    with pytest.raises(PackError, match=r"memory://.*something else: index\.json"):
        capture(batches(), url)


@pytest.mark.parametrize("killed", [False, True])
def test_of_a_capture_that_fails_nothing_stays(url, monkeypatch, killed, capsys):
    with monkeypatch.context() as patch:
        if killed:  # nothing is removed by a process that is killed, but its lease ends
            patch.setattr(
                "keras_bigdata.packing.state.remote_output._remove_own_files", lambda _: None
            )
        with pytest.raises(PackError, match="the generator is broken"):
            capture(batches(fail_after=2), url, shard_samples=8)
    if not killed:
        assert read_store(url) == {}
        return
    shards = ["shard-00000.pkl", "shard-00001.pkl"]
    assert sorted(read_store(url)) == [".writing/writer.json", *shards]
    MEMORY.pipe_file(f"{url}/thesis.txt", b"years of work")
    with pytest.raises(PackError, match=r"something else: thesis\.txt"):
        capture(batches(), url)
    MEMORY.rm(f"{url}/thesis.txt")
    capture(batches(), url, shard_samples=20)
    assert "removed the files of an interrupted capture" in capsys.readouterr().err
    assert sorted(read_store(url)) == ["index.json", *shards]


def test_a_second_capture_is_refused(url):
    def generator():
        for number, batch in enumerate(batches()):
            if number == 2:
                with pytest.raises(PackError, match=r"is being packed by process \d+ on"):
                    capture(batches(), url)
            yield batch

    assert capture(generator(), url, verbose=0).num_samples == 30
    assert sorted(read_store(url)) == ["index.json", "shard-00000.pkl"]
