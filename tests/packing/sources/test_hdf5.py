"""HDF5 files as users have them, read row by row, packed and served."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import joblib
import numpy as np
import pytest

from keras_bigdata import HDF5Table, PackError, ShardSequence, pack
from keras_bigdata.packing.sources import hdf5
from keras_bigdata.packing.sources.hdf5_files import hdf5_file

ROWS = 97
SIDE = 6


def stored_images(rows: int = ROWS) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, SIDE, SIDE, 3), np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a group, chunked and compressed images, and columns of several kinds."""
    file = tmp_path / "data.h5"
    with h5py.File(file, "w") as h5:
        h5.create_dataset("x", data=stored_images(), chunks=(10, 3, 6, 3), compression="gzip")
        h5["y"] = np.arange(ROWS) % 3 * 5
        h5["train/x"] = stored_images()[::-1].astype(">f4")
        h5["train/y"] = (np.arange(ROWS) % 2).astype(np.float64)
        h5["train/age"] = np.linspace(0, 1, ROWS)
        h5["train/pose"] = np.arange(ROWS * 4).reshape(ROWS, 4).astype(np.int16)
        names = ["kat", "høne", "dog"]
        h5["names"] = [names[row % 3] for row in range(ROWS)]
        h5["fixed"] = np.array([names[row % 3].encode() for row in range(ROWS)])
        h5["column"] = (np.arange(ROWS) % 4).astype(np.uint8).reshape(ROWS, 1)
        h5["flag"] = np.arange(ROWS) % 2 == 0
        h5["onehot"] = np.eye(3, dtype=np.float32)[np.arange(ROWS) % 3]
        h5["caption"] = [f"a {names[row % 3]} number{row % 5}" for row in range(ROWS)]
        h5["short"] = np.zeros(ROWS - 1)
        h5["scalar"] = 3.0
        h5["empty"] = np.zeros((0, 3))
    return file


def rows_of(source: HDF5Table, field: str) -> np.ndarray:
    return np.stack([source[row][field] for row in range(len(source))])


def test_rows_are_those_of_the_file(path):
    source = HDF5Table(path)
    assert len(source) == ROWS
    assert set(source[0]) == {"images", "labels"}
    np.testing.assert_array_equal(rows_of(source, "images"), stored_images())
    assert source.classes == [0, 5, 10]
    np.testing.assert_array_equal(rows_of(source, "labels"), np.arange(ROWS) % 3)
    np.testing.assert_array_equal(source[-1]["images"], stored_images()[-1])
    with pytest.raises(IndexError, match="97 rows"):
        source[ROWS]


def test_rows_can_be_changed_without_changing_others(path):
    source = HDF5Table(path)
    source[0], source[1]
    source[1]["images"][:] = 0
    np.testing.assert_array_equal(source[1]["images"], stored_images()[1])


@pytest.mark.parametrize("read_bytes", [1, 500, 10**9])
def test_any_order_and_size_of_reads_gives_the_same_rows(path, monkeypatch, read_bytes):
    monkeypatch.setattr(hdf5_file, "READ_BYTES", read_bytes)
    monkeypatch.setattr(hdf5, "READ_AHEAD_BYTES", 30 * SIDE * SIDE * 3)
    order = np.random.default_rng(1).permutation(np.r_[np.arange(ROWS), 4, 4])
    part = HDF5Table(path, label="names", text="caption").select(order)
    np.testing.assert_array_equal(rows_of(part, "images"), stored_images()[order])
    # kat, høne, dog in order of the alphabet
    np.testing.assert_array_equal(rows_of(part, "labels"), np.array([2, 1, 0])[order % 3])


def test_a_large_dataset_is_never_whole_in_memory(tmp_path, monkeypatch):
    most = 0
    read_slice = hdf5_file.HDF5File._read_slice

    def measured(*args):
        nonlocal most
        out = read_slice(*args)
        most = max(most, out.nbytes)
        return out

    monkeypatch.setattr(hdf5_file.HDF5File, "_read_slice", measured)
    monkeypatch.setattr(hdf5_file, "READ_BYTES", 64 * 1024)
    monkeypatch.setattr(hdf5, "READ_AHEAD_BYTES", 256 * 1024)
    file = tmp_path / "large.h5"
    with h5py.File(file, "w") as h5:
        h5["x"] = np.zeros((2000, 1024), np.uint8)
        h5["y"] = np.zeros(2000, np.int64)
    source = HDF5Table(file)
    for row in range(len(source)):
        source[row]
        assert sum(array.nbytes for array in source._block[1].values()) <= 256 * 1024
    assert 0 < most <= 64 * 1024


