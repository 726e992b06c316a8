"""Compressed pickles are read like others, within bounds, and only our exceptions come out."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import pickle
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pytest

from keras_bigdata import ShardError, ShardSequence, UnsafePickleError
from keras_bigdata.errors import CorruptShardError
from keras_bigdata.shards.opening.open_shards import open_shards
from keras_bigdata.shards.pickles import (
    StoredArray,
    compression,
    find_arrays,
    read_array,
    read_fields,
)


def _lz4(data: bytes) -> bytes:
    return pytest.importorskip("lz4.frame").compress(data)


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "z": zlib.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "lz4": _lz4,
}
RNG = np.random.default_rng(0)
VALUE = {
    "images": RNG.integers(0, 50, (40, 32, 32, 3), np.uint8),
    "fortran": np.asfortranarray(RNG.random((40, 3))),
    "labels": np.arange(40, dtype=np.int32),
    "listed": list(range(40)),
    "names": [f"a rather long name of a row {'x' * 300}{row}" for row in range(40)],
}


def check(path: Path) -> None:
    contents = find_arrays(path)
    assert contents.compressed
    assert list(contents.fields) == list(VALUE)
    read = read_fields(path, VALUE)
    for name, expected in VALUE.items():
        np.testing.assert_array_equal(read[name], expected)
        found = contents.fields[name]
        if isinstance(found, StoredArray):
            np.testing.assert_array_equal(read_array(path, found), expected)


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_compressed_pickles_are_read(tmp_path: Path, suffix: str, protocol: int):
    path = tmp_path / f"a.pkl.{suffix}"
    path.write_bytes(COMPRESS[suffix](pickle.dumps(VALUE, protocol)))
    check(path)


@pytest.mark.parametrize(
    "compress",
    [3, True, *((name, 3) for name in ("zlib", "gzip", "bz2", "lzma", "xz", "lz4"))],
    ids=str,
)
def test_compressed_files_of_joblib_are_read(tmp_path: Path, compress):
    if compress == ("lz4", 3):
        pytest.importorskip("lz4.frame")
    joblib.dump(VALUE, tmp_path / "a.joblib", compress=compress)
    check(tmp_path / "a.joblib")


def test_parts_compressed_one_by_one_are_one_file(tmp_path: Path):
    data = pickle.dumps(VALUE)
    for suffix, compress in COMPRESS.items():
        parts = [compress(data[start : start + 30_000]) for start in range(0, len(data), 30_000)]
        (tmp_path / "a").write_bytes(b"".join(parts) + bytes(30))
        if suffix in ("gz", "bz2", "xz"):  # only the tools of these formats write such files
            check(tmp_path / "a")


@pytest.mark.parametrize("suffix", COMPRESS)
def test_files_cut_short_or_damaged_are_named(tmp_path: Path, suffix: str):
    small = {"x": np.arange(300), "y": [1, 2]}
    data = COMPRESS[suffix](pickle.dumps(small))
    path = tmp_path / f"a.pkl.{suffix}"
    sizes = [*range(1, len(data), max(1, len(data) // 60)), len(data) - 1]
    for size in sizes:
        path.write_bytes(data[:size])
        with pytest.raises(CorruptShardError, match=rf"a\.pkl\.{suffix}: "):
            find_arrays(path)
    for position in range(0, len(data), 5):
        changed = data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]
        path.write_bytes(changed)
        try:
            read = read_fields(path, ["x"])
        except ShardError as error:
            assert str(path) in str(error)  # noqa: PT017
        else:
            # Bytes without a meaning, such as the time in the header of gzip; and formats that have
            # a checksum only if the writer requests it.
            assert suffix in ("lzma", "lz4") or (read["x"] == small["x"]).all()


def test_checksums_are_compared_beyond_the_last_array(tmp_path: Path):
    data = bytearray(gzip.compress(pickle.dumps({"x": RNG.integers(0, 255, 100_000, np.uint8)})))
    data[-6] ^= 1
    (tmp_path / "a.pkl.gz").write_bytes(data)
    with pytest.raises(CorruptShardError, match=r"a\.pkl\.gz: the gzip data are damaged"):
        find_arrays(tmp_path / "a.pkl.gz")


# Bombs ------------------------------------------------------------------------------------------


def bomb(path: Path, megabytes: int, head: bytes = b"") -> Path:
    """Writes a gzip file that expands to the head and this many megabytes of zeros."""
    engine = zlib.compressobj(9, wbits=31)
    with open(path, "wb") as file:
        file.write(engine.compress(head))
        zeros = bytes(2**20)
        for _ in range(megabytes):
            file.write(engine.compress(zeros))
        file.write(engine.flush())
    return path


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    "head",
    [
        b"\x80\x05N.",  # a complete pickle, and more after it
        b"\x80\x05\x8e" + (2**34).to_bytes(8, "little"),  # a byte string of 16 GB
        b"\x80\x05\x8e" + (200 * 2**20).to_bytes(8, "little"),  # and one of 200 MB
        b"V",  # a line that never ends
    ],
    ids=["after the end", "16 GB", "200 MB", "a line"],
)
def test_a_bomb_is_refused_without_its_memory(tmp_path: Path, head: bytes, monkeypatch):
    monkeypatch.setattr(compression, "EXPANDED_AT_LEAST", 8 * 2**20)
    monkeypatch.setattr(compression, "EXPANDED_RATIO", 64)
    path = bomb(tmp_path / "a.pkl.gz", 64, head)
    tracemalloc.start()
    try:
        with pytest.raises(UnsafePickleError, match=r"expand to more than 8,388,608, the limit"):
            find_arrays(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * 2**20


def test_the_limit_grows_with_the_file_and_trust_lifts_it(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(compression, "EXPANDED_AT_LEAST", 2**20)
    value = {"x": np.zeros(2**22, np.uint8), "y": RNG.integers(0, 255, 2**16, np.uint8)}
    path = tmp_path / "a.pkl.gz"
    path.write_bytes(gzip.compress(pickle.dumps(value)))
    assert 256 * os.path.getsize(path) > 4 * 2**20
    assert set(find_arrays(path).fields) == {"x", "y"}
    path.write_bytes(gzip.compress(pickle.dumps({"x": value["x"]})))
    with pytest.raises(UnsafePickleError, match="trust=True lifts the limit"):
        find_arrays(path)
    assert read_fields(path, ["x"], trust=True)["x"].size == 2**22


def test_finding_arrays_takes_no_memory(tmp_path: Path):
    value = {name: np.zeros(2**25, np.uint8) for name in "ab"}
    (tmp_path / "a.pkl.gz").write_bytes(gzip.compress(pickle.dumps(value), 1))
    tracemalloc.start()
    contents = find_arrays(tmp_path / "a.pkl.gz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert contents.fields["b"].nbytes == 2**25
    assert peak < 4 * 2**20


def test_an_xz_file_that_asks_for_much_memory_is_refused(tmp_path: Path):
    # The size of the dictionary stands in the header: 1 GiB, for a few bytes.
    data = bytearray(lzma.compress(pickle.dumps([1.0] * 9), format=lzma.FORMAT_ALONE))
    data[1:5] = (2**30).to_bytes(4, "little")
    (tmp_path / "a.pkl.lzma").write_bytes(data)
    with pytest.raises(UnsafePickleError, match="bytes of memory"):
        find_arrays(tmp_path / "a.pkl.lzma")


def test_nothing_in_a_compressed_file_is_run(tmp_path: Path):
    (tmp_path / "a.pkl.xz").write_bytes(lzma.compress(b"cos\nsystem\n(Vtouch hacked\ntR."))
    with pytest.raises(UnsafePickleError, match=r"os\.system"):
        find_arrays(tmp_path / "a.pkl.xz")


def test_trust_loads_compressed_files_too(tmp_path: Path):
    value = {"x": np.arange(4), "names": np.array(["a", None], object)}
    (tmp_path / "a.pkl.bz2").write_bytes(bz2.compress(pickle.dumps(value)))
    joblib.dump(value, tmp_path / "b.joblib", compress=3)
    for name in ("a.pkl.bz2", "b.joblib"):
        with pytest.raises(UnsafePickleError, match="an array of objects"):
            find_arrays(tmp_path / name)
        np.testing.assert_array_equal(
            read_fields(tmp_path / name, ["x"], trust=True)["x"], [*range(4)]
        )


def test_lz4_that_is_not_installed_is_named(tmp_path: Path, monkeypatch):
    (tmp_path / "a.pkl.lz4").write_bytes(COMPRESS["lz4"](pickle.dumps(VALUE)))

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(compression.importlib, "import_module", missing)
    with pytest.raises(ShardError, match=r"a\.pkl\.lz4: is lz4-compressed; .*pip install lz4"):
        find_arrays(tmp_path / "a.pkl.lz4")


# Sequences --------------------------------------------------------------------------------------


@pytest.fixture
def megabatches(tmp_path: Path) -> Path:
    folder = tmp_path / "megabatches"
    folder.mkdir()
    for number, (suffix, part) in enumerate(
        zip(["gz", "bz2", "xz", "z"], np.array_split(np.arange(50), 4), strict=True)
    ):
        x = np.repeat(part[:, None], 2000, axis=1).astype(np.float32)
        data = pickle.dumps({"x": x, "small": part * 2, "id": part})
        (folder / f"{number}.pickle.{suffix}").write_bytes(COMPRESS[suffix](data))
    (folder / "notes.txt.gz").write_bytes(gzip.compress(b"not a pickle"))
    return folder


@pytest.mark.parametrize("shuffle", ["window", "global", None])
def test_compressed_shards_feed_a_sequence(megabatches: Path, shuffle, monkeypatch):
    expanded: list[str] = []
    once = compression.CompressedSource.expand

    def counted(self) -> None:
        if self.data is None:
            expanded.append(self.path)
        once(self)

    train = ShardSequence(
        megabatches, 8, inputs=("x", "small"), targets="id", shuffle=shuffle, workers=0
    )
    monkeypatch.setattr(compression.CompressedSource, "expand", counted)
    for _ in range(2):
        seen = []
        for batch in range(len(train)):
            (x, small), y = train[batch]
            assert (x == y[:, None]).all()
            assert (small == 2 * y).all()
            seen += y.tolist()
        assert sorted(seen) == list(range(50))
        train.on_epoch_end()
    # Each file is decompressed once, for all its fields and both epochs.
    assert len(expanded) == len(set(expanded)) == 4


def test_a_compressed_shard_that_was_changed_is_named(megabatches: Path):
    train = ShardSequence(megabatches, 8, inputs="x", targets="id", shuffle=None, workers=0)
    path = megabatches / "1.pickle.bz2"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CorruptShardError, match=r"1\.pickle\.bz2: the shard has \d+ bytes"):
        list(train)
    with pytest.raises(CorruptShardError, match=r"1\.pickle\.bz2: the bzip2 data are cut short"):
        open_shards(megabatches)
