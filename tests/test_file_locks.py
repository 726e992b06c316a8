"""Locks of files: taken, free, and on file systems that have none."""

from __future__ import annotations

import errno
import os

import pytest

from keras_bigdata.file_locks import lock_file, try_lock

fcntl = pytest.importorskip("fcntl")


def _fail_with(monkeypatch, name):
    def flock(descriptor, operation):
        raise OSError(getattr(errno, name), "no lock")

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.fixture
def descriptor(tmp_path):
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("name", ["ENOLCK", "ENOSYS", "EOPNOTSUPP", "ENOTSUP", "EINVAL", "EBADF"])
def test_a_file_system_without_locks_is_no_error(tmp_path, descriptor, monkeypatch, name):
    _fail_with(monkeypatch, name)
    assert try_lock(descriptor, exclusive=True) is None
    os.close(lock_file(tmp_path / "lock"))


@pytest.mark.parametrize("name", ["EWOULDBLOCK", "EACCES", "EDEADLK"])
def test_a_lock_of_another_process_is_recognized(tmp_path, descriptor, monkeypatch, name):
    _fail_with(monkeypatch, name)
    assert try_lock(descriptor, exclusive=True) is False
    with pytest.raises(BlockingIOError, match="another process"):
        lock_file(tmp_path / "lock")


def test_other_errors_are_raised(tmp_path, descriptor, monkeypatch):
    _fail_with(monkeypatch, "EIO")
    with pytest.raises(OSError, match="no lock"):
        try_lock(descriptor, exclusive=True)
    with pytest.raises(OSError, match="no lock"):
        lock_file(tmp_path / "lock")


def test_the_holder_of_a_lock_is_named(tmp_path):
    first = lock_file(tmp_path / "folder" / "lock")
    with pytest.raises(BlockingIOError, match=f"process {os.getpid()} on"):
        lock_file(tmp_path / "folder" / "lock")
    os.close(first)
    os.close(lock_file(tmp_path / "folder" / "lock"))
