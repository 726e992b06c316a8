"""Processes that read the files of a web server through one cache; run by `test_cache_processes`.

python -m tests.helpers.cache_users read URL CACHE MAX_BYTES NAME...
python -m tests.helpers.cache_users kill URL CACHE MAX_BYTES KILLS

The server has a file `manifest.json`: name -> size and CRC-32 of each other file.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import sys
import time
import traceback
import urllib.request
import zlib
from pathlib import Path

import aiohttp  # noqa: F401 - the children need not import it
import fsspec  # noqa: F401

from keras_bigdata.errors import CorruptShardError
from keras_bigdata.file_locks import wait_for_lock
from keras_bigdata.storage.cache.cache_entry import (
    SUBDIRECTORY,
    downloaded_entry,
    entry_name,
    parse_entry,
)
from keras_bigdata.storage.cache.open_copy import OpenCopy, open_copy
from keras_bigdata.storage.paths.remote_path import CacheSettings, RemotePath

WINDOW = 2
PROCESSES = 3


def manifest(url: str) -> dict[str, tuple[int, int]]:
    with urllib.request.urlopen(f"{url}/manifest.json") as answer:
        return {name: tuple(entry) for name, entry in json.load(answer).items()}


def checked_copy(root: RemotePath, name: str, entry, next_use) -> OpenCopy:
    copy = open_copy(root / name, *entry, next_use)
    data = copy.open().read()
    assert (len(data), zlib.crc32(data)) == entry, f"{name}: not the content of the manifest"
    return copy


def train(root: RemotePath, seed: int, epochs: int) -> None:
    """Reads all files in a random order in each epoch, and opens a replaced set again."""
    rng = random.Random(seed)
    files = manifest(root.url)
    entries = {name: entry_name(root / name, *entry) for name, entry in files.items()}
    for _ in range(epochs):
        plan = rng.sample(sorted(files), len(files))
        held: list[OpenCopy] = []
        for place, name in enumerate(plan):
            window = place - place % WINDOW
            uses = {
                entries[each]: float(max(0, at - window - WINDOW + 1)) % len(plan)
                for at, each in enumerate(plan)
            }
            if place == window:
                held.clear()
            try:
                found = lambda entry: uses.get(entry, math.inf)  # noqa: B023, E731
                held.append(checked_copy(root, name, files[name], found))
            except CorruptShardError:
                new = manifest(root.url)
                if new == files:
                    raise
                files = new
                entries = {name: entry_name(root / name, *entry) for name, entry in files.items()}


def start_child(root: RemotePath, seed: int, epochs: int = 10**6) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            train(root, seed, epochs)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return child


def used(cache: Path) -> tuple[int, int]:
    """Returns the bytes that the cache has reserved, and the number of temporary files."""
    root = cache / SUBDIRECTORY
    descriptor = os.open(root, os.O_RDONLY)
    try:
        assert wait_for_lock(descriptor, exclusive=True, seconds=30)
        names = [name for folder in root.iterdir() for name in os.listdir(folder)]
    finally:
        os.close(descriptor)
    sizes = [parse_entry(downloaded_entry(name) or name).size for name in names]
    return sum(sizes), sum(name.startswith(".") for name in names)


def kill(root: RemotePath, kills: int) -> None:
    """Kills one of several processes again and again, then reads everything."""
    rng = random.Random(0)
    cache = Path(root.cache.directory)
    (cache / SUBDIRECTORY).mkdir(parents=True, exist_ok=True)
    children = [start_child(root, seed) for seed in range(PROCESSES)]
    largest, leftovers = 0, 0
    for number in range(kills):
        until = time.monotonic() + rng.uniform(0.05, 0.2)
        while time.monotonic() < until:
            largest = max(largest, used(cache)[0])
            time.sleep(0.005)
        victim = children.pop(rng.randrange(PROCESSES))
        os.kill(victim, signal.SIGKILL)
        _, status = os.waitpid(victim, 0)
        assert os.WIFSIGNALED(status), f"a process ended by itself: {status}"
        leftovers = max(leftovers, used(cache)[1])
        children.append(start_child(root, PROCESSES + number))
    for child in children:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"a process ended by itself: {status}"
    _, status = os.waitpid(start_child(root, 10**6, epochs=1), 0)
    assert status == 0
    size, temporary = used(cache)
    print(json.dumps({"largest": max(largest, size), "at_end": temporary, "left": leftovers}))


def main() -> None:
    what, url, cache, max_bytes, *rest = sys.argv[1:]
    root = RemotePath(url, cache=CacheSettings(cache, int(max_bytes) or None))
    if what == "kill":
        kill(root, int(rest[0]))
        return
    files = manifest(url)
    print("ready", flush=True)
    for name in rest:
        checked_copy(root, name, files[name], None)
    print("done", flush=True)


if __name__ == "__main__":
    main()
