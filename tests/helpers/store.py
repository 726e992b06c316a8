"""A remote store in memory that counts, delays, fails and falsifies requests, and a set for it."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path

import fsspec
import numpy as np

from keras_bigdata import Arrays, pack

ROWS = 240

_numbers = itertools.count()


class Store:
    """Replaces the requests of `memory://`, while it is used as a context.

    Attributes:
        requests: (name of the file, start, end) of each request for content, in order.
        delay: seconds that a request for content takes.
        broken: names of files of which requests fail with a network error.
        removed: names of files that do not exist any more.
        changed: name -> function that changes the bytes of each answer.
        gate: while it is cleared, requests for whole shards or their pieces wait.
        busiest: the most requests at one time.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, int | None, int | None]] = []
        self.delay = 0.0
        self.broken: set[str] = set()
        self.removed: set[str] = set()
        self.changed: dict = {}
        self.gate = threading.Event()
        self.gate.set()
        self.busiest = 0
        self._busy = 0
        self._buckets: list[str] = []
        self._lock = threading.Lock()
        self._driver = type(fsspec.filesystem("memory"))

    def __enter__(self) -> Store:
        original = self._original = self._driver.cat_file

        def cat_file(fs, path, start=None, end=None, **options):
            if not any(bucket in path for bucket in self._buckets):
                return original(fs, path, start, end, **options)  # of a test that has ended
            name = path.rsplit("/", 1)[-1]
            with self._lock:
                self.requests.append((name, start, end))
                self._busy += 1
                self.busiest = max(self.busiest, self._busy)
            try:
                whole = start in (None, 0) and end in (None, fs.info(path)["size"])
                if name.endswith(".pkl") and whole:
                    self.gate.wait(20)
                time.sleep(self.delay)
                if name in self.broken:
                    raise ConnectionResetError("the network is down")
                if name in self.removed:
                    raise FileNotFoundError(path)
                content = original(fs, path, start, end, **options)
                return self.changed[name](content, start) if name in self.changed else content
            finally:
                with self._lock:
                    self._busy -= 1

        self._driver.cat_file = cat_file
        return self

    def __exit__(self, *_) -> None:
        self._driver.cat_file = self._original
        self.gate.set()

    def shards(self) -> list[str]:
        """Returns the names of the shards that were requested as a whole, in order."""
        return [name for name, start, _ in self.requests if name.endswith(".pkl") and not start]

    def upload(self, directory: Path) -> str:
        """Copies a directory into the store and returns its URL."""
        # Open copies of another test may be shared if the URL is the same.
        self._buckets.append(f"bucket-{next(_numbers)}/")
        url = f"memory://{self._buckets[-1]}{directory.name}"
        fsspec.filesystem("memory").put(str(directory), url, recursive=True)
        return url


def pack_numbers(directory: Path, classes: int = ROWS, shard_rows: int = 10) -> Path:
    """Packs 240 rows of 5 kB in their order.

    The labels are the numbers of the rows, or their remainders, if `classes` is less than 240.
    """
    rows = np.arange(ROWS)
    x = np.repeat(rows[:, None] % 256, 5000, axis=1).astype("uint8")
    source = Arrays(x=x, labels=rows % classes)
    pack(source, directory, shard_samples=shard_rows, shuffle=False, verbose=0)
    return directory


def batches(sequence, epochs=1) -> list[np.ndarray]:
    """Returns the labels of the batches of some epochs, requested as Keras requests them."""
    found = []
    for _ in range(epochs):
        sequence.on_epoch_begin()
        found += [np.asarray(sequence[i][1]) for i in range(sequence.num_batches)]
        sequence.on_epoch_end()
    return found
