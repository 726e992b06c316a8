"""A set of shards in an S3 bucket, through s3fs."""

import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import keras_bigdata as kb
from keras_bigdata import Arrays, ShardIndex, Shards, ShardSequence, StorageError
from keras_bigdata.storage.paths.place import as_place
from keras_bigdata.storage.requests import request
from tests.helpers.paths import ROOT

pytestmark = pytest.mark.slow

NAMES = [
    "a b.pkl", "p%41.pkl", "ü.pkl", "a+b.pkl", "a#b.pkl", "a?b.pkl", "d/e.pkl", "x*[1].pkl",
    "a&b='(1)~.pkl",
]  # fmt: skip


@pytest.fixture
def place(s3):
    return as_place(f"{s3.new_bucket()}/my set", "url", s3.options)


def packed(s3, directory, rows=100, first=0):
    numbers = np.arange(first, first + rows)
    x = np.repeat(numbers[:, None], 40, axis=1).astype("float32")
    kb.pack(Arrays(x=x, labels=numbers % 3), directory, shard_samples=13, verbose=0)
    url = f"{s3.new_bucket()}/set"
    s3.filesystem().put(str(directory), url, recursive=True)
    return url


def test_names_with_special_characters(place):
    for name in NAMES:
        path = place / name
        path.write_bytes(name.encode())
        assert path.read_bytes() == name.encode()
        assert path.read_range(1, 3) == name.encode()[1:3]
        assert path.size() == len(name.encode())
    assert place.list_sizes() == {name: len(name.encode()) for name in NAMES}


def test_missing_files_and_buckets(place):
    with pytest.raises(FileNotFoundError):
        (place / "x").read_bytes()
    with pytest.raises(FileNotFoundError):
        (place / "x").read_range(0, 1)
    assert not (place / "x").exists()
    assert place.list_sizes() == {}
    (place / "d/x").write_bytes(b"")
    assert not (place / "d").exists(), "a directory is not a file"
    assert (place / "d/x").read_bytes() == b""
    with pytest.raises(FileNotFoundError):
        (as_place("s3://no-such-bucket/x", "url", place.options)).read_bytes()


def test_a_file_that_is_too_short(place, monkeypatch):
    monkeypatch.setattr(request, "PAUSES", (0.01,))
    (place / "x").write_bytes(b"12345")
    for start in (0, 3, 5, 50):
        with pytest.raises(request.IncompleteError, match=r"/my set/x: .*in 2 attempts"):
            (place / "x").read_range(start, start + 10)


def test_listings_are_never_those_of_before(place, s3):
    assert place.list_sizes() == {}
    s3.filesystem().pipe_file(str(place / "x"), b"1")
    assert place.list_sizes() == {"x": 1}
    s3.filesystem().pipe_file(str(place / "x"), b"12")
    assert (place / "x").size() == 2
    assert place.list_sizes() == {"x": 2}


def test_the_time_of_a_closed_port_and_of_silence_is_bounded(monkeypatch):
    monkeypatch.setattr(request, "PAUSES", (0.01,))
    monkeypatch.setattr(request, "TIMEOUT", 1.0)
    options = {"key": "some-key", "secret": "some-secret"}
    with socket.socket() as silent, socket.socket() as closed:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        closed.bind(("127.0.0.1", 0))
        for port in (silent.getsockname()[1], closed.getsockname()[1]):
            start = time.monotonic()
            endpoint = {"client_kwargs": {"endpoint_url": f"http://127.0.0.1:{port}"}}
            with pytest.raises(StorageError, match=r"s3://b/x: .*in 2 attempts") as caught:
                as_place("s3://b/x", "url", {**options, **endpoint}).read_range(0, 5)
            assert time.monotonic() - start < 15
            assert "some-secret" not in str(caught.value)


def test_batches_and_columns_are_those_of_the_directory(s3, tmp_path):
    url = packed(s3, tmp_path / "set")
    shards = Shards(url, storage_options=s3.options)
    remote = ShardSequence(shards, 16, seed=1, workers=0)
    local = ShardSequence(tmp_path / "set", 16, seed=1, workers=0)
    for i in range(len(local)):
        for ours, theirs in zip(remote[i], local[i], strict=True):
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    found = shards.where(lambda columns: columns["labels"] == 1).columns("row")["row"]
    np.testing.assert_array_equal(np.sort(found), np.arange(1, 100, 3))


def test_many_threads_read_at_the_same_time(place):
    content = np.random.default_rng(0).bytes(100_000)
    (place / "x").write_bytes(content)
    wrong = []

    def read(number):
        for i in range(10):
            start = (number * 997 + i * 7919) % 90_000
            if (place / "x").read_range(start, start + 5000) != content[start : start + 5000]:
                wrong.append(start)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_workers_of_loky_and_forked_children_read(s3, tmp_path):
    """In a program of its own: a forked child of this process would have all of its threads."""
    url = packed(s3, tmp_path / "set")
    assert ShardIndex.load(url, storage_options=s3.options).num_samples == 100
    program = f"""
import multiprocessing
import joblib
from keras_bigdata import ShardIndex
OPTIONS = {s3.options!r}

def read(i):
    index = ShardIndex.load({url!r}, storage_options=OPTIONS)
    return index.num_samples, len(index.path(i).read_bytes())

if __name__ == "__main__":
    expected = [read(i) for i in range(4)]
    assert joblib.Parallel(2)(joblib.delayed(read)(i) for i in range(4)) == expected
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(read, range(4)) == expected
    assert [read(i) for i in range(4)] == expected
    print("all equal")
"""
    path = tmp_path / "program.py"
    path.write_text(program)
    result = subprocess.run(
        [sys.executable, "-W", "ignore", str(path)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert result.stdout == "all equal\n", result.stderr[-3000:]
    assert result.stderr == ""
