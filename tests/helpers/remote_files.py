"""Files of a store in memory, and the cache in which they are opened."""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import fsspec

from keras_bigdata.storage.cache.cache_entry import SUBDIRECTORY, entry_name
from keras_bigdata.storage.cache.open_copy import open_copy
from keras_bigdata.storage.paths.remote_path import CacheSettings, RemotePath


def content(number: int, size: int = 1000) -> bytes:
    """Returns bytes that differ for each number."""
    return (f"{number:08}".encode() * (size // 8 + 1))[:size]


class RemoteFiles:
    """Files behind `memory://`, opened through a cache; counts the requests for each.

    Args:
        monkeypatch: counts the requests.
        bucket: name of the store.
        cache: directory of the cache.
        max_bytes: its limit.
    """

    def __init__(self, monkeypatch, bucket, cache, max_bytes=None):
        self.url = f"memory://{bucket}/set"
        self.cache = CacheSettings(str(cache), max_bytes)
        self.contents: dict[str, bytes] = {}
        self.requests: list[str] = []
        driver = type(fsspec.filesystem("memory"))
        original = driver.cat_file

        def cat_file(this, path, *arguments, **options):
            if bucket in path:
                self.requests.append(path.rpartition("/")[2])
            return original(this, path, *arguments, **options)

        monkeypatch.setattr(driver, "cat_file", cat_file)

    def put(self, name: str, data: bytes) -> None:
        """Writes a file, and the checksum that the index of the set would have."""
        self.contents[name] = data
        fsspec.filesystem("memory").pipe_file(f"{self.url}/{name}", data)

    def path(self, name: str) -> RemotePath:
        return RemotePath(f"{self.url}/{name}", cache=self.cache)

    def entry(self, name: str) -> str:
        data = self.contents[name]
        return entry_name(self.path(name), len(data), zlib.crc32(data))

    def open(self, name: str, next_use=None):
        data = self.contents[name]
        return open_copy(self.path(name), len(data), zlib.crc32(data), next_use)

    def read(self, name: str, next_use=None) -> bytes:
        with self.open(name, next_use) as copy:
            return copy.open().read()


def files_of(cache) -> dict[str, Path]:
    """Returns the files that a cache has written, by name."""
    return {path.name: path for path in Path(cache, SUBDIRECTORY).rglob("*") if path.is_file()}


def later(uses: dict[str, float]):
    """Returns a `next_use` that knows some entries."""
    return lambda name: uses.get(name, math.inf)
