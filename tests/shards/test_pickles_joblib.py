"""Files of `joblib.dump` are read; damaged and hostile files of that form are refused."""

from __future__ import annotations

import contextlib
import io
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from joblib import numpy_pickle

from keras_bigdata import ShardError, ShardSequence, UnsafePickleError
from keras_bigdata.errors import CorruptShardError
from keras_bigdata.shards.pickles import StoredArray, find_arrays, read_array


def read_contents(path: Path, **options: Any) -> dict[str, np.ndarray]:
    return {
        name: read_array(path, found) if isinstance(found, StoredArray) else found
        for name, found in find_arrays(path, **options).fields.items()
    }


def assert_equal(found: dict[str, np.ndarray], expected: dict[str, Any]) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == np.asarray(array).dtype, name
        np.testing.assert_array_equal(found[name], array)


RNG = np.random.default_rng(0)
KINDS = {
    "plain": np.arange(12, dtype=np.int32).reshape(3, 4),
    "fortran": np.asfortranarray(RNG.random((5, 3, 2))),
    "big_endian": np.arange(7, dtype=">f4"),
    "strided": np.arange(40).reshape(5, 8)[::2, 1::3],
    "transposed": RNG.integers(0, 255, (2, 3, 4), np.uint8).transpose(2, 0, 1),
    "empty": np.zeros((0, 3), np.float16),
    "scalar": np.array(3.5),
    "bool": np.array([True, False, True]),
    "complex": np.array([1 + 2j]),
    "dates": np.array(["2020-01-01", "2021-05-05"], "M8[D]"),
    "text": np.array(["a", "bcd"]),
    "structured": np.array([(1, 2.5), (3, 4.5)], [("a", "i2"), ("b", ">f8")]),
    "large": RNG.integers(0, 255, 3_000_001, np.uint8),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_kind_of_array_in_every_protocol(tmp_path: Path, protocol: int):
    value = {**KINDS, "again": KINDS["plain"], "numbers": list(range(200))}
    joblib.dump(value, tmp_path / "a.joblib", protocol=protocol)
    found = read_contents(tmp_path / "a.joblib")
    assert_equal(found, {**KINDS, "again": KINDS["plain"], "numbers": np.arange(200)})
    # The arrays are located, not decoded.
    fields = find_arrays(tmp_path / "a.joblib").fields
    assert all(isinstance(fields[name], StoredArray) for name in KINDS)
    assert fields["fortran"].order == "F"
    assert fields["plain"].offset % 16 == 0


def test_one_array_and_lists_of_them(tmp_path: Path):
    joblib.dump(KINDS["plain"], tmp_path / "a")
    assert_equal(read_contents(tmp_path / "a"), {"0": KINDS["plain"]})
    joblib.dump((KINDS["plain"], KINDS["bool"]), tmp_path / "a")
    assert_equal(read_contents(tmp_path / "a"), {"0": KINDS["plain"], "1": KINDS["bool"]})


def test_a_memory_map_is_an_array(tmp_path: Path):
    np.save(tmp_path / "x.npy", KINDS["plain"])
    joblib.dump({"x": np.load(tmp_path / "x.npy", mmap_mode="r")}, tmp_path / "a")
    assert_equal(read_contents(tmp_path / "a"), {"x": KINDS["plain"]})


@pytest.mark.parametrize("alignment", ["absent", None])
def test_files_of_joblib_before_1_2_have_no_padding(tmp_path: Path, alignment, monkeypatch):
    init = numpy_pickle.NumpyArrayWrapper.__init__

    def as_before(self, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        if alignment == "absent":
            del self.numpy_array_alignment_bytes
        else:
            self.numpy_array_alignment_bytes = None

    monkeypatch.setattr(numpy_pickle.NumpyArrayWrapper, "__init__", as_before)
    value = {name: KINDS[name] for name in ("plain", "fortran", "large")}
    joblib.dump(value, tmp_path / "a")
    assert_equal(read_contents(tmp_path / "a"), value)


def test_arrays_of_objects_are_refused(tmp_path: Path):
    value = {"x": KINDS["plain"], "names": np.array(["a", None], object)}
    joblib.dump(value, tmp_path / "a")
    with pytest.raises(UnsafePickleError, match=r"a, byte \d+: an array of objects.*astype\(str\)"):
        find_arrays(tmp_path / "a")
    # With trust, joblib loads the file.
    trusted = find_arrays(tmp_path / "a", trust=True)
    np.testing.assert_array_equal(trusted.fields["x"], KINDS["plain"])


def test_subclasses_and_other_objects_are_refused(tmp_path: Path):
    joblib.dump({"x": np.ones((1, 2)).view(np.matrix)}, tmp_path / "a")
    with pytest.raises(UnsafePickleError, match=r"numpy\.matrix.*save np\.asarray"):
        find_arrays(tmp_path / "a")
    joblib.dump({"x": Path("a")}, tmp_path / "a")
    with pytest.raises(UnsafePickleError, match="pathlib"):
        find_arrays(tmp_path / "a")
    joblib.dump({"x": np.ma.masked_array([1, 2], [0, 1])}, tmp_path / "a")
    with pytest.raises(UnsafePickleError, match="a masked array"):
        find_arrays(tmp_path / "a")


def test_a_file_cut_short_anywhere_is_an_error(tmp_path: Path):
    joblib.dump({"x": KINDS["plain"], "y": KINDS["bool"]}, tmp_path / "whole")
    data = (tmp_path / "whole").read_bytes()
    for size in range(len(data)):
        (tmp_path / "a").write_bytes(data[:size])
        with pytest.raises(CorruptShardError, match=r"/a: "):
            find_arrays(tmp_path / "a")


@pytest.mark.slow
def test_a_changed_byte_never_gives_another_exception(tmp_path: Path):
    joblib.dump({"x": KINDS["plain"], "y": KINDS["fortran"]}, tmp_path / "whole")
    data = (tmp_path / "whole").read_bytes()
    for position in range(len(data)):
        for value in (0, 0x2E, 0xFF):
            (tmp_path / "a").write_bytes(data[:position] + bytes([value]) + data[position + 1 :])
            with contextlib.suppress(ShardError):
                read_contents(tmp_path / "a")


STATE = {
    "subclass": np.ndarray,
    "shape": (2, 3),
    "order": "C",
    "dtype": np.dtype("i4"),
    "allow_mmap": True,
    "numpy_array_alignment_bytes": 16,
}


def stream(state: Any, after: bytes = bytes(100)) -> bytes:
    """Returns a pickle of one wrapper with this state, and the bytes that follow its BUILD."""
    wrapper = object.__new__(numpy_pickle.NumpyArrayWrapper)
    wrapper.__dict__ = {"x": 1}
    file = io.BytesIO()
    pickler = pickle._Pickler(file, 4)
    pickler.framer.start_framing = lambda: None
    wrapper.__dict__ = dict(state)
    pickler.dump(wrapper)
    return file.getvalue()[:-1] + after + b"."


def test_the_stream_of_the_tests_is_joblibs(tmp_path: Path):
    (tmp_path / "a").write_bytes(stream(STATE, b"\x03\xff\xff\xff" + bytes(24)))
    assert_equal(read_contents(tmp_path / "a"), {"0": np.zeros((2, 3), np.int32)})
    np.testing.assert_array_equal(joblib.load(tmp_path / "a"), np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"shape": (2**40, 2**40)}, CorruptShardError, "larger than any array"),
        ({"shape": (2**30,)}, CorruptShardError, "bytes should follow"),
        ({"shape": (-1, 3)}, CorruptShardError, "impossible shape"),
        ({"shape": 3}, CorruptShardError, "impossible shape"),
        ({"dtype": np.dtype("S0")}, CorruptShardError, "no bytes to read"),
        ({"dtype": np.dtype("O")}, UnsafePickleError, "an array of objects"),
        ({"dtype": np.dtype([("a", "O")])}, UnsafePickleError, "an array of objects"),
        ({"dtype": "i4"}, UnsafePickleError, "state of unknown form"),
        ({"order": "K"}, UnsafePickleError, "state of unknown form"),
        ({"order": 1}, UnsafePickleError, "state of unknown form"),
        ({"subclass": None}, UnsafePickleError, "as its class"),
        ({"subclass": np.dtype("i4")}, UnsafePickleError, "as its class"),
    ],
)
def test_states_that_lie_are_refused(tmp_path: Path, change, kind, words):
    (tmp_path / "a").write_bytes(stream({**STATE, **change}))
    with pytest.raises(kind, match=words):
        find_arrays(tmp_path / "a")


