"""`pack` into a URL: the files of a directory, continued, appended to, one call at a time."""

from __future__ import annotations

import errno
import pickle
import time
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from keras_bigdata import (
    Arrays,
    CorruptShardError,
    PackError,
    ShardError,
    ShardIndex,
    StorageError,
    pack,
)
from keras_bigdata.packing.state.manifest import CONTINUE
from keras_bigdata.packing.state.remote_pack import RemotePack
from keras_bigdata.shards.writing import shard_file
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.urls.storage_options import StorageOptions
from keras_bigdata.storage.writing import lease
from keras_bigdata.storage.writing.lease import Lease, LeaseHeldError
from keras_bigdata.storage.writing.lease_holder import LeaseHolder
from tests.helpers.packs import read_files
from tests.helpers.packs_in_stores import read_store
from tests.packing.small_sources import Numbers

MEMORY = fsspec.filesystem("memory")


@pytest.fixture
def url(tmp_path: Path) -> Any:
    """The URL of a set that does not exist yet."""
    name = f"memory://packs-{tmp_path.name}/set"
    yield name
    if MEMORY.exists(name):
        MEMORY.rm(name, recursive=True)


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, bytes]:
    """The files of the same pack in a directory."""
    write(tmp_path / "expected")
    return read_files(tmp_path / "expected")


def write(target: Any, **options: Any) -> ShardIndex:
    """Packs 20 rows in 5 shards."""
    options = {"shard_samples": 4, "workers": 1, "verbose": 0, **options}
    return pack(options.pop("source", Numbers()), target, **options)


def fail_at(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, number: int) -> None:
    """Makes one call of a method fail, as a process that is killed there would."""
    original, calls = getattr(owner, name), []

    def failing(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if len(calls) == number:
            raise StorageError("memory://: the network is gone")
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, failing)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_files_are_those_of_a_directory(url: str, tmp_path: Path, workers: int):
    """Two workers are threads here, which share the memory of this process."""
    rows = np.arange(20)
    source = Arrays(x=np.stack([rows, rows**2], axis=1).astype("float32"), labels=rows % 3)
    index = write(url, source=source, workers=workers)
    write(tmp_path / "set", source=source)
    assert read_store(url) == read_files(tmp_path / "set"), "and no state, no lease"
    assert ShardIndex.load(url).names == index.names


def test_the_same_call_again_lists_the_files_once(url: str, monkeypatch, capsys):
    write(url)
    before = read_store(url)
    sent: list[str] = []
    for name in ("list_sizes", "size", "write_bytes", "upload"):
        original = getattr(RemotePath, name)

        def counted(self, *arguments, original=original, name=name, **options):
            sent.append(name)
            return original(self, *arguments, **options)

        monkeypatch.setattr(RemotePath, name, counted)
    write(url, verbose=2)
    assert "packed already" in capsys.readouterr().err
    assert "write_bytes" not in sent
    assert "upload" not in sent
    assert sent.count("list_sizes") == 2, "the files, and whether there is a state"
    assert sent.count("size") == 1, "whether there is an index"
    monkeypatch.undo()
    assert read_store(url) == before
    with pytest.raises(PackError, match=r"memory://.*of another call.*seed was 0 and is 1"):
        write(url, seed=1)
    MEMORY.pipe_file(f"{url}/shard-00002.pkl", b"half")
    with pytest.raises(CorruptShardError, match=r"memory://.*shard-00002\.pkl: is missing or"):
        write(url)


@pytest.mark.parametrize(
    ("owner", "name", "number"),
    [
        (RemotePath, "upload", 3),
        (RemotePack, "write_record", 2),
        (ShardIndex, "save", 1),
        (RemotePack, "_remove_state", 1),
    ],
)
def test_a_pack_that_was_stopped_continues(
    url: str, expected: dict[str, bytes], monkeypatch, owner: Any, name: str, number: int
):
    with monkeypatch.context() as patch:
        fail_at(patch, owner, name, number)
        if name == "_remove_state":  # the index is there already
            write(url)
            assert f"{url}/.packing/manifest.json".removeprefix("memory:/") in MEMORY.find(url)
        else:
            with pytest.raises((PackError, StorageError), match=r"memory://"):
                write(url)
            with pytest.raises(ShardError, match=r"is not complete: `pack` was stopped.*continues"):
                ShardIndex.load(url)
            assert not any("/lease/" in file for file in read_store(url)), "released"
            with pytest.raises(PackError, match="unfinished pack of another call"):
                write(url, seed=1)
    uploaded = [file for file in MEMORY.find(url) if file.endswith(".pkl")]
    times = {file: MEMORY.info(file)["created"] for file in uploaded}
    write(url)
    assert read_store(url) == expected
    recorded = len(times) - (name == "write_record")
    same = sum(MEMORY.info(file)["created"] == time for file, time in times.items())
    assert same == recorded, "a shard with a record is not uploaded again"


def test_a_shard_that_was_replaced_is_uploaded_again(url, expected, monkeypatch):
    with monkeypatch.context() as patch:
        fail_at(patch, ShardIndex, "save", 1)
        with pytest.raises(StorageError):
            write(url)
    MEMORY.pipe_file(f"{url}/shard-00001.pkl", b"half")
    MEMORY.rm(f"{url}/shard-00003.pkl")
    write(url)
    assert read_store(url) == expected


