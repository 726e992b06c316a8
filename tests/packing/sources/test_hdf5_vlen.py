"""HDF5 datasets whose rows have any length."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from keras_bigdata import HDF5Table, PackError, pack
from keras_bigdata.cli.main import main
from keras_bigdata.packing.sources import hdf5
from keras_bigdata.packing.sources.hdf5_files import hdf5_file
from keras_bigdata.shards.fields.roles import Roles
from keras_bigdata.shards.index.shard_index import ShardIndex
from tests.helpers.packs import read_files
from tests.helpers.ragged_sets import assert_same, stored_rows

ROWS = 97


def tokens(rows: int = ROWS, kind: str = "i4") -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 100, rng.integers(0, 9)).astype(kind) for _ in range(rows)]


def write_vlen(h5: Any, name: str, rows: list[np.ndarray], **options: Any) -> None:
    dataset = h5.create_dataset(name, (len(rows),), h5py.vlen_dtype(rows[0].dtype), **options)
    for number, row in enumerate(rows):
        dataset[number] = row


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "data.h5"
    with h5py.File(file, "w") as h5:
        write_vlen(h5, "x", tokens(), chunks=(10,), compression="gzip")
        write_vlen(h5, "series", tokens(kind="f4"))
        write_vlen(h5, "big", tokens(kind=">f4"))
        write_vlen(h5, "targets", tokens(kind="f8"))
        h5["y"] = np.arange(ROWS) % 3
        h5["names"] = ["cat"] * ROWS
        files = [np.frombuffer(b"\xff\xd8\xff\xe0 and more", "u1")] * ROWS
        write_vlen(h5, "files", files)
        nested = h5.create_dataset("nested", (ROWS, 2), h5py.vlen_dtype("i4"))
        nested[0, 0] = [1, 2]
    return file


def test_rows_are_those_of_the_file(path: Path):
    source = HDF5Table(path, columns=["series"])
    assert source.roles == Roles(("images", "series"), "labels")
    assert_same([sample["images"] for sample in source], tokens())
    assert_same([sample["series"] for sample in source], tokens(kind="f4"))
    assert repr(source).endswith("97 rows, 3 classes, images (any,), series (any,))")
    chosen = source.select([5, 90, 5])
    assert_same([chosen[row]["images"] for row in range(3)], [tokens()[row] for row in (5, 90, 5)])
    assert_same([pickle.loads(pickle.dumps(chosen))[1]["images"]], [tokens()[90]])


@pytest.mark.parametrize("workers", [1, 2])
def test_they_are_packed_as_rows_of_any_length(path: Path, tmp_path: Path, workers: int):
    source = HDF5Table(path)
    index = pack(source, tmp_path / "s", shard_samples=10, workers=workers, verbose=0)
    assert str(index.fields["images"]) == "'images': int32 (rows, any)"
    assert_same(stored_rows(index, "images"), tokens())
    assert index.class_counts == [33, 32, 32]
    one = pack(source, tmp_path / "one", shard_samples=10, workers=1, verbose=0)
    assert read_files(one.directory) == read_files(index.directory)


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("read_bytes", [1, 64, 500, 4 << 20])
def test_any_size_of_reads_gives_the_same_rows(
    path: Path, monkeypatch: pytest.MonkeyPatch, read_bytes: int
):
    monkeypatch.setattr(hdf5_file, "READ_BYTES", read_bytes)
    monkeypatch.setattr(hdf5, "READ_AHEAD_BYTES", 7 * read_bytes)
    source = HDF5Table(path)
    order = np.random.default_rng(0).permutation(ROWS)
    for row in order:
        assert_same([source[int(row)]["images"]], [tokens()[row]])
    assert_same([sample["images"] for sample in source], tokens())


def test_reads_are_bounded_by_the_average_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows = [np.zeros(1000 + number % 10) for number in range(300)]  # 2.4 MB
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        write_vlen(h5, "x", rows)
    monkeypatch.setattr(hdf5_file, "READ_BYTES", 100_000)
    monkeypatch.setattr(hdf5, "READ_AHEAD_BYTES", 200_000)
    read: list[int] = []
    original = hdf5_file.HDF5File._read_slice

    def counting(self: Any, *arguments: Any) -> Any:
        values = original(self, *arguments)
        read.append(sum(row.nbytes for row in values))
        return values

    monkeypatch.setattr(hdf5_file.HDF5File, "_read_slice", counting)
    source = HDF5Table(tmp_path / "a.h5", label=None)
    for row in range(300):
        assert source[row]["images"].shape == (1000 + row % 10,)
        assert sum(each.nbytes for each in source._block[1]["images"]) <= 210_000
    assert max(read) <= 110_000


def test_the_number_of_rows_of_a_shard_follows_from_the_average_size(tmp_path: Path):
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        write_vlen(h5, "x", [np.zeros(10_000)] * 200)  # 16 MB
    index = pack(HDF5Table(tmp_path / "a.h5", label=None), tmp_path / "s", verbose=0)
    assert len(index) == 4


def test_targets_and_weights(path: Path, tmp_path: Path):
    options: dict[str, Any] = {"label": None, "columns": ["targets"], "targets": "targets"}
    index = pack(HDF5Table(path, **options), tmp_path / "s", verbose=0)
    assert index.roles == Roles("images", "targets")
    assert_same(stored_rows(index, "targets"), tokens(kind="f8"))
    for options in (
        {"image": "series", "label": "x"},
        {"image": "series", "label": None, "columns": {"t": "x"}, "targets": "t"},
    ):
        with pytest.raises(PackError, match=r"'x' .* two ways: .*Ragged\.from_rows"):
            HDF5Table(path, **options)
    with pytest.raises(ValueError, match="'targets' has rows of any length, and sample weights"):
        HDF5Table(path, columns=["targets"], sample_weights="targets")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("names", "'names' of shape .* not numbers. Pass strings as `label` or `text`"),
        ("files", r"'files' .* holds files of images \(JPEG\)"),
        ("big", r"'big' .* rows of any length of >f4, .* h5py\.vlen_dtype\('<f4'\)"),
        ("nested", r"'nested' of shape \(97, 2\) holds object, not numbers"),
    ],
)
def test_other_rows_are_refused(path: Path, image: str, message: str):
    with pytest.raises(PackError, match=message):
        HDF5Table(path, image)


def test_parts_and_groups(path: Path):
    source = HDF5Table(path)
    train, validation = source.split(0.2)
    assert len(train) + len(validation) == ROWS
    with pytest.raises(ValueError, match="'images' has rows of any length"):
        source.split(0.2, groups="images")
    float_targets = HDF5Table(path, label=None, columns=["targets"], targets="targets")
    assert len(float_targets.split(0.5)[0]) == 49


def test_the_fingerprint_covers_values_and_lengths(tmp_path: Path):
    signs = []
    for rows in (
        [[1, 2, 3], [4]],
        [[1, 2, 3], [5]],
        [[1, 2], [3, 4]],
    ):
        with h5py.File(tmp_path / "a.h5", "w") as h5:
            write_vlen(h5, "x", [np.array(row) for row in rows])
        signs.append(HDF5Table(tmp_path / "a.h5", label=None).fingerprint()["rows_sha256"])
    assert len(set(signs)) == 3
    assert HDF5Table(tmp_path / "a.h5", label=None).fingerprint()["rows_sha256"] == signs[-1]


def test_a_file_that_was_replaced_is_noticed(path: Path):
    source = HDF5Table(path)
    other = path.with_name("other.h5")
    with h5py.File(other, "w") as h5:
        write_vlen(h5, "x", tokens(kind="i8"))
        h5["y"] = np.arange(ROWS) % 3
    sent = pickle.dumps(source)
    del source
    os.replace(other, path)
    with pytest.raises(PackError, match="changed"):
        pickle.loads(sent)[0]


def test_the_command_line_packs_them(path: Path, tmp_path: Path):
    arguments = ["pack", "hdf5", str(path), "-o", str(tmp_path / "s"), "--image", "x"]
    assert not main(arguments)
    assert_same(stored_rows(ShardIndex.load(tmp_path / "s"), "images"), tokens())
