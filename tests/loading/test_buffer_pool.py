from __future__ import annotations

import gc

import numpy as np
import pytest

from keras_bigdata.loading.rows.buffer_pool import ALIGNMENT, SMALL_BYTES, BufferPool, aligned_empty


@pytest.mark.parametrize("nbytes", [1, 63, 64, 100_000])
def test_aligned(nbytes):
    for _ in range(20):
        block = aligned_empty(nbytes)
        assert block.nbytes == nbytes
        assert block.ctypes.data % ALIGNMENT == 0


def test_block_comes_back_only_when_every_view_is_dead():
    pool = BufferPool(max_free=4)
    array = pool.empty(10, (100, 100), np.dtype(np.float32), capacity=16)
    address = array.ctypes.data
    view = array[3:5].reshape(-1)[::2].view(np.int32)
    del array
    gc.collect()
    other = pool.empty(10, (100, 100), np.dtype(np.float32), capacity=16)
    assert other.ctypes.data != address
    del view
    gc.collect()
    again = pool.empty(3, (100, 100), np.dtype(np.float32), capacity=16)
    assert again.ctypes.data == address


def test_free_blocks_are_bounded():
    pool = BufferPool(max_free=2)
    held = [pool.take(SMALL_BYTES)[0] for _ in range(10)]
    addresses = {array.ctypes.data for array in held}
    del held
    gc.collect()
    kept = [pool.take(SMALL_BYTES)[0] for _ in range(2)]
    assert len({array.ctypes.data for array in kept} & addresses) == 2
    assert len(pool._free[SMALL_BYTES]) == 0


def test_rows_have_the_right_dtype_and_shape():
    pool = BufferPool(max_free=2)
    for dtype in ("u1", "f8", "<U3", "datetime64[ns]", [("a", "i4"), ("b", "f8")]):
        for capacity in (4, 100_000):
            array = pool.empty(4, (2, 3), np.dtype(dtype), capacity)
            assert array.dtype == np.dtype(dtype)
            assert array.shape == (4, 2, 3)
            assert array.flags.writeable
            assert array.flags.c_contiguous
