"""Shards that are missing, damaged, unequal or not shards at all."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

from keras_bigdata import (
    CorruptShardError,
    ShardError,
    ShardSequence,
    UnsafePickleError,
)
from tests.helpers.unindexed_pickles import ROLES, dump, ids_of


def test_directories_without_shards(tmp_path):
    with pytest.raises(ShardError, match="no such directory"):
        ShardSequence(tmp_path / "nowhere", **ROLES)
    with pytest.raises(ShardError, match=r"holds no pickles .* It holds nothing"):
        ShardSequence(tmp_path, **ROLES)
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(ShardError, match=r"It holds photo\.jpg"):
        ShardSequence(tmp_path, **ROLES)
    with pytest.raises(ShardError, match="list of shards is empty"):
        ShardSequence([], **ROLES)


def test_empty_shards(tmp_path):
    dump(tmp_path / "0.pkl", {"x": np.zeros((0, 3)), "id": np.zeros(0)})
    with pytest.raises(ShardError, match="hold no samples"):
        ShardSequence(tmp_path, **ROLES)


def test_arrays_of_different_length(tmp_path):
    dump(tmp_path / "0.pkl", {"x": np.zeros((5, 3)), "id": np.zeros(4)})
    with pytest.raises(ShardError, match=r"0\.pkl: the arrays differ in length: 'id' has 4 rows"):
        ShardSequence(tmp_path, **ROLES)


def test_shapes_that_differ_between_shards(tmp_path):
    dump(tmp_path / "0.pkl", {"x": np.zeros((5, 3)), "id": np.zeros(5)})
    dump(tmp_path / "1.pkl", {"x": np.zeros((5, 4)), "id": np.zeros(5)})
    with pytest.raises(ShardError, match=r"1\.pkl: 'x' has .*row shape \(4,\).*\(3,\) in 0\.pkl"):
        ShardSequence(tmp_path, **ROLES)


def test_a_field_that_is_missing_in_one_shard(tmp_path):
    dump(tmp_path / "0.pkl", {"x": np.zeros((5, 3)), "id": np.zeros(5)})
    dump(tmp_path / "1.pkl", {"x": np.zeros((5, 3))})
    with pytest.raises(ShardError, match=r"1\.pkl: there is no array 'id'"):
        ShardSequence(tmp_path, **ROLES)


def test_other_arrays_in_the_pickles_do_no_harm(tmp_path):
    for number in range(2):
        content = {"x": np.zeros((5, 3)), "id": np.zeros(5), "names": ["a"] * (number + 2)}
        dump(tmp_path / f"{number}.pkl", content)
    assert ShardSequence(tmp_path, **ROLES).num_samples == 10
    with pytest.raises(ShardError, match="'names' has 2 rows, 'x' has 5"):
        ShardSequence(tmp_path, inputs=("x", "names"))


def test_ragged_lists_say_why_they_are_no_field(tmp_path):
    dump(tmp_path / "0.pkl", {"x": [[1, 2], [3]], "id": [0, 1]})
    with pytest.raises(ShardError, match=r"there is no array 'x' \(.*ragged"):
        ShardSequence(tmp_path, **ROLES)


def test_pickles_that_run_code_are_not_read(tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/ran",)

    dump(tmp_path / "0.pkl", {"x": np.zeros((5, 3)), "id": Hostile()})
    with pytest.raises(UnsafePickleError, match=r"0\.pkl.*system.*trust=True"):
        ShardSequence(tmp_path, **ROLES)
    assert not (tmp_path / "ran").exists()


def test_trust_loads_objects(tmp_path):
    from fractions import Fraction

    content = {"x": np.zeros((5, 3)), "id": np.arange(5), "note": Fraction(1, 3)}
    dump(tmp_path / "0.pkl", content)
    with pytest.raises(UnsafePickleError, match=r"fractions\.Fraction"):
        ShardSequence(tmp_path, **ROLES)
    data = ShardSequence(tmp_path, **ROLES, trust=True, shuffle=None)
    assert data[0][1].tolist() == [0, 1, 2, 3, 4]


@pytest.fixture
def big(tmp_path):
    """Two shards of rows that are read from the file each time."""
    ids = np.arange(60)
    x = np.repeat(ids[:, None], 2000, axis=1).astype(np.int32)
    for number in range(2):
        part = slice(number * 30, number * 30 + 30)
        dump(tmp_path / "big" / f"{number}.pkl", {"x": x[part], "id": ids[part]})
    return tmp_path / "big"


def test_a_shard_deleted_before_it_is_read(big):
    data = ShardSequence(big, 10, **ROLES, shuffle=None)
    os.unlink(big / "1.pkl")
    data[0]
    with pytest.raises(CorruptShardError, match=r"1\.pkl: the shard cannot be opened"):
        data[5]


def test_a_shard_cut_short_before_it_is_read(big):
    data = ShardSequence(big, 10, **ROLES, shuffle=None, workers=0)
    size = os.path.getsize(big / "1.pkl")
    os.truncate(big / "1.pkl", size // 2)
    with pytest.raises(
        CorruptShardError, match=rf"1\.pkl: the shard has {size // 2} bytes, expected {size}"
    ):
        data[5]


def test_a_shard_cut_short_while_it_is_read(big):
    data = ShardSequence(big, 10, **ROLES, shuffle=None, workers=0)
    data[3]
    os.truncate(big / "1.pkl", 100_000)
    with pytest.raises(CorruptShardError, match=r"1\.pkl: ends at byte 100000"):
        ids_of(data)


def test_a_shard_changed_between_opening_and_reading(big):
    data = ShardSequence(big, 10, **ROLES, shuffle=None)
    content = (big / "1.pkl").read_bytes()
    (big / "1.pkl").write_bytes(content[::-1])
    os.utime(big / "1.pkl", ns=(1, 1))
    with pytest.raises(CorruptShardError, match=r"1\.pkl: the shard was changed"):
        data[5]


def test_an_index_that_does_not_fit_its_shards(big):
    from keras_bigdata.shards.opening.open_shards import open_shards

    index = open_shards(big)
    index.save()
    content = pickle.loads((big / "1.pkl").read_bytes())
    dump(big / "1.pkl", {"id": content["id"], "x": content["x"]})
    data = ShardSequence(big, 10, **ROLES, shuffle=None)
    data[0]
    with pytest.raises(
        CorruptShardError, match=r"1\.pkl: holds 'x' as int32 .* at byte \d+, expec"
    ):
        data[5]


def test_an_error_names_the_file_through_fit(big):
    data = ShardSequence(big, 10, **ROLES, shuffle=None)
    os.truncate(big / "1.pkl", 100_000)
    model = keras.Sequential([keras.Input((2000,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(Exception, match=r"1\.pkl: the shard has 100000 bytes"):
        model.fit(data, verbose=0, shuffle=False)


def test_a_directory_of_several_packed_sets_is_not_mixed(big, shards):
    from keras_bigdata.shards.opening.open_shards import open_shards

    open_shards(big).save()
    with pytest.raises(ShardError, match="Pass one of them"):
        ShardSequence(big.parent, **ROLES)


def test_a_directory_that_is_not_packed_whole(shards):
    directory = shards([10])
    (directory / ".packing").mkdir()
    with pytest.raises(
        ShardError, match=r"`pack` was stopped, or is still running\. Make the same call again"
    ):
        ShardSequence(directory, **ROLES)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs ulimit")
def test_more_shards_than_files_that_may_be_open(shards):
    code = textwrap.dedent(
        """
        import resource, sys
        from keras_bigdata import ShardSequence
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        data = ShardSequence(sys.argv[1], 50, inputs="x", targets="id", shuffle="global")
        ids = [id_ for index in range(len(data)) for id_ in data[index][1].tolist()]
        assert sorted(ids) == list(range(900))
        """
    )
    subprocess.run([sys.executable, "-c", code, str(shards([3] * 300))], check=True)
