"""Whole files that are copied to and from a store, and the local files they are copied from."""

from __future__ import annotations

import os
import signal
import tempfile

import h5py
import numpy as np
import pytest

from keras_bigdata import StorageError
from keras_bigdata.storage.copies import transfer
from keras_bigdata.storage.copies.ranged_file import RangedFile
from keras_bigdata.storage.copies.transfer import download, list_names, probe_writable
from keras_bigdata.storage.paths import remote_path
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.requests import request
from keras_bigdata.storage.writing.private_file import private_file
from keras_bigdata.storage.writing.writable import output_place
from tests.helpers.forking import fork

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def directory(tmp_path):
    path = RemotePath(f"memory://transfer-{tmp_path.name}/d")
    yield path
    if path.list_sizes():
        fsspec.filesystem("memory").rm(path.url, recursive=True)


def test_a_file_comes_back_and_only_its_own_name_is_deleted(directory, tmp_path):
    content = os.urandom(3_000_000)
    (tmp_path / "a").write_bytes(content)
    (directory / "a").upload(tmp_path / "a")
    (directory / "below" / "b").upload(tmp_path / "a")
    assert list_names(directory) == ["a"]
    assert list_names(directory / "missing") == []
    with private_file("copy.bin") as copy:
        download(directory / "a", copy)
        assert copy.read_bytes() == content
    assert not copy.parent.exists()
    (directory / "a").remove()
    (directory / "a").remove()  # there is nothing to do
    assert list(directory.list_sizes()) == ["below/b"]
    with pytest.raises(FileNotFoundError, match="memory://transfer"):
        download(directory / "a", tmp_path / "b")


def test_what_was_uploaded_over_a_slow_link_may_take_as_long_to_come_back(
    directory, tmp_path, monkeypatch
):
    """A checkpoint could be uploaded at 100 kB/s, and not be downloaded below 1 MB/s."""
    limits = []
    called = request.call_driver

    def call(filesystem, method, *arguments, time_limit=None, **options):
        limits.append((method, time_limit))
        return called(filesystem, method, *arguments, time_limit=time_limit, **options)

    for module in (transfer, remote_path):
        monkeypatch.setattr(module, "call_driver", call)
    (tmp_path / "a").write_bytes(bytes(30_000_000))
    (directory / "a").upload(tmp_path / "a")
    download(directory / "a", tmp_path / "b")
    assert len((directory / "a").read_range(0, 30_000_000)) == 30_000_000
    for method in ("get_file", "cat_file"):
        (limit,) = (limit for name, limit in limits if name == method)
        assert limit >= 30_000_000 / remote_path.MIN_RATE  # of uploads


def test_a_file_that_arrives_short_is_requested_again(directory, tmp_path, monkeypatch):
    (directory / "a").write_bytes(b"whole content")
    monkeypatch.setattr(request, "PAUSES", (0, 0))
    driver = type(fsspec.filesystem("memory"))
    original, calls = driver.get_file, []

    def get_file(self, source, target, **options):
        calls.append(source)
        original(self, source, target, **options)
        if len(calls) < short:
            os.truncate(target, 5)

    monkeypatch.setattr(driver, "get_file", get_file)
    short = 3
    download(directory / "a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"whole content"
    short = 99
    with pytest.raises(StorageError, match=r"d/a: cannot be read in 3 attempts .*5 of 13 bytes"):
        download(directory / "a", tmp_path / "a")


def test_a_large_file_has_more_time(directory, tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"")
    os.truncate(tmp_path / "a", 600_000_000)
    limits = []

    def call(filesystem, name, *arguments, time_limit=None):
        limits.append((name, time_limit))
        return {"size": 600_000_000}

    monkeypatch.setattr(remote_path, "call_driver", call)
    monkeypatch.setattr(
        remote_path, "open_filesystem", lambda url, options: fsspec.filesystem("file")
    )
    RemotePath("s3://bucket/a").upload(tmp_path / "a")
    assert limits == [("put_file", request.TIMEOUT + 6000.0), ("info", None)]


def test_an_upload_that_fails_leaves_the_former_file_and_hides_the_options(
    directory, tmp_path, monkeypatch
):
    (tmp_path / "a").write_bytes(b"new")
    (directory / "a").write_bytes(b"former")
    monkeypatch.setattr(request, "PAUSES", (0,))

    def fail(self, *arguments, **options):
        raise OSError("refused for a-secret-key")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "pipe_file", fail)
    path = output_place(str(directory / "a"), "file", {"key": "a-secret-key"})
    with pytest.raises(StorageError, match=r"d/a: cannot be written in 2 attempts") as caught:
        path.upload(tmp_path / "a")
    assert "a-secret-key" not in str(caught.value)
    assert caught.value.__cause__ is None
    with pytest.raises(StorageError, match="cannot be written"):
        probe_writable(path)
    assert path.read_bytes() == b"former"


def test_a_check_of_a_directory_leaves_nothing_there(directory):
    probe_writable(directory / "a")
    assert directory.list_sizes() == {}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no flock")
def test_the_file_of_a_killed_process_is_removed_by_the_next_one_and_no_other(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    other = tmp_path / "keras_bigdata-of-another-program"
    other.mkdir()
    child = fork()
    if child == 0:
        with private_file("a.npz") as path:
            path.write_bytes(bytes(1_000_000))
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    (left,) = set(tmp_path.iterdir()) - {other}
    with private_file("young") as running:
        running.write_bytes(b"1")
        assert left.exists()
        for directory in tmp_path.iterdir():
            os.utime(directory, (0, 0))
        with private_file("b.npz") as path:
            assert sorted(tmp_path.iterdir()) == sorted([other, running.parent, path.parent])
    assert list(tmp_path.iterdir()) == [other]


def test_a_few_ranges_of_a_large_file_are_read(directory, tmp_path, monkeypatch):
    values = np.arange(1_000_000)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["values"] = values
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file.attrs["score"] = 0.5
    (directory / "a.h5").upload(tmp_path / "a.h5")
    read = []
    original = RemotePath.read_range

    def read_range(self, start, stop):
        read.append(stop - start)
        return original(self, start, stop)

    monkeypatch.setattr(RemotePath, "read_range", read_range)
    with h5py.File(RangedFile(directory / "a.h5"), "r") as file:
        assert file.attrs["score"] == 0.5
        assert sum(read) < 1_000_000, "of 8,000,000 bytes"
        np.testing.assert_array_equal(file["values"][:], values)
    remote = RangedFile(directory / "a.h5")
    content = (tmp_path / "a.h5").read_bytes()
    assert remote.seek(-7, os.SEEK_END) == len(content) - 7
    assert remote.read(100) == content[-7:]
    assert remote.read(1) == b""
    remote.seek(262_000)
    assert remote.read(1000) == content[262_000:263_000]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://host/x", "a web server cannot be written"),
        ("https://host/x", "a web server cannot be written"),
        ("hf://datasets/me/x", "is a commit of the repository"),
        ("sftp://host/x", "not known that a file there is either complete or absent"),
    ],
)
def test_stores_that_show_incomplete_files_are_refused(url, reason):
    with pytest.raises(ValueError, match=rf"`filepath` cannot be written to .*{reason}"):
        output_place(url, "filepath")
