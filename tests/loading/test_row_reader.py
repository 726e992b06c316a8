from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bigdata.loading.rows.row_reader import RowReader
from keras_bigdata.shards.opening.open_shards import open_shards

SIZES = [5, 0, 40, 17]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Shards with rows of 6,000 bytes (read one by one), of 12 and of 4 bytes (by columns)."""
    folder = tmp_path_factory.mktemp("reader")
    rng = np.random.default_rng(0)
    for number, size in enumerate(SIZES):
        content = {
            "big": rng.integers(0, 1000, (size, 1500)).astype(np.int32),
            "small": rng.random((size, 3)).astype(np.float32),
            "fortran": np.asfortranarray(rng.integers(0, 9, (size, 1200)).astype(np.int32)),
            "nothing": np.zeros((size, 0)),
        }
        (folder / f"{number}.pkl").write_bytes(pickle.dumps(content, protocol=5))
    return open_shards(folder)


def contents(index):
    return [pickle.loads(index.path(shard).read_bytes()) for shard in range(len(index))]


rows_of_a_shard = st.sampled_from([0, 2, 3]).flatmap(
    lambda shard: st.tuples(st.just(shard), st.integers(0, SIZES[shard] - 1))
)


@pytest.mark.slow
@settings(deadline=None)
@given(
    wanted=st.lists(rows_of_a_shard, min_size=1, max_size=150),
    local=st.booleans(),
)
def test_rows_in_any_order_and_number(index, wanted, local):
    reader = RowReader(index, list(index.fields), batch_size=30, local=local)
    arrays = np.array(wanted, np.int64).reshape(-1, 2).T
    batches = reader.read(*arrays)
    expected = contents(index)
    cut = [wanted[start : start + 30] for start in range(0, len(wanted), 30)]
    for batch, rows in zip(batches, cut, strict=True):
        for name, array in batch.items():
            np.testing.assert_array_equal(
                array, [expected[shard][name][row] for shard, row in rows]
            )
            assert array.flags.c_contiguous


def test_a_column_is_loaded_by_one_thread_only(index, monkeypatch):
    reader = RowReader(index, ["small"], batch_size=8)
    loads = []
    load = reader._load_column
    barrier = threading.Barrier(4)

    def counting(shard, name):
        loads.append(shard)
        return load(shard, name)

    monkeypatch.setattr(reader, "_load_column", counting)

    def read():
        barrier.wait()
        reader.column(2, "small")

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [2]


def test_columns_are_bounded_in_bytes(index):
    reader = RowReader(index, ["small"], batch_size=8, cached_shards=0, column_cache_bytes=300)
    for shard in (2, 3, 0, 2):
        np.testing.assert_array_equal(
            reader.column(shard, "small"), contents(index)[shard]["small"]
        )
    assert reader._columns._bytes <= 480  # the one that was asked for last stays


def test_memory_for_runs_of_any_length_is_of_few_sizes(tmp_path):
    content = {"small": np.zeros((40_000, 3), np.float32)}
    (tmp_path / "0.pkl").write_bytes(pickle.dumps(content, protocol=5))
    reader = RowReader(open_shards(tmp_path), ["small"], batch_size=64)
    for length in range(20_000, 40_000, 500):
        rows = np.arange(length)
        reader.read(np.zeros(length, np.int64), rows)
    assert len(reader._pool._free) <= 2


def test_neighbouring_rows_are_read_without_their_columns(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    content = {"text": rng.integers(0, 99, (300, 200)).astype(np.int32)}  # rows of 800 bytes
    (tmp_path / "0.pkl").write_bytes(pickle.dumps(content, protocol=5))
    reader = RowReader(open_shards(tmp_path), ["text"], batch_size=64)
    columns = []
    load = reader._load_column
    monkeypatch.setattr(reader, "_load_column", lambda *key: columns.append(key) or load(*key))
    rows = rng.permutation(300)
    batches = reader.read(np.zeros(300, np.int64), rows)
    np.testing.assert_array_equal(
        np.concatenate([batch["text"] for batch in batches]), content["text"][rows]
    )
    assert columns == []
    few = rows[:20]
    (batch,) = reader.read(np.zeros(20, np.int64), few)
    np.testing.assert_array_equal(batch["text"], content["text"][few])
    assert columns == [(0, "text")]
