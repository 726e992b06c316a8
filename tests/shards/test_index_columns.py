"""The columns of an index in JSON, of sets with many shards."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_bigdata import CorruptShardError, ShardIndex
from keras_bigdata.shards.index.index_columns import (
    pack_column,
    pack_names,
    unpack_column,
    unpack_names,
)
from keras_bigdata.shards.index.shard_index import Field


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(1, 300)), max_size=20))
def test_columns_come_back_as_they_were(runs):
    values = np.repeat(
        np.array([value for value, _ in runs], np.int64), [count for _, count in runs]
    ).astype(np.int64)
    packed = json.loads(json.dumps(pack_column(values)))
    np.testing.assert_array_equal(unpack_column(packed, len(values)), values)


NAMES = st.tuples(
    st.sampled_from(["shard-", "", "2024/part", "x.", "v1-", "50%-", "%d"]),
    st.integers(0, 99_999),
    st.sampled_from([1, 5]),
    st.sampled_from([".pkl", ".v1.pkl", ""]),
    st.integers(1, 200),
)


@given(st.lists(NAMES, min_size=1, max_size=5))
def test_names_come_back_as_they_were(runs):
    names = [
        f"{start}{number:0{digits}d}{end}"
        for start, first, digits, end, count in runs
        for number in range(first, first + count)
    ]
    packed = json.loads(json.dumps(pack_names(names)))
    assert unpack_names(packed, len(names)) == names


def many_shards(directory: Path, count: int) -> ShardIndex:
    return ShardIndex(
        directory,
        {"x": Field("x", np.dtype("<f4"), (2,))},
        [f"shard-{number:05d}.pkl" for number in range(count)],
        np.full(count, 7),
        np.full(count, 400),
        {"x": np.full(count, 100)},
        np.arange(count),
        np.zeros(count, np.int64),
    )


def test_an_index_of_many_shards_is_short_and_can_be_read_by_eye(tmp_path):
    index = many_shards(tmp_path, 5_000)
    index.save()
    shards = json.loads((tmp_path / "index.json").read_text())["shards"]
    assert shards["name"] == {"runs": [["shard-", 0, 5, ".pkl", 5000]]}
    assert shards["samples"] == {"runs": [[7, 5000]]}
    loaded = ShardIndex.load(tmp_path)
    assert loaded.names == index.names
    assert loaded.samples.tolist() == index.samples.tolist()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("samples", {"runs": [[7, 10**15]]}),
        ("samples", {"runs": [[7, 499], [7, 2]]}),
        ("samples", {"runs": [[7, -500], [7, 1000]]}),
        ("samples", {"runs": [[7, 500.0]]}),
        ("samples", {"runs": [[7, True]] * 500}),
        ("samples", {"runs": [["7", 500]]}),
        ("samples", {"runs": 5}),
        ("samples", {}),
        ("name", {"runs": [["shard-", 0, 5, ".pkl", 10**15]]}),
        ("name", {"runs": [["../shard-", 0, 5, ".pkl", 500]]}),
        ("name", {"runs": [["/shard-", 0, 5, ".pkl", 500]]}),
        ("name", {"runs": [["C:", 0, 5, ".pkl", 500]]}),
        ("name", {"runs": [["a/", 0, 5, "/../../x", 500]]}),
        ("name", {"runs": [["s", 0, 10**9, ".pkl", 500]]}),
        ("name", {"runs": [["s", 10**400, 5, ".pkl", 500]]}),
        ("name", {"runs": [["s", -5, 5, ".pkl", 500]]}),
        ("name", {"runs": [["s", 0, 5, ".pkl"]]}),
    ],
)
def test_runs_that_lie_are_refused_before_memory_is_taken(tmp_path, column, value):
    many_shards(tmp_path, 500).save()
    path = tmp_path / "index.json"
    content = json.loads(path.read_text())
    content["shards"][column] = value
    path.write_text(json.dumps(content))
    with pytest.raises(CorruptShardError, match="the index is damaged"):
        ShardIndex.load(tmp_path)
