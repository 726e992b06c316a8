"""Finds rows that two sets of shards share, such as training data in a validation set."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.bounded_map import bounded_map
from keras_bigdata.errors import ShardError
from keras_bigdata.progress import Verbose, track
from keras_bigdata.shards.fields.ragged import Ragged
from keras_bigdata.shards.index.shard_index import ShardIndex
from keras_bigdata.shards.pickles import read_columns
from keras_bigdata.shards.reading.read_column import read_ragged
from keras_bigdata.shards.reading.readable_shard import readable_shard

# Rows whose digests are sorted at one time: some 250 MB (measured with 3 to 12 million rows).
_ROWS_AT_ONCE = 1_000_000
_MAX_PARTS = 1024

# Maximum number of pairs that are returned.
_MAX_PAIRS = 20

_RECORD = np.dtype([("a", "<u8"), ("b", "<u8"), ("shard", "<i8"), ("row", "<i8")])

Records = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Rows of one set that are in the other too.

    Args:
        rows: number of such rows.
        places: for the first of them, `(shard, row, shard of the other set, row there)`.
    """

    rows: int
    places: list[tuple[int, int, int, int]]


def find_duplicates(
    first: ShardIndex,
    second: ShardIndex,
    fields: Sequence[str],
    shards: tuple[Sequence[int], Sequence[int]],
    trust: bool = False,
    *,
    verbose: Verbose = "auto",
) -> Duplicates:
    """Compares rows by 128 bits of BLAKE2b over the values of some fields.

    Encoded images are compared by the bytes that are stored.

    The digests (32 bytes per row, with its position) are written to temporary files, divided by
    their value so that about a million at a time are sorted: the memory needed is that of a few
    shards and some 250 MB, whatever the number of rows (more only above a billion rows).

    Args:
        first: a set.
        second: another set.
        fields: names of the fields that must be equal.
        shards: the shards of each set that are compared.
        trust: as in `open_shards`. Defaults to `False`.
        verbose: how progress is shown, as in `track`. Defaults to `"auto"`.

    Raises:
        ShardError: if these fields are missing or differ, or if a shard cannot be read.
    """
    for name in fields:
        one, other = first.fields.get(name), second.fields.get(name)
        if one is None or other is None or one != other:
            raise ShardError(
                f"{first.directory} and {second.directory} cannot be compared by {name!r}: it is "
                f"{one or 'missing'} in the first set and {other or 'missing'} in the second. Pass "
                "the names of the fields to compare by."
            )
    rows = sum(int(index.samples.sum()) for index in (first, second))
    parts = min(_MAX_PARTS, -(-rows // _ROWS_AT_ONCE) or 1)
    count, pairs = 0, []
    with tempfile.TemporaryDirectory(prefix="keras_bigdata-") as name:
        folder = Path(name)
        for side, (index, chosen) in enumerate(zip((first, second), shards, strict=True)):
            digest = partial(_digest_rows, index, fields=fields, trust=trust)
            records = bounded_map(digest, chosen, threads=2, pending=4)
            title = f"Comparing {index.directory}"
            for each in track(records, len(chosen), title, verbose=verbose):
                _append_records(folder, side, each, parts)
        for part in range(parts):
            sides = [_read_records(folder / f"{side}-{part}") for side in range(2)]
            part_count, part_pairs = _common_records(*sides)
            count += part_count
            pairs += part_pairs
    places = sorted(
        (int(one["shard"]), int(one["row"]), int(two["shard"]), int(two["row"]))
        for one, two in pairs
    )
    return Duplicates(count, places[:_MAX_PAIRS])


def _append_records(folder: Path, side: int, records: Records, parts: int) -> None:
    """Appends records to the temporary files of their parts."""
    part_of = records["a"] % np.uint64(parts)
    order = np.argsort(part_of, kind="stable")
    bounds = np.searchsorted(part_of[order], np.arange(parts + 1))
    for part in np.flatnonzero(np.diff(bounds)).tolist():
        # The files are not kept open: there may be more parts than a process may open files.
        with open(folder / f"{side}-{part}", "ab") as file:
            records[order[bounds[part] : bounds[part + 1]]].tofile(file)


def _digest_rows(index: ShardIndex, shard: int, *, fields: Sequence[str], trust: bool) -> Records:
    """Returns digest, shard and row number of each row of a shard."""
    varlen = [name for name in fields if index.fields[name].is_varlen]
    plain = [name for name in fields if name not in varlen]
    columns = {}
    if plain:
        with readable_shard(index, shard) as file:
            columns = read_columns(file, plain, trust)
    rows = int(index.samples[shard])
    as_bytes: list[Any] = [part for each in columns.values() for part in _value_bytes(each)]
    as_bytes += [
        part
        for name in varlen
        for part in _ragged_bytes(read_ragged(index, shard, name, trust=trust))
    ]
    records = np.zeros(rows, _RECORD)
    records["shard"], records["row"] = shard, np.arange(rows)
    digests = bytearray()
    for row in range(rows):
        digest = blake2b(digest_size=16)
        for column in as_bytes:
            digest.update(column[row])
        digests += digest.digest()
    values = np.frombuffer(digests, "<u8").reshape(rows, 2)
    records["a"], records["b"] = values[:, 0], values[:, 1]
    return records


def _ragged_bytes(rows: Ragged) -> Iterator[Any]:
    """Yields the length of each row, and bytes that are equal if the values of the rows are."""
    yield rows.lengths.reshape(-1, 1).view(np.uint8)
    bounds = rows.offsets.tolist()
    for part in _value_bytes(rows.values):
        yield [part[start:stop] for start, stop in itertools.pairwise(bounds)]


def _value_bytes(column: npt.NDArray[Any]) -> Iterator[npt.NDArray[np.uint8]]:
    """Yields bytes of shape `(rows, ...)` that are equal if, and only if, the values are.

    Zeros have one sign and NaN one form, numbers of 80 bits lose the 48 bits that pad them, and
    structures the bytes between their fields.
    """
    dtype = column.dtype
    if not column.size:
        return
    if dtype.names:
        for name in dtype.names:
            yield from _value_bytes(np.ascontiguousarray(column[name]))
        return
    if dtype.kind == "c":
        yield from _value_bytes(np.ascontiguousarray(column.real))
        yield from _value_bytes(np.ascontiguousarray(column.imag))
        return
    if dtype.kind == "b":
        column = column.view(np.uint8) != 0
    elif dtype.kind == "f":
        column = column + dtype.type(0)  # -0.0 becomes 0.0
        column[np.isnan(column)] = np.nan
        if dtype.itemsize > 8:
            mantissa, exponent = np.frexp(column)
            high = mantissa.astype(np.float64)
            with np.errstate(invalid="ignore"):  # infinity - infinity
                low = (mantissa - high).astype(np.float64)
            for part in (high, low, exponent):
                yield from _value_bytes(part)
            return
    yield column.reshape(len(column), -1).view(np.uint8)


def _read_records(path: Path) -> Records:
    return np.fromfile(path, _RECORD) if path.exists() else np.zeros(0, _RECORD)


def _common_records(first: Records, second: Records) -> tuple[int, list[tuple[Any, Any]]]:
    """Returns the number of records of the first that are in the second, and the first pairs."""
    both = np.concatenate((first, second))
    order = np.lexsort((both["b"], both["a"]))
    a, b = both["a"][order], both["b"][order]
    group = np.cumsum(np.concatenate(([False], (a[1:] != a[:-1]) | (b[1:] != b[:-1]))))
    of_first = order < len(first)
    groups = int(group[-1]) + 1 if len(group) else 0
    in_first = np.bincount(group[of_first], minlength=groups)
    in_second = np.bincount(group[~of_first], minlength=groups)
    shared = (in_first > 0) & (in_second > 0)
    if not shared.any():
        return 0, []
    mine = order[of_first & shared[group]]
    mine_group = group[of_first & shared[group]]
    theirs = order[~of_first & shared[group]]
    theirs_group = group[~of_first & shared[group]]
    place = np.searchsorted(theirs_group, mine_group)
    some = np.argsort(mine, kind="stable")[:_MAX_PAIRS]
    return len(mine), [(both[mine[i]], both[theirs[place[i]]]) for i in some.tolist()]
