"""Regressions found by the fuzzer: each a file of a few lines, named by its symptom."""

from __future__ import annotations

import bz2
import gzip
import io
import pickle
import struct

import numpy as np
import pytest
from joblib import numpy_pickle

from keras_bigdata import CorruptShardError, ShardError, UnsafePickleError
from keras_bigdata.shards.pickles import compression, find_arrays, read_fields
from tests.helpers.pickle_bytes import (
    SCALAR,
    assert_refused,
    call,
    dic,
    dtype,
    lst,
    num,
    raw,
    text,
    write,
)


@pytest.mark.parametrize(
    "line", [b"I010\n", b"I+1\n", b"I-0\n", b"I-00\n", b"L00L\n", b"L010L\n", b"L01\n", b"I5L\n"]
)
def test_integers_that_pickle_reads_as_others(tmp_path, line):
    """pickle reads them as octal numbers, or as True and False by their length."""
    assert_refused(write(tmp_path / "a.pkl", lst(line, num(3)), b"."), CorruptShardError)


def test_integers_as_they_are_written_are_still_read(tmp_path):
    value = {"a": [0, -1, 10, 2**40, -(2**62)], "b": [True, False], "c": [0, 1]}
    for protocol in (0, 1):
        path = write(tmp_path / "a.pkl", pickle.dumps(value, protocol))
        read = read_fields(path, list(value))
        assert {name: array.tolist() for name, array in read.items()} == value
        assert read["b"].dtype == bool
        assert read["c"].dtype == np.int64


def test_a_frame_longer_than_a_compressed_file(tmp_path):
    """`find_arrays` accepted it, because the size was unknown, and `read_fields` refused it."""
    whole = pickle.dumps({"x": np.arange(9)}, 4)
    data = whole[:3] + (len(whole) + 50).to_bytes(8, "little") + whole[11:]
    path = write(tmp_path / "a.pkl.gz", gzip.compress(data))
    for read in (find_arrays, lambda path: read_fields(path, ["x"])):
        with pytest.raises(CorruptShardError, match="bytes should follow byte"):
            read(path)


def test_a_few_compressed_bytes_of_endless_work(tmp_path, monkeypatch):
    """Values pushed and dropped: some hundred bytes kept a processor busy for a minute."""
    monkeypatch.setattr(compression, "PARSED_AT_LEAST", 1 << 18)
    path = write(tmp_path / "a.pkl.bz2", bz2.compress(b"]" + b"N0" * (1 << 19) + b"."))
    assert path.stat().st_size < 1_000
    with pytest.raises(UnsafePickleError, match="parsed one by one in reasonable time"):
        find_arrays(path)


@pytest.mark.parametrize("between", [b"", raw(bytes(100_000)) + b"0"])
def test_endless_work_between_arrays_counts(tmp_path, monkeypatch, between):
    monkeypatch.setattr(compression, "PARSED_AT_LEAST", 1 << 17)
    work = b"]" + (b"N0" * 8_000 + between) * 20 + b"."
    path = write(tmp_path / "a.pkl.gz", gzip.compress(work))
    for read in (find_arrays, lambda path: read_fields(path, [])):
        with pytest.raises(UnsafePickleError, match="parsed one by one in reasonable time"):
            read(path)
    # Large arrays are skipped and do not count.
    value = {"x": np.zeros(1 << 20, np.uint8), "y": [1] * 1000}
    write(path, gzip.compress(pickle.dumps(value)))
    assert set(find_arrays(path).fields) == {"x", "y"}


@pytest.mark.slow
def test_long_lists_in_a_compressed_file_are_read(tmp_path):
    value = {"y": list(range(1_000_000))}
    path = write(tmp_path / "a.pkl.gz", gzip.compress(pickle.dumps(value), 1))
    assert (read_fields(path, ["y"])["y"] == np.arange(1_000_000)).all()


# Found by comparing with pickle.load ------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "other"),
    [
        (num(1), b"\x88"),
        (num(0), b"\x89"),
        (num(1), b"G" + struct.pack(">d", 1)),
        (num(1), call(SCALAR, dtype("i4"), raw(b"\1\0\0\0"))),
        (text("a"), call(SCALAR, dtype("U1", "<", 4), raw(b"a\0\0\0"))),
        (raw(b"a"), b"U\1a"),
    ],
)
def test_a_key_that_replaces_another_in_a_dict(tmp_path, key, other):
    """In a dict 1, True and 1.0 are one key: the field had another value than `pickle.load`'s."""
    for first, second in ((key, other), (other, key)):
        path = write(tmp_path / "a.pkl", b"}(", first, lst(num(5)), second, lst(num(6)), b"u.")
        with pytest.raises(ShardError, match="two different keys both name the field"):
            find_arrays(path)


def test_one_key_written_by_both_pythons(tmp_path):
    path = write(tmp_path / "a.pkl", b"}(U\1a", lst(num(5)), text("a"), lst(num(6)), b"u.")
    assert read_fields(path, ["a"])["a"].tolist() == [6]
    assert pickle.loads(path.read_bytes())["a"] == [6]


def test_a_second_state_for_an_array_of_joblib(tmp_path):
    """joblib merges it with the first; the bytes of the array began elsewhere."""
    wrapper = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81q\0"
    state = {
        "subclass": np.ndarray, "shape": (1,), "order": "C", "dtype": np.dtype("u1"),
        "allow_mmap": True,
    }  # fmt: skip
    file = io.BytesIO()
    pickle._Pickler(file, 2).dump(state)
    pickled = file.getvalue()[2:-1].replace(b"q\0", b"", 1)
    aligned = pickled + text("numpy_array_alignment_bytes") + b"K\x10sb"
    first = b"\x80\x02]" + wrapper + aligned + b"\2\xff\xff\7" + b"a"
    path = write(tmp_path / "a.joblib", first, b".")
    assert read_fields(path, ["0"])["0"].tolist() == [7]
    assert numpy_pickle.load(path)[0].tolist() == [7]
    write(path, first, b"h\0", pickled, b"b", b"\2\xff\xff\7", b"a.")
    with pytest.raises(UnsafePickleError, match="a second state"):
        find_arrays(path)


def test_a_message_stays_short_whatever_the_file_holds(tmp_path):
    many = {f"{number:0100d}": text("x") + b"\x85" for number in range(2_000)}
    path = write(tmp_path / "a.pkl", dic(**many), b".")
    with pytest.raises(CorruptShardError, match="there is no array 'z'") as caught:
        read_fields(path, ["z"])
    assert len(str(caught.value)) < 2_000
