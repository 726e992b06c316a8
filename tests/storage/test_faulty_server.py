"""What a reader does when a web server fails: it repeats, in a bounded time, and names the URL."""

import os
import signal
import socket
import threading
import time
import zlib

import numpy as np
import pytest

from keras_bigdata import CorruptShardError, StorageError
from keras_bigdata.storage.cache.open_copy import open_copy
from keras_bigdata.storage.copies import fetch
from keras_bigdata.storage.paths.place import as_place
from keras_bigdata.storage.requests import request
from keras_bigdata.storage.urls import filesystem
from tests.helpers.web_server import Faults

CONTENT = np.random.default_rng(0).bytes(100_000)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(request, "PAUSES", (0.01, 0.01, 0.01, 0.01))
    monkeypatch.setattr(filesystem, "SILENCE", 0.3)
    monkeypatch.setattr(fetch, "PIECE_BYTES", 30_000)


@pytest.fixture
def file(web):
    (web.directory / "a.pkl").write_bytes(CONTENT)
    return as_place(web.url, "url") / "a.pkl"


def attempts(web):
    return len(web.requests)


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    "faults",
    [
        {"error": 1.0},
        {"reset": 1.0},
        {"cut": 1.0},
        {"cut": 1.0, "no_length": 1.0},
        {"stall": 1.0, "stall_seconds": 5},
    ],
    ids=" ".join,
)
def test_requests_are_repeated_until_they_succeed(web, file, faults):
    web.faults = Faults(**faults, in_a_row=2)
    assert file.read_range(10, 20) == CONTENT[10:20]
    assert attempts(web) == 3


def test_repetition_ends_and_the_error_names_the_url(web, file):
    web.faults = Faults(error=1.0, statuses=(503,))
    with pytest.raises(StorageError, match=r"/a\.pkl: cannot be read in 5 attempts .*503"):
        file.read_bytes()
    assert attempts(web) == 5


@pytest.mark.slow
def test_silence_ends_an_attempt(web, file):
    web.faults = Faults(stall=1.0, stall_seconds=30)
    start = time.monotonic()
    with pytest.raises(StorageError, match=r"in 5 attempts .*[Tt]imeout"):
        file.read_range(0, 10)
    assert time.monotonic() - start < 20


@pytest.mark.slow
def test_a_trickle_ends_after_the_time_limit(web, file, monkeypatch):
    monkeypatch.setattr(request, "TIMEOUT", 0.4)
    monkeypatch.setattr(request, "PAUSES", (0.01,))
    web.faults = Faults(latency=0.2, bandwidth=300_000)  # a block of 64 KiB every 0.2 s
    with pytest.raises(StorageError, match=r"in 2 attempts .*no complete answer within 0.4 s"):
        file.read_bytes()


def test_no_attempt_begins_late(web, file, monkeypatch):
    monkeypatch.setattr(request, "LAST_ATTEMPT", 0.0)
    web.faults = Faults(error=1.0)
    with pytest.raises(StorageError, match="cannot be read"):
        file.read_bytes()
    assert attempts(web) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 405, 451, 501])
def test_what_is_wrong_for_good_is_requested_once(web, file, status):
    web.faults = Faults(error=1.0, statuses=(status,))
    with pytest.raises(StorageError, match=rf"/a\.pkl: cannot be read \(.*{status}"):
        file.read_range(0, 10)
    assert attempts(web) == 1


@pytest.mark.parametrize("status", [403, 503])
def test_a_refusal_is_not_a_missing_file(web, file, status):
    """fsspec raises FileNotFoundError for any failure when it looks up a size."""
    web.faults = Faults(error=1.0, statuses=(status,))
    with pytest.raises(StorageError, match=str(status)):
        file.exists()
    web.faults = Faults(reset=1.0)
    with pytest.raises(StorageError, match="in 5 attempts"):
        file.size()


def test_a_missing_file_is_requested_once(web, file):
    missing = file.parent / "b.pkl"
    with pytest.raises(FileNotFoundError):
        missing.read_bytes()
    assert attempts(web) == 1
    assert not missing.exists()
    assert file.exists()


def test_a_closed_port_and_an_unknown_host_are_errors_with_the_url():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for host in (f"127.0.0.1:{port}", "no-such-host.invalid"):
        with pytest.raises(StorageError, match=rf"http://{host}/set/x: cannot .* 5 attempts"):
            (as_place(f"http://{host}/set", "url") / "x").read_bytes()


def test_an_unknown_size_is_an_error(web, file):
    web.faults = Faults(no_length=1.0)
    with pytest.raises(StorageError, match=r"/a\.pkl: .*does not report the size"):
        file.size()


def copy_of(file, size=100_000):
    with open_copy(file, size, zlib.crc32(CONTENT)) as copy:
        return copy.open().read()


def test_a_server_that_ignores_ranges_sends_each_file_once(web, file):
    web.faults = Faults(whole=1.0)
    assert file.read_range(50, 60) == CONTENT[50:60]
    assert file.ignores_ranges
    web.forget_counts()
    assert copy_of(file) == CONTENT
    assert attempts(web) == 1


def test_wrong_bytes_are_fetched_again(web, file):
    web.faults = Faults(wrong=1.0, in_a_row=1)
    assert copy_of(file) == CONTENT
    web.faults = Faults(wrong=1.0)
    with pytest.raises(CorruptShardError, match=r"/a\.pkl: .*another CRC-32"):
        copy_of(file)


def test_a_file_that_is_shorter_than_the_index_says_was_replaced(web, file):
    with pytest.raises(CorruptShardError, match=r"has 100,000 bytes, expected 200,000"):
        copy_of(file, 200_000)
    with pytest.raises(CorruptShardError, match="there is no such file"):
        copy_of(file.parent / "b.pkl")


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]
)
def test_a_file_is_right_whatever_goes_wrong(web, file, seed):
    web.seed = seed
    shares = dict.fromkeys(("error", "reset", "stall", "cut", "wrong"), 0.15)
    web.faults = Faults(**shares, whole=0.3, no_length=0.3, stall_seconds=1, in_a_row=3)
    threads = [threading.Thread(target=lambda: found.append(copy_of(file))) for _ in range(4)]
    found = []
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [CONTENT] * 4
    assert len(web.given) >= 4


def test_ctrl_c_ends_a_request(web, file):
    web.faults = Faults(stall=1.0, stall_seconds=30)
    filesystem.SILENCE = 30  # monkeypatch restores it
    start = time.monotonic()
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        file.read_range(0, 10)
    assert time.monotonic() - start < 20
    web.faults = Faults()
    assert file.read_range(0, 10) == CONTENT[:10]


@pytest.mark.parametrize("name", ["a b.pkl", "p%41.pkl", "ü.pkl", "a+b.pkl", "a#b.pkl", "a?b.pkl"])
def test_names_are_quoted_in_urls_of_the_web(web, name):
    (web.directory / "my set").mkdir()
    (web.directory / "my set" / name).write_bytes(b"content")
    for directory in ("my set", "my%20set"):
        path = as_place(f"{web.url}/{directory}", "url") / name
        assert path.read_bytes() == b"content"
        assert path.read_range(1, 3) == b"on"
        assert path.size() == 7
        assert path.name == name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("az://c/x", "a#b"),
        ("abfs://c/x", "a?b"),
        ("hf://datasets/u/n", "a@b"),
        ("s3://b", "a?versionId=1"),
    ],
)
def test_a_name_that_a_driver_would_misread_is_refused(url, name):
    with pytest.raises(ValueError, match="Rename the file"):
        as_place(url, "url") / name
