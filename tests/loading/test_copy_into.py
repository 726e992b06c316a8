"""Rows are copied out of memory as they are read from a file."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_bigdata.loading.rows import copy_into as module
from keras_bigdata.loading.rows.copy_into import copy_into
from keras_bigdata.loading.rows.preadv import read_into

CONTENT = np.random.default_rng(0).integers(0, 256, 20_000, dtype=np.uint8)


@pytest.fixture(params=["one call", "not permitted", "cut short", "no such call"])
def call(request, monkeypatch):
    if request.param == "not permitted":
        monkeypatch.setattr(module, "_readv", lambda *arguments: -1)
    elif request.param == "cut short":
        monkeypatch.setattr(module, "_readv", lambda *arguments: 1)
    elif request.param == "no such call":
        monkeypatch.setattr(module, "_readv", None)
    return request.param


def copied(function, source, sizes, offset):
    memory = np.zeros(sum(sizes) + 1, np.uint8)
    places = np.zeros((len(sizes), 2), np.uint64)
    order = np.random.default_rng(len(sizes)).permutation(len(sizes))
    begins = np.zeros(len(sizes), np.int64)
    begins[order] = np.cumsum(np.array(sizes, np.int64)[order]) - np.array(sizes, np.int64)[order]
    places[:, 0] = memory.ctypes.data + begins
    places[:, 1] = sizes
    count = function(source, places, offset)
    return count, memory.tolist()


SIZES = st.lists(st.integers(0, 300), max_size=60) | st.just([3] * 2500)


@given(SIZES, st.integers(0, 25_000))
def test_it_equals_a_read_from_a_file(tmp_path_factory, sizes, offset):
    path = tmp_path_factory.getbasetemp() / "content"
    if not path.exists():
        path.write_bytes(CONTENT.tobytes())
    with open(path, "rb") as file:
        expected = copied(read_into, file.fileno(), sizes, offset)
    assert copied(copy_into, CONTENT, sizes, offset) == expected


@pytest.mark.parametrize("offset", [0, 19_000, 30_000])
def test_it_is_the_same_without_the_call_of_linux(call, offset):
    sizes = [7] * 1500
    available = max(0, min(sum(sizes), len(CONTENT) - offset))
    count, memory = copied(copy_into, CONTENT, sizes, offset)
    assert count == available
    assert sorted(memory) == sorted(
        CONTENT[offset : offset + available].tolist() + [0] * (sum(sizes) + 1 - available)
    )
