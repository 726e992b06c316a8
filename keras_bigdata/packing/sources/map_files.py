"""Calls a function for each of many files, in threads: a file system may answer slowly."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

# On network file systems, a request for the status of a file waits for the server. The requests of
# these threads wait together.
_THREADS = 16
_FEW_FILES = 2_000

_Result = TypeVar("_Result")


def map_files(function: Callable[[str], _Result], paths: Sequence[str]) -> list[_Result]:
    """Returns the results of a function for each path; for many paths, in threads."""
    if len(paths) <= _FEW_FILES:
        return list(map(function, paths))
    with ThreadPoolExecutor(_THREADS) as executor:
        parts = [paths[start : start + 500] for start in range(0, len(paths), 500)]
        return [
            result
            for part in executor.map(lambda p: list(map(function, p)), parts)
            for result in part
        ]


def average_size(paths: Sequence[str]) -> int:
    """Returns the average size of files in bytes, rounded; those that are missing do not count."""
    sizes = [size for size in map_files(_size, paths) if size]
    return round(sum(sizes) / len(sizes)) if sizes else 0


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
