"""The memory that holds copies of remote files is used again, and never while it is in use."""

import gc
import os

import numpy as np
import pytest

from keras_bigdata.storage.copies import memory
from keras_bigdata.storage.copies.memory import MemoryReader, allocate
from tests.helpers.forking import fork

MIB = 2**20


@pytest.fixture(autouse=True)
def nothing_in_use():
    gc.collect()
    assert memory._in_use == set()
    yield
    gc.collect()
    assert memory._in_use == set()
    assert not memory._spare


def address(array):
    return array.ctypes.data


def test_memory_is_used_again_while_there_is_other_memory():
    held, passed = allocate(MIB), allocate(MIB)
    former = address(passed)
    del passed
    again = allocate(MIB - 5)
    assert address(again) == former
    assert len(again) == MIB - 5
    assert address(held) != former


def test_memory_is_never_used_again_while_a_part_of_it_is_referred_to():
    held, passed = allocate(MIB), allocate(MIB)
    passed[:] = 7
    part = passed[10:20].view(np.uint8)[2:]
    reader = MemoryReader(passed)
    del passed
    others = [allocate(MIB) for _ in range(3)]
    for other in others:
        other[:] = 1
    held[:] = 2
    assert part.tolist() == [7] * 8
    assert reader.read() == b"\7" * MIB


def test_memory_of_another_size_is_not_used_again():
    held, passed = allocate(MIB), allocate(8 * MIB)
    del passed
    small = allocate(MIB)
    assert not memory._spare
    assert len(held) == len(small) == MIB


def test_more_is_never_held_than_was_in_use_at_one_time():
    held = allocate(MIB)
    for _ in range(20):
        passed = [allocate(MIB), allocate(MIB)]
        assert len(memory._in_use) + len(memory._spare) == 3
        del passed
        assert len(memory._in_use) + len(memory._spare) == 3
    del held


# Where another test has imported JAX, a fork warns of it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:os.fork")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_keeps_what_the_parent_writes_over():
    held, passed = allocate(MIB), allocate(MIB)
    passed[:] = 7
    former = address(passed)
    ready, release = os.pipe(), os.pipe()
    child = fork()
    if not child:
        os.write(ready[1], b"x")
        os.read(release[0], 1)
        os._exit(0 if (passed == 7).all() else 1)
    os.read(ready[0], 1)
    del passed
    again = allocate(MIB)
    assert address(again) == former
    again[:] = 1
    os.write(release[1], b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for end in (*ready, *release):
        os.close(end)
    assert len(held) == MIB


def test_memory_is_read_as_a_file():
    content = np.arange(100, dtype=np.uint8)
    file = MemoryReader(content)
    assert file.readable()
    assert file.seekable()
    assert file.seek(-10, os.SEEK_END) == 90
    assert file.read(4) == bytes([90, 91, 92, 93])
    assert file.seek(2, os.SEEK_CUR) == file.tell() == 96
    assert file.readall() == bytes([96, 97, 98, 99])
    assert file.read(1) == b""
    assert file.seek(200) == 200
    assert file.read(1) == b""
    assert allocate(0).tolist() == []
