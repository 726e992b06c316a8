from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bigdata.loading.rows import preadv


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("scatter") / "file"
    content = np.random.default_rng(0).integers(0, 256, 200_000).astype(np.uint8)
    content.tofile(path)
    fd = os.open(path, os.O_RDONLY)
    yield fd, content
    os.close(fd)


def places_in(memory, starts, sizes):
    return np.stack((memory.ctypes.data + np.array(starts), np.array(sizes)), axis=1).astype(
        np.uint64
    )


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=60),
    offset=st.integers(0, 1000),
    short=st.integers(1, 500),
)
def test_every_place_gets_its_bytes(file, sizes, offset, short):
    fd, content = file
    memory = np.zeros(60 * 300, np.uint8)
    starts = [300 * number for number in reversed(range(len(sizes)))]
    places = places_in(memory, starts, sizes)
    whole = preadv._read
    try:
        # A read may give less than was asked for, anywhere.
        preadv._read = lambda fd, places, at: preadv._read_first(
            fd, np.minimum(places, [2**64 - 1, short]).astype(np.uint64), at
        )
        assert preadv.read_into(fd, places, offset) == sum(sizes)
        in_pieces = memory.copy()
        memory[:] = 0
    finally:
        preadv._read = whole
    assert preadv.read_into(fd, places, offset) == sum(sizes)
    np.testing.assert_array_equal(memory, in_pieces)
    for start, size in zip(starts, sizes, strict=True):
        np.testing.assert_array_equal(memory[start : start + size], content[offset:][:size])
        offset += size


def test_more_places_than_one_call_takes(file):
    fd, content = file
    memory = np.zeros(150_000, np.uint8)
    places = places_in(memory, range(0, 150_000, 50), [50] * 3000)
    assert preadv.read_into(fd, places, 7) == 150_000
    np.testing.assert_array_equal(memory, content[7:150_007])


def test_the_end_of_the_file_ends_the_reading(file):
    fd, content = file
    memory = np.zeros(1000, np.uint8)
    assert preadv.read_into(fd, places_in(memory, [0, 500], [500, 500]), 199_300) == 700
    np.testing.assert_array_equal(memory[:700], content[199_300:])


def test_what_cannot_be_read_is_an_os_error():
    memory = np.zeros(10, np.uint8)
    with pytest.raises(OSError, match="Bad file descriptor"):
        preadv.read_into(10_000, places_in(memory, [0], [10]), 0)