def test_what_something_else_wrote_stays(url: str):
    MEMORY.pipe_file(f"{url}/thesis.txt", b"years of work")
    MEMORY.pipe_file(f"{url}/.packing/notes.txt", b"mine")
    before = read_store(url)
    with pytest.raises(PackError, match=r"something else: \.packing/notes\.txt, thesis\.txt"):
        write(url)
    assert read_store(url) == before
    MEMORY.rm(f"{url}/thesis.txt")
    MEMORY.rm(f"{url}/.packing/notes.txt")
    MEMORY.pipe_file(f"{url}/shard-00000.pkl", b"from elsewhere")
    with pytest.raises(PackError, match=r"something else: shard-00000\.pkl"):
        write(url)
    assert read_store(url) == {"shard-00000.pkl": b"from elsewhere"}


def test_rows_are_appended(url: str, tmp_path: Path, monkeypatch):
    more = Arrays(x=np.full((8, 2), 500, "float32"), labels=np.arange(8) % 3)
    write(url, append=True)
    write(tmp_path / "set")
    for target in (url, tmp_path / "set"):
        if target == url:
            with monkeypatch.context() as patch:
                fail_at(patch, RemotePath, "upload", 2)
                with pytest.raises(PackError, match="network is gone"):
                    write(url, source=more, append=True)
            assert ShardIndex.load(url).num_samples == 20, "until then the former set is read"
            assert write(url).num_samples == 20
        write(target, source=more, append=True)
    assert read_store(url) == read_files(tmp_path / "set")
    assert write(url, source=more, append=True).num_samples == 28
    assert read_store(url) == read_files(tmp_path / "set")


def test_a_second_pack_is_refused_by_name(url: str, expected: dict[str, bytes]):
    class Other(Numbers):
        """While its rows are read, another pack begins."""

        def __getitem__(self, row: int) -> dict[str, Any]:
            if row == 7:
                with pytest.raises(PackError, match=r"is being packed by process \d+ on .*until"):
                    write(url)
            return super().__getitem__(row)

    write(url, source=Other())
    assert sorted(read_store(url)) == sorted(expected)


def test_a_pack_that_lost_its_lease_writes_no_index(url: str, monkeypatch):
    """A machine that slept: another one has taken over, and is packing."""

    class Slept(Numbers):
        def __getitem__(self, row: int) -> dict[str, Any]:
            if row == 7 and not taken:
                leases = RemotePath(url) / ".packing" / "lease"
                (leases / "000001.json").remove()
                taken.append(Lease(leases))
            return super().__getitem__(row)

    taken: list[Lease] = []
    try:
        with pytest.raises(StorageError, match=r"process \d+ on .* had the right to write here"):
            write(url, source=Slept())
        files = read_store(url)
        assert "index.json" not in files
        assert ".packing/manifest.json" in files, "the state of the other process stays"
        taken[0].check()
    finally:
        for each in taken:
            each.release()


def test_a_pack_of_another_machine_that_was_killed_continues_after_its_lease(
    url: str, expected: dict[str, bytes], monkeypatch
):
    with monkeypatch.context() as patch:
        fail_at(patch, RemotePath, "upload", 3)
        with pytest.raises(PackError):
            write(url)
    left = LeaseHolder(time.time() + 0.5, host="other-host", pid=4711)
    (RemotePath(url) / ".packing" / "lease" / "000003.json").write_bytes(left.to_bytes())
    before = read_store(url)
    with pytest.raises(PackError, match=r"process 4711 on other-host \(until .*After a kill"):
        write(url)
    assert read_store(url) == before
    time.sleep(max(0.0, left.expires - time.time()) + 0.01)
    write(url)
    assert read_store(url) == expected


def test_options_are_sent_to_workers_and_never_written(url: str):
    options = {"skip_instance_cache": True, "key": "a-secret-key"}
    place = RemotePath(url, StorageOptions(options))
    target = RemotePack(place)
    with target.lock(frozenset()):
        copy = pickle.loads(pickle.dumps(target))
        assert copy.place.options == place.options
        assert copy.is_stop_requested() is False
        target.request_stop()
        assert copy.is_stop_requested() is True
        assert "a-secret-key" not in str(read_store(url))
    assert copy.is_stop_requested() is True, "the pack has ended"
    assert read_store(url) == {}


def test_a_full_temporary_directory_names_it(url: str, expected, monkeypatch):
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shard_file.AlignedOutput, "_write", full)
        with pytest.raises(PackError, match=r"memory://.*temporary directory /.*TMPDIR") as caught:
            write(url)
    assert CONTINUE in str(caught.value)
    write(url)
    assert read_store(url) == expected


def test_a_lease_that_ends_is_renewed(url: str, monkeypatch):
    monkeypatch.setattr(lease, "RENEWAL", 0.02)
    first = Lease(RemotePath(url))
    expires = first.holder.expires
    for _ in range(500):
        if first.holder.expires > expires:
            break
        first._end.wait(0.01)
    assert first.holder.expires > expires
    with pytest.raises(LeaseHeldError):
        Lease(RemotePath(url))
    first.release()
    assert read_store(url) == {}
