"""The time that pickles take, hostile ones included."""

from __future__ import annotations

import gzip
import struct
import time

import numpy as np
import pytest

from keras_bigdata.shards.pickles import find_arrays
from tests.helpers.pickle_bytes import (
    I4,
    SCALAR,
    call,
    dic,
    dtype,
    dump,
    find_or_error,
    limited_memory,
    raw,
    write,
)
from tests.shards.test_pickles_bombs import bombs

pytestmark = [pytest.mark.slow, pytest.mark.alone]


def seconds_of(function, *arguments, repeats=3):
    """Returns the least processor time of some calls."""
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        function(*arguments)
        times.append(time.thread_time() - start)
    return min(times)


@pytest.mark.parametrize("protocol", [4, 5])
def test_arrays_of_a_large_shard_are_found_in_a_millisecond(tmp_path, protocol):
    value = {name: np.zeros((1000, 10_000), np.uint8) for name in "abc"}
    path = dump(tmp_path / "a.pkl", value, protocol)
    assert seconds_of(find_arrays, path, repeats=20) < 1e-3


@pytest.mark.parametrize("protocol", range(6))
def test_long_lists_are_quick(tmp_path, protocol):
    for value in (list(range(50_000)), [i / 7 for i in range(50_000)]):
        assert seconds_of(find_arrays, dump(tmp_path / "a.pkl", {"a": value}, protocol)) < 3


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_text_encoded_arrays_are_quick(tmp_path, protocol):
    value = np.random.default_rng(0).integers(0, 256, 4_000_000, dtype=np.uint8)
    path = dump(tmp_path / "a.pkl", {"a": value}, protocol)
    with limited_memory(path):
        find_arrays(path)
    assert seconds_of(find_arrays, path) < 3


@pytest.mark.parametrize("kind", bombs(1_000))
def test_large_bombs_do_not_go_off(tmp_path, kind):
    path = write(tmp_path / "a.pkl", dic(a=bombs(100_000)[kind]), b".")
    with limited_memory(path, extra=20 << 20):
        find_or_error(path)
    assert seconds_of(find_or_error, path) < 5


def test_a_nest_of_five_million_tuples_is_refused_in_about_a_second(tmp_path):
    path = write(tmp_path / "a.pkl", b")", b"\x85" * 5_000_000, b".")
    assert "containers in containers" in str(find_or_error(path))
    assert seconds_of(find_or_error, path) < 2


GROWING = {
    "nested lists": lambda size: b"]" * size + b"a" * (size - 1),
    "nested tuples": lambda size: b")" + b"\x85" * size,
    "nested dicts": lambda size: b"}" + (b"N}" * size) + b"s" * size,
    "memo entries": lambda size: b"]" + b"\x94" * size,
    "memo entries far apart": lambda size: b"]"
    + b"".join(b"r" + struct.pack("<I", number * 7919 % 2**32) for number in range(size)),
    "batches of one": lambda size: b"]" + b"(Ke" * size,
    "batches of one list": lambda size: b"]" + b"(]e" * size,
    "appends of numbers": lambda size: b"]" + b"K\1a" * size,
    "items of a dict": lambda size: b"}"
    + b"".join(b"J" + struct.pack("<i", number) + b"Ns" for number in range(size)),
    "one item again and again": lambda size: b"}" + b"U\1a]s" * size,
    "marks": lambda size: b"]" + b"(0" * size,
    "lists of lists": lambda size: b"](" + b"](K\1e" * size + b"e",
    "one list in many fields": lambda size: b"](K\1K\2e\x94}(" + b"".join(
        b"J" + struct.pack("<i", number) + b"h\0" for number in range(size)
    ) + b"u\x86",
    "a long line": lambda size: b"]V" + b"x" * (size * 4) + b"\na",
    "a line without end": lambda size: b"V" + b"x" * (size * 4),
    "many lines": lambda size: b"](" + b"Vabc\n" * size + b"e",
    "a long quoted string": lambda size: b"]S'" + b"\\\\" * (size * 2) + b"'\na",
    "long decimals": lambda size: b"](" + (b"L" + b"7" * 599 + b"L\n") * (size // 200) + b"e",
    "strings of all lengths": lambda size: b"](" + b"".join(
        b"X" + struct.pack("<I", number % 100) + b"a" * (number % 100) for number in range(size)
    ) + b"e",
    "dtypes": lambda size: b"](" + I4 * (size // 50) + b"e",
    "scalars of other dtypes": lambda size: b"](" + b"".join(
        call(SCALAR, dtype("S4", "|", 4), raw(b"abcd")) for _ in range(size // 50)
    ) + b"e",
    "empty members": lambda size: gzip.compress(b"", 1) * (size // 20) + gzip.compress(b"]."),
}  # fmt: skip


@pytest.mark.parametrize("kind", GROWING)
def test_time_grows_no_faster_than_the_file(tmp_path, kind):
    """Four times the size: about four times the time, where a square would take sixteen."""
    seconds = []
    for size in (10_000, 40_000):
        data = GROWING[kind](size)
        path = write(tmp_path / "a.pkl", data, b"" if kind == "empty members" else b".")
        seconds.append(seconds_of(find_or_error, path))
    assert seconds[1] < 9 * seconds[0] + 0.02


def test_endless_work_in_few_compressed_bytes_is_refused_soon(tmp_path):
    path = write(tmp_path / "a.pkl.gz", gzip.compress(b"]" + b"N0" * (64 << 20) + b"."))
    assert seconds_of(find_or_error, path, repeats=1) < 15