@pytest.mark.parametrize(
    ("label", "classes", "second"),
    [
        ("y", [0, 5, 10], 1),
        ("train/y", [0, 1], 1),
        ("names", ["dog", "høne", "kat"], 1),
        ("fixed", ["dog", "høne", "kat"], 1),
        ("column", [0, 1, 2, 3], 1),
        ("flag", [False, True], 0),
    ],
)
def test_labels_of_any_kind_become_classes(path, label, classes, second):
    source = HDF5Table(path, label=label)
    assert source.classes == classes
    assert source[1]["labels"] == second
    assert source[1]["labels"].dtype == np.int32


def test_classes_of_another_source(path):
    train = HDF5Table(path, label="names", classes=["kat", "høne", "dog", "cow"])
    test = HDF5Table(path, label="fixed", classes=train)
    assert test.classes == ["kat", "høne", "dog", "cow"]
    np.testing.assert_array_equal(rows_of(test, "labels"), np.arange(ROWS) % 3)


def test_labels_that_are_equal_as_numbers_keep_the_classes_that_are_passed(tmp_path):
    """They were read as numbers: all rows had the first class."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.zeros((2, 3))
        file["names"] = ["1", "1.0"]
    source = HDF5Table(tmp_path / "a.h5", label="names", classes=["1", "1.0", "beta"])
    assert rows_of(source, "labels").tolist() == [0, 1]


def test_labels_of_several_columns_are_taken_as_they_are(path):
    source = HDF5Table(path, label="onehot")
    assert source.classes is None
    np.testing.assert_array_equal(source[2]["labels"], [0, 0, 1])
    assert source.roles.targets == "labels"


def test_groups_columns_and_roles(path, tmp_path):
    source = HDF5Table(
        path,
        image="train/x",
        label=None,
        columns=["train/age", "train/pose"],
        inputs=("images", "pose"),
        targets="age",
    )
    index = pack(source, tmp_path / "out", shuffle=False, workers=1)
    assert index.fields["images"].dtype == np.dtype("f4")
    (images, pose), age = ShardSequence(tmp_path / "out", batch_size=ROWS, shuffle=None)[0]
    np.testing.assert_array_equal(images, stored_images()[::-1].astype("f4"))
    np.testing.assert_array_equal(pose, np.arange(ROWS * 4).reshape(ROWS, 4))
    np.testing.assert_array_equal(age, np.linspace(0, 1, ROWS))


def test_columns_by_name_of_the_field(path):
    source = HDF5Table(path, columns={"x2": "train/x"})
    np.testing.assert_array_equal(source[3]["x2"], stored_images()[ROWS - 4])
    assert source.roles.names == ("images", "x2", "labels")


def test_texts_become_tokens(path):
    source = HDF5Table(path, text="caption")
    assert source.vocabulary[:3] == ["", "[UNK]", "a"]
    assert source.text_length == 3
    words = [source.vocabulary[token] for token in source[1]["texts"]]
    assert words == ["a", "høne", "number1"]
    other = HDF5Table(path, text="caption", vocabulary=source)
    np.testing.assert_array_equal(other[5]["texts"], source[5]["texts"])


@pytest.mark.parametrize("workers", [1, 2])
def test_shuffled_pack_serves_every_row_once(path, tmp_path, workers):
    train, validation = HDF5Table(path, label="names").split(0.25)
    assert len(train) + len(validation) == ROWS
    seen = []
    for name, source in (("train", train), ("validation", validation)):
        index = pack(source, tmp_path / name, shard_samples=20, workers=workers)
        assert index.classes == ["dog", "høne", "kat"]
        for x, y in ShardSequence(tmp_path / name, batch_size=16):
            for image, label in zip(np.asarray(x), np.asarray(y), strict=True):
                row = np.flatnonzero((stored_images() == image).all((1, 2, 3)))
                assert len(row) == 1
                assert index.classes[int(label)] == ["kat", "høne", "dog"][row[0] % 3]
                seen += row.tolist()
    assert sorted(seen) == list(range(ROWS))
    assert pack(train, tmp_path / "train", shard_samples=20).num_samples == len(train)


def test_split_is_stratified(path):
    train, validation = HDF5Table(path).split(0.2, seed=3)
    counts = np.bincount(rows_of(validation, "labels"))
    assert counts.sum() == round(ROWS * 0.2)
    assert counts.max() - counts.min() <= 1
    assert train.classes == validation.classes


def test_each_process_opens_the_file_once(path, monkeypatch):
    opened = []
    monkeypatch.setattr(
        hdf5_file.h5py, "File", lambda *a, file=h5py.File, **k: opened.append(a) or file(*a, **k)
    )
    source = HDF5Table(path)
    parts = [source.select([row, row + 1]) for row in range(5)]
    assert [part[1]["labels"] for part in parts] == [1, 2, 0, 1, 2]
    again = HDF5Table(path)
    assert again[0]["labels"] == 0
    assert len(opened) == 1
    del source, parts, again
    assert str(path) not in {key[1] for key in hdf5_file._open_files}


def part_sum(part: HDF5Table) -> int:
    return sum(int(part[row]["images"].sum()) for row in range(len(part)))


@pytest.mark.slow
def test_pickled_sources_read_in_worker_processes(path):
    source = HDF5Table(path)
    parts = [source.select(np.arange(start, start + 30)) for start in (0, 30, 60)]
    assert len(pickle.dumps(parts[0])) < 10_000
    sums = joblib.Parallel(n_jobs=2)(joblib.delayed(part_sum)(part) for part in parts)
    assert sums == [int(stored_images()[start : start + 30].sum()) for start in (0, 30, 60)]


def test_rows_without_a_label_are_named_or_left_out(tmp_path):
    file = tmp_path / "gaps.h5"
    with h5py.File(file, "w") as h5:
        h5["x"] = np.arange(12.0).reshape(6, 2)
        h5["y"] = [1.0, np.nan, 2.0, 1.0, np.nan, 2.0]
    with pytest.raises(PackError, match=r"gaps\.h5, dataset 'y', row 4: there is no label"):
        pack(HDF5Table(file), tmp_path / "out")
    index = pack(HDF5Table(file), tmp_path / "out", on_error="skip")
    assert sorted(entry["row"] for entry in index.provenance["skipped"]) == [1, 4]
    assert index.classes == [1, 2]
    assert index.num_samples == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"image": "z"},
            r"data\.h5: the dataset 'z' does not exist\. .*'train/x' >f4 \(97, 6, 6, 3",
        ),
        ({"image": "train"}, "'train' is a group, not a dataset"),
        ({"label": "short"}, r"differ in their number of rows: 'x' \(97, .* 'short' \(96,\)"),
        ({"label": "scalar"}, r"'scalar' has the shape \(\)"),
        ({"image": "empty", "label": None}, r"have no rows: 'empty' \(0, 3\)"),
        ({"image": "names"}, "'names' of shape .* not numbers"),
        ({"columns": ["caption"]}, "'caption' of shape .* not numbers"),
        ({"label": "train/age"}, "numbers with fractions.* label=None"),
        ({"text": "train/age"}, "'train/age' .* not one text per row"),
        ({"classes": [0, 5]}, None),
    ],
)
def test_what_does_not_fit_is_said(path, arguments, message):
    if message is None:
        source = HDF5Table(path, **arguments)
        with pytest.raises(PackError, match=r"row 2: the label 10 is not among the classes"):
            source[2]
        return
    with pytest.raises(PackError, match=message) as caught:
        HDF5Table(path, **arguments)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"columns": "train/age"}, TypeError),
        ({"columns": ["x", "train/x"]}, ValueError),
        ({"columns": {"labels": "y"}}, ValueError),
        ({"label": None, "classes": [1]}, ValueError),
        ({"vocabulary": ["", "[UNK]"]}, ValueError),
        ({"label": "onehot", "classes": [1, 2, 3]}, ValueError),
        ({"image": 3}, TypeError),
        ({"targets": "nothing"}, ValueError),
    ],
)
def test_bad_arguments_are_refused(path, arguments, error):
    with pytest.raises(error):
        HDF5Table(path, **arguments)


def test_files_that_are_missing_or_damaged(path, tmp_path):
    with pytest.raises(PackError, match="there is no such file"):
        HDF5Table(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("x,y\n1,2\n")
    with pytest.raises(PackError, match=r"text\.h5: cannot be read as HDF5"):
        HDF5Table(tmp_path / "text.h5")
    source = HDF5Table(path)
    with h5py.File(path) as h5:
        chunk = h5["x"].id.get_chunk_info(4)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    del source, h5
    path.write_bytes(data)
    with pytest.raises(PackError, match=r"dataset 'x' of shape .* rows \d+ to \d+ cannot be read"):
        rows_of(HDF5Table(path), "images")


def test_a_file_that_changes_is_noticed(path):
    source = pickle.dumps(HDF5Table(path))
    with h5py.File(path, "a") as h5:
        del h5["x"]
        h5["x"] = stored_images(50)
    with pytest.raises(
        PackError, match=r"data\.h5: the file was changed.*Create the HDF5Table again"
    ):
        pickle.loads(source)[0]


def test_rows_of_a_damaged_chunk_alone_are_left_out(tmp_path: Path):
    path = tmp_path / "damaged.h5"
    with h5py.File(path, "w") as h5:
        h5.create_dataset("x", data=stored_images(), chunks=(10, SIDE, SIDE, 3), compression="gzip")
        h5["y"] = np.arange(ROWS)
        place = h5["x"].id.get_chunk_info(4).byte_offset
    with open(path, "r+b") as file:
        file.seek(place)
        file.write(bytes(300))
    source = HDF5Table(path)
    with pytest.raises(PackError, match=r"damaged\.h5: the dataset 'x'.*cannot be read"):
        pack(source, tmp_path / "shards")
    index = pack(HDF5Table(path), tmp_path / "shards", on_error="skip")
    assert sorted(entry["row"] for entry in index.provenance["skipped"]) == list(range(40, 50))
    x, y = ShardSequence(tmp_path / "shards", ROWS, shuffle=None)[0]
    np.testing.assert_array_equal(x, stored_images()[y])
    assert sorted(y) == [*range(40), *range(50, ROWS)]


def replace(path: Path, seed: int) -> None:
    """Replaces a file by another one with the same layout."""
    with h5py.File(path.with_suffix(".new"), "w") as h5:
        h5["x"] = np.random.default_rng(seed).integers(0, 256, (ROWS, SIDE, SIDE, 3), np.uint8)
        h5["y"] = np.arange(ROWS) % 3 + seed
    path.with_suffix(".new").replace(path)


def test_a_file_that_was_replaced_is_not_mixed_with_the_former_one(tmp_path: Path):
    path = tmp_path / "data.h5"
    replace(path, 1)
    source = HDF5Table(path)
    elsewhere = pickle.dumps(source)  # as it is sent to a worker
    first = source[0]["images"]
    replace(path, 2)
    again = HDF5Table(path)
    assert (again.classes, source.classes) == ([2, 3, 4], [1, 2, 3])
    assert (again[0]["images"] != first).any()
    np.testing.assert_array_equal(source[0]["images"], first)
    copied = pickle.loads(elsewhere)
    del source
    with pytest.raises(PackError, match="changed or replaced since the HDF5Table was created"):
        copied[0]
    path.unlink()
    assert pack(again, tmp_path / "shards", workers=1).num_samples == ROWS  # the file is still open
    with pytest.raises(PackError, match=r"data\.h5: there is no such file"):
        pickle.loads(elsewhere)[0]
    with pytest.raises(PackError, match="is not a file"):
        HDF5Table(tmp_path)


def test_a_virtual_dataset_without_its_files_is_not_zeros(path: Path, tmp_path: Path):
    shape = (ROWS, SIDE, SIDE, 3)
    with h5py.File(tmp_path / "part.h5", "w") as h5:
        h5["x"] = stored_images()
    with h5py.File(tmp_path / "virtual.h5", "w") as h5:
        layout = h5py.VirtualLayout(shape, np.uint8)
        layout[:] = h5py.VirtualSource("part.h5", "x", shape)
        h5.create_virtual_dataset("x", layout)
        h5["y"] = np.arange(ROWS)
    source = HDF5Table(tmp_path / "virtual.h5")
    np.testing.assert_array_equal(source[5]["images"], stored_images()[5])
    del source
    (tmp_path / "part.h5").unlink()
    with pytest.raises(PackError, match=r"'x' is virtual, .* is not there: part\.h5"):
        HDF5Table(tmp_path / "virtual.h5")
