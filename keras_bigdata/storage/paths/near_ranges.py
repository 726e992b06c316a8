"""Several ranges of a remote file, of which those that lie close together are one request."""

from __future__ import annotations

from collections.abc import Sequence

from keras_bigdata.storage.paths.remote_path import RemotePath

# Bytes between two ranges that are requested with them: far less than is sent in the time of
# another request.
MAX_GAP = 4096


def read_near_ranges(path: RemotePath, ranges: Sequence[tuple[int, int]]) -> list[memoryview]:
    """Returns the bytes of each range.

    Args:
        path: the file.
        ranges: `(start, stop)` of each.

    Raises:
        FileNotFoundError: if the file does not exist.
        StorageError: if it cannot be read, or is shorter.
    """
    found = [memoryview(b"")] * len(ranges)
    order = sorted(range(len(ranges)), key=ranges.__getitem__)
    first = 0
    while first < len(order):
        start, stop = ranges[order[first]]
        last = first + 1
        while last < len(order) and ranges[order[last]][0] <= stop + MAX_GAP:
            stop = max(stop, ranges[order[last]][1])
            last += 1
        data = memoryview(path.read_range(start, stop))
        for number in order[first:last]:
            begin, end = ranges[number]
            found[number] = data[begin - start : end - start]
        first = last
    return found
