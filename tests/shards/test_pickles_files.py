"""Whole files: reading, trust, files of other formats, and memory."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from keras_bigdata import CorruptShardError, ShardError, UnsafePickleError
from keras_bigdata.shards.pickles import StoredArray, find_arrays, read_array
from tests.helpers.pickle_bytes import assert_same, dump, limited_memory, nothing_runs, write

PROTOCOLS = range(6)


def test_read_array_by_descriptor_leaves_its_position(tmp_path):
    value = np.arange(100.0)
    path = dump(tmp_path / "a.pkl", {"a": value}, 5)
    stored = find_arrays(path).fields["a"]
    with open(path, "rb") as file:
        file.seek(7)
        assert_same(read_array(file.fileno(), stored), value)
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == 7
    with pytest.raises(CorruptShardError, match="file descriptor"):
        read_array(10**6, stored)


def test_a_file_cut_short_after_its_arrays_were_found(tmp_path):
    path = dump(tmp_path / "a.pkl", {"a": np.arange(1000.0)}, 5)
    stored = find_arrays(path).fields["a"]
    os.truncate(path, 4000)
    with pytest.raises(CorruptShardError, match=r"8000 bytes .* ends after 4000") as caught:
        read_array(path, stored)
    assert str(path) in str(caught.value)
    path.unlink()
    with pytest.raises(CorruptShardError, match="cannot be opened"):
        read_array(path, stored)


class Custom:
    """An object of a custom class."""

    def __init__(self):
        self.value = True


def test_trust_loads_what_is_refused_otherwise(tmp_path):
    value = {
        "a": np.arange(3),
        "odd": Custom(),
        "names": np.array(["x", None], object),
        "rows": [[1, 2], [3, 4]],
        "scalars": [np.float32(1)],
        "masked": np.ma.masked_array([1, 2], [True, False]),
    }
    path = dump(tmp_path / "a.pkl", value, 5)
    with pytest.raises(UnsafePickleError, match=r"\.Custom.*trust=True"):
        find_arrays(path)
    contents = find_arrays(path, trust=True)
    assert_same(contents.fields["a"], np.arange(3))
    assert_same(contents.fields["rows"], np.array([[1, 2], [3, 4]]))
    assert_same(contents.fields["scalars"], np.array([1], "f4"))
    assert contents.skipped_fields.keys() == {"odd", "names", "masked"}


def test_trust_runs_nothing_if_that_is_not_needed(tmp_path):
    path = dump(tmp_path / "a.pkl", {"a": np.arange(3)}, 5)
    with nothing_runs(path):
        assert isinstance(find_arrays(path, trust=True).fields["a"], StoredArray)


def test_trust_cannot_help_a_broken_file(tmp_path):
    path = write(tmp_path / "a.pkl", b"cno_such_module\nthing\n)R.")
    with pytest.raises(ShardError, match=r"pickle\.load failed with ModuleNotFoundError"):
        find_arrays(path, trust=True)


def test_other_files_are_named(tmp_path):
    content = {"a": np.arange(10)}
    plain = pickle.dumps(content)
    npy, npz = io.BytesIO(), io.BytesIO()
    np.save(npy, content["a"])
    np.savez(npz, **content)
    for data, message in {
        b"\x28\xb5\x2f\xfd" + plain: "zstd",
        gzip.compress(gzip.compress(plain)): "compressed twice",
        gzip.compress(npy.getvalue()): r"\.npy",
        npy.getvalue(): r"\.npy",
        npz.getvalue(): r"\.npz",
        b"": "0 bytes",
        b"hello world, this is text\n": "not a pickle",
        plain[:-20]: "not a pickle",
    }.items():
        path = write(tmp_path / "a.pkl", data)
        with pytest.raises(CorruptShardError, match=message) as caught:
            find_arrays(path)
        assert str(path) in str(caught.value)
    with pytest.raises(CorruptShardError, match="cannot be opened"):
        find_arrays(tmp_path / "missing.pkl")
    with pytest.raises(CorruptShardError, match="not a regular file"):
        find_arrays(tmp_path)


# Memory -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [4, 5])
def test_arrays_of_a_large_shard_are_not_read(tmp_path, protocol):
    value = {name: np.zeros((1000, 10_000), np.uint8) for name in "abc"}
    path = dump(tmp_path / "a.pkl", value, protocol)
    with limited_memory(path, extra=200_000 - 2 * os.path.getsize(path)):
        find_arrays(path)


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_long_lists_take_little_memory(tmp_path, protocol):
    for value in (list(range(10_000)), [i / 7 for i in range(10_000)]):
        path = dump(tmp_path / "a.pkl", {"a": value}, protocol)
        with limited_memory(path, extra=1 << 19):
            found = find_arrays(path).fields["a"]
        assert found.tolist() == value


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_text_encoded_arrays_take_little_memory(tmp_path, protocol):
    value = np.random.default_rng(0).integers(0, 256, 4_000_000, dtype=np.uint8)
    path = dump(tmp_path / "a.pkl", {"a": value}, protocol)
    with limited_memory(path):
        found = find_arrays(path).fields["a"]
    assert_same(found, value)


def test_importing_imports_no_backend():
    code = (
        "import sys, keras_bigdata.shards.pickles\n"
        "assert not {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
