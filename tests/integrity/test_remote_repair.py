"""`repair` of sets behind URLs: the index is written last, nothing is lost, refusals come first."""

import numpy as np
import pytest

from keras_bigdata import (
    ShardError,
    ShardIndex,
    Shards,
    StorageError,
    repair,
    verify,
)
from tests.helpers.packs_in_stores import read_store
from tests.helpers.remote_sets import Requests, damage_url, packed_url, refuse, remove
from tests.integrity.small_sets import Numbers

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def url(tmp_path):
    """Returns the URL of 8 shards of 7 rows; the directory is `tmp_path / "set"`."""
    url = packed_url(tmp_path, Numbers(56), shard_samples=7, workers=1)
    yield url
    remove(url)


def test_damaged_shards_are_removed_from_the_index_and_moved_aside(url, monkeypatch):
    damage_url(url)
    before = read_store(url)
    plan = repair(url, verbose=0)
    assert read_store(url) == before
    assert len(plan.steps) == 4
    assert "quarantine" not in plan.steps[2], "a missing file cannot be moved"
    requests = Requests(monkeypatch)
    done = repair(url, dry_run=False, verbose=0)
    assert done.done
    assert done.notes == [note for note in done.notes if "packed again" in note]
    order = [(name, file) for name, file, _ in requests.sent]
    written = order.index(("pipe_file", "index.json"))
    assert [name for name, _ in order].count("pipe_file") == 1
    assert max(i for i, each in enumerate(order) if each[0] == "cp_file") < written
    assert min(i for i, each in enumerate(order) if each[0] == "rm_file") > written
    after = read_store(url)
    for name in ("shard-00001.pkl", "shard-00004.pkl"):
        assert after[f"quarantine/{name}.quarantined"] == before[name]
        assert name not in after
    assert verify(url, verbose=0).ok
    assert Shards(url).num_samples == 35
    assert repair(url, verbose=0).steps == []


def test_a_store_that_refuses_copies_is_left_as_it_was(url, monkeypatch):
    damage_url(url)
    before = read_store(url)
    refuse(monkeypatch, "cp_file", "no copies")
    with pytest.raises(StorageError, match=r"shard-00001\.pkl: cannot be copied.*no copies"):
        repair(url, dry_run=False, verbose=0)
    assert read_store(url) == before


def test_a_file_that_cannot_be_removed_is_named(url, monkeypatch):
    damage_url(url)
    refuse(monkeypatch, "rm_file", "no removal")
    done = repair(url, dry_run=False, verbose=0)
    assert "could not be removed" in str(done)
    assert Shards(url).num_samples == 35


def test_an_unreachable_store_removes_nothing(url, monkeypatch):
    before = read_store(url)
    with monkeypatch.context() as patch:
        refuse(patch, "cat_file", "denied", "shard-00003.pkl")
        with pytest.raises(StorageError, match="denied"):
            repair(url, dry_run=False, verbose=0)
    assert read_store(url) == before


def test_a_web_server_is_refused_before_anything_is_read():
    with pytest.raises(ShardError, match="web server, which is only read"):
        repair("https://localhost:1/set", dry_run=False)


def test_a_lost_index_is_created_again(url, tmp_path):
    store = fsspec.filesystem("memory")
    store.pipe_file(f"{url}/index.json", b"{")
    like = tmp_path / "set"
    done = repair(url, like=like, dry_run=False, verbose=0)
    assert done.done
    assert str(tmp_path) not in str(done).replace(str(like), "")
    files = read_store(url)
    assert files["quarantine/index.json.quarantined"] == b"{"
    index, former = ShardIndex.load(url), ShardIndex.load(like)
    np.testing.assert_array_equal(index.checksums, former.checksums)
    assert index.classes == former.classes
    assert str(index.directory) == url
    assert verify(url, verbose=0).ok


def test_a_lost_index_needs_space_on_the_disk(url, monkeypatch):
    import shutil

    store = fsspec.filesystem("memory")
    store.rm(f"{url}/index.json")
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10))
    with pytest.raises(ShardError, match=r"TMPDIR.*Nothing was changed"):
        repair(url, verbose=0)


def test_an_unfinished_pack_is_not_repaired(url):
    store = fsspec.filesystem("memory")
    store.rm(f"{url}/index.json")
    store.pipe_file(f"{url}/.packing/state.json", b"{}")
    with pytest.raises(ShardError, match="Make the same call again"):
        repair(url, verbose=0)
    with pytest.raises(ShardError, match="Make the same call again"):
        Shards(url)
