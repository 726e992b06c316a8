"""Rows of any length in files and indexes that contradict themselves: refused, in little memory."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_bigdata import (
    CorruptShardError,
    Ragged,
    ShardIndex,
    ShardWriter,
    UnsafePickleError,
    verify,
)
from keras_bigdata.shards.fields.ragged import offsets_problem
from keras_bigdata.shards.fields.varlen import check_offsets
from keras_bigdata.shards.index.shard_index import DECODED
from keras_bigdata.shards.pickles import find_arrays
from keras_bigdata.shards.reading.read_column import read_ragged
from tests.helpers.pickle_bytes import array, assert_refused, dic, num, raw, tup, write
from tests.helpers.pickle_bytes import dtype as dtype_of
from tests.shards.test_pickles_lies import LIES

ROWS = [[1, 2], [], [3], [4, 5, 6]]
OFFSETS = [0, 2, 2, 3, 6]
LARGEST = 2**63 - 1


@pytest.fixture
def index(tmp_path: Path) -> ShardIndex:
    with ShardWriter(tmp_path / "s", inputs="x") as writer:
        writer.write({"x": Ragged.from_rows(ROWS), "n": np.arange(4)})
    return ShardIndex.load(tmp_path / "s")


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


def replace(index: ShardIndex, content: Any, protocol: int = 5) -> None:
    """Replaces the shard by another pickle, which has to be decoded."""
    data = pickle.dumps(content, protocol)
    index.path(0).write_bytes(data)
    index.sizes[0] = len(data)
    index.offsets["x"][0] = index.row_offsets["x"][0] = DECODED


# The raw reader knows where values begin, not where they end: it takes these for others, as it
# takes changed values. The checksum is what differs.
PLAUSIBLE_OFFSETS = {
    "one beyond the values": [0, 2, 2, 3, 7],
    "short of the values": [0, 2, 2, 3, 5],
}
LYING_OFFSETS = {
    "descending": [0, 3, 2, 3, 6],
    "beyond the file": [0, 2, 2, 3, 1000],
    "far beyond the values": [0, 2, 2, 3, LARGEST],
    "negative": [0, -1, 2, 3, 6],
    "a negative end": [0, 2, 2, 3, -6],
    "not from zero": [1, 2, 2, 3, 6],
    "far away in the middle": [0, LARGEST, 2, 3, 6],
    "differences that overflow": [0, LARGEST, -2, 3, 6],
    "the smallest number": [0, 2, 2, -(2**63), 6],
}


def write_offsets(index: ShardIndex, offsets: list[int]) -> None:
    """Replaces the offsets in the file."""
    position = int(index.row_offsets["x"][0])
    data = bytearray(index.path(0).read_bytes())
    data[position : position + 40] = np.array(offsets, np.int64).tobytes()
    index.path(0).write_bytes(data)


@pytest.mark.parametrize("kind", LYING_OFFSETS)
def test_offsets_in_the_file_that_lie(index: ShardIndex, kind: str):
    write_offsets(index, LYING_OFFSETS[kind])
    with little_memory(), pytest.raises(CorruptShardError, match=r"'x': the offsets"):
        read_ragged(index, 0, "x")
    assert offsets_problem(np.array(LYING_OFFSETS[kind]), 6) is not None


@pytest.mark.parametrize("kind", PLAUSIBLE_OFFSETS)
def test_offsets_that_could_be_those_of_other_rows(index: ShardIndex, kind: str):
    write_offsets(index, PLAUSIBLE_OFFSETS[kind])
    with little_memory():
        rows = read_ragged(index, 0, "x")
    assert [row.tolist() for row in rows][:3] == ROWS[:3]
    (fault,) = verify(index.directory).faults
    assert "CRC" in fault.expected or "CRC" in fault.found


@pytest.mark.parametrize(
    "offsets",
    [
        *(np.array(each) for each in (LYING_OFFSETS | PLAUSIBLE_OFFSETS).values()),
        np.array(OFFSETS, float),
        np.array(OFFSETS, np.uint64),
        np.array(OFFSETS[1:]),
        np.array([*OFFSETS, 6]),
        np.array([], np.int64),
        np.array([float("nan")] * 5),
        np.array([True] * 5),
    ],
)
def test_offsets_of_a_decoded_pickle_that_lie(index: ShardIndex, offsets: Any):
    content = {"x": {"values": np.arange(1, 7), "offsets": offsets}, "n": np.arange(4)}
    for protocol in (2, 5):
        replace(index, content, protocol)
        with little_memory(), pytest.raises(CorruptShardError, match=r"'x'.*: .*offsets"):
            read_ragged(index, 0, "x")


@pytest.mark.parametrize("kind", [">i8", "<i4", ">i4", "i1"])
def test_offsets_of_other_integers_are_read_or_refused(index: ShardIndex, kind: str):
    """A pickle of another program, decoded whole: never other rows."""
    content = {"x": {"offsets": np.array(OFFSETS, kind), "values": np.arange(1, 7)}}
    replace(index, content)
    rows = read_ragged(index, 0, "x")
    assert [row.tolist() for row in rows] == ROWS
    assert rows.offsets.dtype == np.int64
    # At the position of the former file lie other bytes.
    place = find_arrays(index.path(0)).varlen["x"]
    index.offsets["x"][0], index.row_offsets["x"][0] = place.values.offset, place.offsets.offset
    with little_memory(), pytest.raises(CorruptShardError, match="'x'"):
        read_ragged(index, 0, "x")


@pytest.mark.parametrize(
    "content",
    [
        {"x": {"values": np.arange(6.0), "offsets": np.array(OFFSETS)}},
        {"x": {"values": np.zeros((6, 2), np.int64), "offsets": np.array(OFFSETS)}},
        {"x": {"values": np.array(6), "offsets": np.array(OFFSETS)}},
        {"x": {"values": np.arange(6), "offsets": np.array([OFFSETS])}},
        {"x": {"values": np.arange(6)}},
        {"x": {"values": np.arange(6), "offsets": np.array(OFFSETS), "more": np.zeros(1)}},
        {"x": {"values": np.array(list("abcdef"), object), "offsets": np.array(OFFSETS)}},
        {"x": {"values": "abcdef", "offsets": np.array(OFFSETS)}},
        {"x": np.arange(6)},
        {"y": {"values": np.arange(6), "offsets": np.array(OFFSETS)}},
    ],
)
def test_other_content_is_refused(index: ShardIndex, content: Any):
    replace(index, content)
    with little_memory(), pytest.raises((CorruptShardError, UnsafePickleError), match="x"):
        read_ragged(index, 0, "x")


def test_a_compressed_pickle_is_read(index: ShardIndex):
    import gzip

    content = {"x": {"values": np.arange(1, 7), "offsets": np.array(OFFSETS)}}
    data = gzip.compress(pickle.dumps(content))
    replace(index, content)
    index.path(0).write_bytes(data)
    index.sizes[0] = len(data)
    assert [row.tolist() for row in read_ragged(index, 0, "x")] == ROWS


@pytest.mark.parametrize("place", ["offsets", "row_offsets"])
@pytest.mark.parametrize("position", [10**6, 2**40, 2**62, LARGEST, -2, -(2**63)])
def test_positions_in_an_index_that_lie(index: ShardIndex, place: str, position: int):
    getattr(index, place)["x"][0] = position
    with little_memory(), pytest.raises(CorruptShardError):
        read_ragged(index, 0, "x")


@pytest.mark.parametrize("rows", [5, 1000, 10**9, 2**40])
def test_numbers_of_rows_in_an_index_that_lie(index: ShardIndex, rows: int):
    index.samples[0] = rows
    with little_memory(), pytest.raises(CorruptShardError):
        read_ragged(index, 0, "x")


def test_a_file_that_was_cut_short_or_is_gone(index: ShardIndex):
    data = index.path(0).read_bytes()
    index.path(0).write_bytes(data[:-10])
    with pytest.raises(CorruptShardError, match="cut short or changed"):
        read_ragged(index, 0, "x")
    index.path(0).unlink()
    with pytest.raises(CorruptShardError, match="cannot be opened"):
        read_ragged(index, 0, "x")


I8 = dtype_of("i8")
GOOD_OFFSETS = array(I8, tup(num(2)), raw(np.array([0, 4]).tobytes()))
GOOD_VALUES = array(dtype_of("i4"), tup(num(4)), raw(bytes(16)))


@pytest.mark.parametrize("kind", LIES)
def test_lies_about_sizes_are_found_in_values_and_offsets(tmp_path: Path, kind: str):
    for values, offsets in ((LIES[kind], GOOD_OFFSETS), (GOOD_VALUES, LIES[kind])):
        path = write(tmp_path / "a.pkl", dic(x=dic(values=values, offsets=offsets)), b".")
        if kind.startswith("a list"):  # not an array: the dict is not taken for values and offsets
            assert "x" not in find_arrays(path).varlen
        else:
            assert_refused(path, CorruptShardError)


def test_values_of_several_dimensions_are_found(tmp_path: Path):
    values = array(dtype_of("i4"), tup(num(2), num(2)), raw(bytes(16)))
    offsets = array(I8, tup(num(2)), raw(np.array([0, 2]).tobytes()))
    path = write(tmp_path / "a.pkl", dic(x=dic(values=values, offsets=offsets)), b".")
    found = find_arrays(path).varlen["x"]
    assert (found.values.shape, found.offsets.shape) == ((2, 2), (2,))


@pytest.mark.parametrize(
    ("offsets", "rows", "size"),
    [([0, LARGEST, -2, 5], 3, 5), ([0, -(2**63), LARGEST, 5], 3, 5)],
)
def test_differences_that_overflow_are_not_taken_for_lengths(
    offsets: list[int], rows: int, size: int
):
    with pytest.raises(CorruptShardError, match="do not divide"):
        check_offsets(np.array(offsets), rows, size, "a.pkl")
