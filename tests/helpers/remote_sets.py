"""Sets of shards in the memory store of fsspec, and the requests that are sent to it."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections import Counter
from pathlib import Path

import fsspec

import keras_bigdata as kb
from keras_bigdata import ShardIndex

_METHODS = ("cat_file", "info", "find", "ls", "pipe_file", "cp_file", "rm_file")


def upload(directory: Path, name: str) -> str:
    """Copies a directory into the memory store; returns its URL."""
    url = f"memory://{name}"
    store = fsspec.filesystem("memory")
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            store.pipe_file(f"{url}/{path.relative_to(directory).as_posix()}", path.read_bytes())
    return url


def remove(url: str) -> None:
    """Removes everything below a URL."""
    store = fsspec.filesystem("memory")
    if store.exists(url):
        store.rm(url, recursive=True)


def packed_url(tmp_path: Path, source, name: str = "set", **options) -> str:
    """Packs a source and returns the URL of a copy in the memory store."""
    kb.pack(source, tmp_path / name, verbose=0, **{"shuffle": False, **options})
    return upload(tmp_path / name, f"{os.path.basename(tmp_path)}/{name}")


def damage_url(url: str) -> None:
    """Cuts off shard 1, changes a byte of shard 4, and removes shard 6."""
    store = fsspec.filesystem("memory")
    one, two = f"{url}/shard-00001.pkl", f"{url}/shard-00004.pkl"
    store.pipe_file(one, store.cat_file(one)[:100])
    data = bytearray(store.cat_file(two))
    data[ShardIndex.load(url)[4].offsets["x"] + 2] ^= 4
    store.pipe_file(two, bytes(data))
    store.rm(f"{url}/shard-00006.pkl")


def refuse(monkeypatch, method: str, message: str, file: str = "") -> None:
    """Lets requests of a method fail with a `PermissionError`.

    Args:
        monkeypatch: the fixture of pytest.
        method: method of the driver, as `"cat_file"`.
        message: of the error.
        file: end of the paths that are refused. Defaults to all paths.
    """
    driver = type(fsspec.filesystem("memory"))
    original = getattr(driver, method)

    @functools.wraps(original)
    def request(store, path, *arguments, **options):
        if path.endswith(file):
            raise PermissionError(message)
        return original(store, path, *arguments, **options)

    monkeypatch.setattr(driver, method, request)


class Requests:
    """The requests to the memory store, while a test runs: method, file, bytes received.

    Args:
        monkeypatch: the fixture of pytest.
        latency: seconds that each request takes. Defaults to `0.0`.
    """

    def __init__(self, monkeypatch, latency: float = 0.0) -> None:
        self.sent: list[tuple[str, str, int]] = []
        self.most_at_once = 0
        self._running = 0
        self._latency = latency
        self._lock = threading.Lock()
        self._inside = threading.local()
        driver = type(fsspec.filesystem("memory"))
        for name in _METHODS:
            monkeypatch.setattr(driver, name, self._counted(name, getattr(driver, name)))

    def _counted(self, name, method):
        @functools.wraps(method)
        def call(store, path, *arguments, **options):
            # What the driver calls itself is not a request of its own.
            if getattr(self._inside, "depth", 0):
                return method(store, path, *arguments, **options)
            self._inside.depth = 1
            with self._lock:
                self._running += 1
                self.most_at_once = max(self.most_at_once, self._running)
            try:
                time.sleep(self._latency)
                result = method(store, path, *arguments, **options)
            finally:
                self._inside.depth = 0
                with self._lock:
                    self._running -= 1
            received = len(result) if isinstance(result, bytes) else 0
            self.sent.append((name, str(path).rpartition("/")[2], received))
            return result

        return call

    def __len__(self) -> int:
        return len(self.sent)

    @property
    def nbytes(self) -> int:
        """Bytes received, without those of indexes."""
        return sum(count for _, file, count in self.sent if file != "index.json")

    def bytes_of(self) -> Counter[str]:
        """Bytes received of each file."""
        counts: Counter[str] = Counter()
        for _, file, count in self.sent:
            counts[file] += count
        return counts

    def clear(self) -> None:
        """Forgets the requests so far."""
        self.sent.clear()
