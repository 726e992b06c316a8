"""Reads the rows of one batch of remote shards by requests for the bytes of these rows.

No checksum covers a part of a file. So each range is requested twice and compared, and compared
again with the whole shard, whose checksum is verified, when that arrives.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.checksum import crc32
from keras_bigdata.daemon_threads import DaemonThreads
from keras_bigdata.errors import StorageError
from keras_bigdata.loading.fetching.planned_fetch import PlannedFetch
from keras_bigdata.loading.rows.row_reader import Batch, RawBatch
from keras_bigdata.loading.rows.varlen_rows import VarlenRows
from keras_bigdata.shards.index.shard_index import DECODED, Field, Int64Array, ShardIndex
from keras_bigdata.storage.cache.open_copy import OpenCopy
from keras_bigdata.storage.paths.remote_path import RemotePath

# Cost of a request in addition to its bytes: the bytes that could be transferred meanwhile.
REQUEST_BYTES = 256 * 2**10

# Number of requests at one time. They are few and small, and delay the shards little.
_CONNECTIONS = 16

# Number of times that each range is requested.
_READINGS = 2

# The ranges of a batch must cost less than this share of its shards: they are transferred in
# addition to the shards, and delay them. At 0.95 (128 rows of 49 kB in 6 shards of 12.6 MB, web
# server on the same machine) the first batch arrived in 0.5 s, the whole shards in 0.2 s.
_MAX_SHARE = 0.5

# Interval in seconds at which it is checked whether the shards have arrived meanwhile.
_POLL_SECONDS = 0.05

# Size of an offset, and of the two offsets between which the values of a row lie.
_OFFSET_BYTES = 8
_PAIR_BYTES = 2 * _OFFSET_BYTES


class NotByRangesError(Exception):
    """The rows cannot be read by ranges, or should not: whole shards are needed."""


@dataclass(slots=True)
class _Places:
    """Places in shards: the requests that cover them, and where each place is in its request."""

    requests: list[tuple[int, int, int]] = field(default_factory=list)
    found: list[bytes] = field(default_factory=list)
    request: npt.NDArray[Any] = field(default_factory=lambda: np.empty(0, np.int64))
    begins: npt.NDArray[Any] = field(default_factory=lambda: np.empty(0, np.int64))

    @classmethod
    def of(cls, shards: Int64Array, begins: Int64Array, ends: Int64Array) -> _Places:
        """Joins places that lie near each other in one shard."""
        order = np.lexsort((begins, shards))
        requests: list[tuple[int, int, int]] = []
        request = np.empty(len(order), np.int64)
        for place, shard, begin, end in zip(
            order.tolist(),
            shards[order].tolist(),
            begins[order].tolist(),
            ends[order].tolist(),
            strict=True,
        ):
            if requests and requests[-1][0] == shard and begin <= requests[-1][2] + REQUEST_BYTES:
                requests[-1] = (shard, requests[-1][1], max(end, requests[-1][2]))
            else:
                requests.append((shard, begin, end))
            request[place] = len(requests) - 1
        firsts = np.array([each[1] for each in requests], np.int64)
        return cls(requests, [], request, begins - firsts[request])

    @property
    def cost(self) -> int:
        """Cost of the requests, in bytes."""
        return sum(end - begin + REQUEST_BYTES for _, begin, end in self.requests)

    def content(self, place: int, size: int) -> memoryview:
        """Returns the bytes of a place."""
        begin = int(self.begins[place])
        return memoryview(self.found[self.request[place]])[begin : begin + size]


class RangedReader:
    """Reads the rows of a batch before their shards have arrived, with the methods of `RowReader`.

    Thread-safe.

    Args:
        index: the shards.
        fields: name -> `Field` of the fields to read.
        fetch: the shards that are here or on their way.
    """

    def __init__(self, index: ShardIndex, fields: Mapping[str, Field], fetch: PlannedFetch) -> None:
        self._index = index
        self._fields = fields
        self._fetch = fetch
        self._lock = threading.Lock()
        # Shard -> the ranges that were served and are not compared with the shard yet: first byte,
        # number of bytes, and CRC-32. With batches in any order these can be all ranges of the set.
        self._served: dict[int, set[tuple[int, int, int]]] = {}
        self._last: tuple[Int64Array, Int64Array, RawBatch] | None = None

    def read(self, shards: Int64Array, rows: Int64Array, cut: int | None = None) -> list[RawBatch]:
        """Reads rows in the given order, as one batch.

        Args:
            shards: int64 array, the shard of each row.
            rows: int64 array of equal length, the row in that shard.
            cut: as in `RowReader.read`; it must not be smaller than the number of rows.

        Raises:
            NotByRangesError: if whole shards are needed.
        """
        if cut is not None and cut < len(rows):
            raise NotByRangesError
        last = self._last
        if last is None or not (np.array_equal(last[0], shards) and np.array_equal(last[1], rows)):
            last = self._last = (shards, rows, self._read(shards, rows))
        # The receiver may change the arrays.
        return [
            {
                name: read if isinstance(read, VarlenRows) else read.copy()
                for name, read in last[2].items()
            }
        ]

    def read_into(self, shards: Int64Array, rows: Int64Array, outs: Sequence[Batch]) -> None:
        """Reads rows in the given order into arrays, as `RowReader.read_into` does."""
        (batch,) = self.read(shards, rows)
        for name, read in batch.items():
            if isinstance(read, VarlenRows):
                continue
            start = 0
            for out in outs:
                out[name][...] = read[start : start + len(out[name])]
                start += len(out[name])

    def compare(self, shard: int, copy: OpenCopy) -> None:
        """Compares the ranges that were served of a shard with its copy, whose checksum is right.

        Raises:
            StorageError: if they differ.
        """
        with self._lock:
            served = list(self._served.get(shard, ()))
        for begin, size, checksum in served:
            if copy.checksum(begin, begin + size) != checksum:
                raise StorageError(
                    f"{copy}: requests for {size:,} bytes at {begin:,} returned other "
                    "bytes than the whole file holds, whose checksum is right, and they were "
                    "served in the first batch. The store, or a proxy before it, is at fault: "
                    "start again from the last checkpoint."
                )
        if served:
            with self._lock:
                self._served.pop(shard, None)

    def forget(self) -> None:
        """Drops the last batch, which is not requested again."""
        self._last = None

    # ---- Requests

    def _read(self, shards: Int64Array, rows: Int64Array) -> RawBatch:
        equal = [each for each in self._fields.values() if not each.is_varlen]
        varlen = [each for each in self._fields.values() if each.is_varlen]
        for name in self._fields:
            if (self._index.offsets[name][shards] == DECODED).any():
                raise NotByRangesError
        parts = [(self._index.offsets[f.name][shards] + rows * f.row_bytes, f.row_bytes)
                 for f in equal]  # fmt: skip
        for each in varlen:
            row_offsets = self._index.row_offsets[each.name][shards]
            if (row_offsets == DECODED).any():
                raise NotByRangesError
            parts.append((row_offsets + rows * _OFFSET_BYTES, _PAIR_BYTES))
        places = _Places.of(
            np.tile(shards, len(parts)),
            np.concatenate([begins for begins, _ in parts]),
            np.concatenate([begins + size for begins, size in parts]),
        )
        self._check_cost(places, shards, len(rows) if varlen else 0)
        pool = DaemonThreads(_CONNECTIONS, "keras_bigdata-first")
        try:
            self._request(pool, places)
            batch: RawBatch = {}
            for number, each in enumerate(equal):
                first = number * len(rows)
                memory = np.empty(len(rows) * each.row_bytes, np.uint8)
                for row in range(len(rows)) if each.row_bytes else ():
                    memory[row * each.row_bytes : (row + 1) * each.row_bytes] = np.frombuffer(
                        places.content(first + row, each.row_bytes), np.uint8
                    )
                batch[each.name] = memory.view(each.dtype).reshape(len(rows), *each.row_shape)
            first = len(equal) * len(rows)
            for each in varlen:
                read = [places.content(first + row, _PAIR_BYTES) for row in range(len(rows))]
                bounds = np.frombuffer(b"".join(read), np.int64).reshape(-1, 2)
                batch[each.name] = self._varlen(pool, each, shards, rows, bounds)
                first += len(rows)
        finally:
            pool.shutdown()
        return {name: batch[name] for name in self._fields}

    def _varlen(
        self,
        pool: DaemonThreads,
        each: Field,
        shards: Int64Array,
        rows: Int64Array,
        bounds: Int64Array,
    ) -> VarlenRows:
        """Returns the rows whose values begin and end at `bounds`, of shape `(rows, 2)`."""
        value_bytes = each.value_dtype.itemsize * int(np.prod(each.value_shape, dtype=int))
        start = self._index.offsets[each.name][shards]
        limit = (self._index.sizes[shards] - start) // max(value_bytes, 1)
        if ((bounds[:, 0] < 0) | (bounds[:, 1] < bounds[:, 0]) | (bounds[:, 1] > limit)).any():
            raise NotByRangesError  # the whole shard is checked
        sizes = (bounds[:, 1] - bounds[:, 0]) * value_bytes
        begins = start + bounds[:, 0] * value_bytes
        places = _Places.of(shards, begins, begins + sizes)
        self._request(pool, places)
        starts = np.cumsum(sizes) - sizes
        total = max(int(sizes.sum()), 1)
        memory = np.zeros(-(-total // max(1, value_bytes)) * max(1, value_bytes), np.uint8)
        for row, (begin, size) in enumerate(zip(starts.tolist(), sizes.tolist(), strict=True)):
            memory[begin : begin + size] = np.frombuffer(places.content(row, size), np.uint8)
        return VarlenRows(each, memory, starts, sizes, shards, rows)

    def _check_cost(self, places: _Places, shards: Int64Array, varlen_rows: int) -> None:
        """Raises `NotByRangesError` if the missing shards cost less than the ranges."""
        used = np.unique(shards)
        missing = [shard for shard in used.tolist() if not self._fetch.is_here(shard)]
        row_bytes = int(self._index.sizes[used].sum()) // max(
            1, int(self._index.samples[used].sum())
        )
        cost = places.cost + varlen_rows * (row_bytes + REQUEST_BYTES)
        if _READINGS * cost >= _MAX_SHARE * int(self._index.sizes[missing].sum()):
            raise NotByRangesError

    def _request(self, pool: DaemonThreads, places: _Places) -> None:
        """Requests the ranges, and stores them in `found`."""
        readings: list[list[Future[bytes]]] = []
        for shard, begin, end in places.requests:
            path = self._index.path(shard)
            if not isinstance(path, RemotePath):
                raise NotByRangesError
            readings.append([pool.submit(path.read_range, begin, end) for _ in range(_READINGS)])
        self._wait(readings, {shard for shard, _, _ in places.requests})
        contents = [[each.result() for each in reading] for reading in readings]
        if any(one != other for one, other in contents):
            raise NotByRangesError
        places.found = [one for one, _ in contents]
        with self._lock:
            for (shard, begin, _), content in zip(places.requests, places.found, strict=True):
                served = (begin, len(content), crc32(content))
                self._served.setdefault(shard, set()).add(served)

    def _wait(self, readings: list[list[Future[bytes]]], shards: set[int]) -> None:
        """Waits for all requests, unless the shards arrive first."""
        requests = [each for reading in readings for each in reading]
        while True:
            done, pending = wait(requests, _POLL_SECONDS, return_when=FIRST_EXCEPTION)
            for each in done:
                error = each.exception()
                if isinstance(error, OSError | StorageError):
                    # The whole shard is fetched, which finds the cause.
                    raise NotByRangesError from error
                if error is not None:
                    raise error
            if not pending:
                return
            if self._fetch.have_arrived(shards):
                raise NotByRangesError