def test_the_wrapper_can_be_used_in_no_other_way(tmp_path: Path):
    wrapper = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n"
    for tail in (
        b")R.",
        b")}\x92.",
        b"}b.",
        b"K\x01\x85\x81.",
        b")\x81}b.",
        b")\x81]b.",
        b")\x81Nb.",
    ):
        (tmp_path / "a").write_bytes(b"\x80\x04" + wrapper + tail)
        with pytest.raises(UnsafePickleError):
            find_arrays(tmp_path / "a")
    memmap = b"cnumpy\nmemmap\n"
    for tail in (b")R.", b")\x81.", b"(K\x01tR."):
        (tmp_path / "a").write_bytes(b"\x80\x04" + memmap + tail)
        with pytest.raises(UnsafePickleError, match=r"numpy\.memmap|an object of a class"):
            find_arrays(tmp_path / "a")
    # A wrapper without a state is not an array.
    (tmp_path / "a").write_bytes(b"\x80\x04" + wrapper + b")\x81.")
    with pytest.raises(ShardError, match="A dict of arrays was expected"):
        find_arrays(tmp_path / "a")


def test_the_oldest_protocols_are_refused_with_advice(tmp_path: Path):
    joblib.dump({"x": KINDS["plain"]}, tmp_path / "a", protocol=1)
    with pytest.raises(UnsafePickleError, match="leave out protocol=0 or 1"):
        find_arrays(tmp_path / "a")


def test_old_files_with_arrays_in_separate_files_are_named(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"\x80\x02cjoblib.numpy_pickle\nNDArrayWrapper\n)\x81.")
    with pytest.raises(UnsafePickleError, match=r"before 0\.10 kept arrays in separate files"):
        find_arrays(tmp_path / "a")


def test_shards_of_joblib_feed_a_sequence(tmp_path: Path):
    folder = tmp_path / "megabatches"
    folder.mkdir()
    ids = np.arange(30)
    for number, part in enumerate(np.array_split(ids, 4)):
        x = np.repeat(part[:, None], 5000, axis=1).astype(np.float32)
        joblib.dump({"x": x, "id": part}, folder / f"{number}.joblib")
    train = ShardSequence(folder, batch_size=7, inputs="x", targets="id")
    assert (train.index.offsets["x"] > 0).all()  # rows are read from their positions
    seen = []
    for batch in range(len(train)):
        x, y = train[batch]
        assert (x == y[:, None]).all()
        seen += y.tolist()
    assert sorted(seen) == ids.tolist()
