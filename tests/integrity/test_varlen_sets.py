"""`verify` and `repair` of rows of any length and of encoded images."""

from __future__ import annotations

import os
import pickle
import shutil

import numpy as np
import pytest

from keras_bigdata import (
    PackError,
    ShardIndex,
    Shards,
    ShardWriter,
    pack,
    repair,
    verify,
)
from keras_bigdata.checksum import file_checksum
from keras_bigdata.shards.reading.read_column import read_ragged
from keras_bigdata.shards.writing.shard_file import write_shard
from tests.helpers.image_sets import EncodedImages
from tests.helpers.packs import read_files
from tests.helpers.ragged_sets import RaggedNumbers, as_values, numbered_rows, write_numbered

SOURCES = [
    RaggedNumbers(),
    RaggedNumbers(padding=-1),
    EncodedImages("jpeg"),
    EncodedImages("png"),
    EncodedImages("file"),
]
IDS = ["ragged", "padded", "jpeg", "png", "file"]


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "set"


def packed(directory, source):
    return pack(source, directory, shard_samples=6, workers=1)


def rewrite(directory, shard, change):
    """Changes the pickle of a shard, and its size and checksum in the index."""
    index = ShardIndex.load(directory)
    path = index.path(shard)
    content = pickle.loads(path.read_bytes())
    change(content)
    path.write_bytes(pickle.dumps(content, protocol=5))
    index.sizes[shard], index.checksums[shard] = os.path.getsize(path), file_checksum(path)
    index.save()


def patch(directory, shard, name, offsets=False, change=None):
    """Changes an array of a shard in place, and its checksum in the index."""
    index = ShardIndex.load(directory)
    content = pickle.loads(index.path(shard).read_bytes())
    array = content[name]["offsets" if offsets else "values"]
    change(array)
    place = (index.row_offsets if offsets else index.offsets)[name][shard]
    with open(index.path(shard), "r+b") as file:
        file.seek(place)
        file.write(array.tobytes())
    index.checksums[shard] = file_checksum(index.path(shard))
    index.save()


@pytest.mark.parametrize("source", SOURCES, ids=IDS)
def test_a_sound_set_has_no_fault_and_any_flipped_bit_is_one(directory, source):
    index = packed(directory, source)
    assert verify(directory).ok
    name = next(iter(source.stored_forms))
    for place in (index.offsets[name][1], index.row_offsets[name][1]):
        data = bytearray(index.path(1).read_bytes())
        data[place] ^= 1
        index.path(1).write_bytes(data)
        assert [fault.kind for fault in verify(directory).faults] == ["checksum"]
        data[place] ^= 1
        index.path(1).write_bytes(data)


def test_offsets_that_lie_are_a_fault_whatever_the_checksum_says(directory):
    write_numbered(directory)

    def swap(offsets):
        offsets[1:3] = offsets[2], offsets[1]

    patch(directory, 1, "t", offsets=True, change=swap)
    (fault,) = verify(directory).faults
    assert fault.kind == "structure"
    assert fault.file.endswith("shard-00001.pkl")
    assert "offsets do not divide" in fault.found


def test_values_that_the_offsets_do_not_reach_are_a_fault(directory):
    write_numbered(directory)

    def shrink(offsets):
        offsets[-1] -= 1

    patch(directory, 0, "t", offsets=True, change=shrink)
    (fault,) = verify(directory).faults
    reason = "its rows have offsets that end at 9, and there are 10 values"
    assert (fault.kind, fault.found) == ("structure", f"no values and offsets 't' ({reason})")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda t: t.update(values=t["values"].astype(np.int64)), "int64 (any)"),
        (lambda t: t.update(values=t["values"].reshape(-1, 1)), "int32 (any, 1)"),
        (lambda t: t.update(offsets=t["offsets"].astype(np.int32)), "at bytes ("),
        (lambda t: t.pop("offsets"), "no values and offsets"),
    ],
)
def test_values_of_another_dtype_or_shape_are_a_fault(directory, change, found):
    write_numbered(directory)
    rewrite(directory, 0, lambda content: change(content["t"]))
    (fault,) = verify(directory).faults
    assert fault.kind == "structure"
    assert "'t' as 5 rows of int32 (any)" in fault.expected
    assert found in fault.found


@pytest.mark.parametrize("codec", ["jpeg", "png"])
def test_the_header_of_every_image_is_compared_with_the_field(directory, codec):
    packed(directory, EncodedImages(codec))
    index = ShardIndex.load(directory)
    row = next(
        row for row, file in enumerate(Shards(index).columns("file")["file"]) if file[0] == "7"
    )
    shard, row = divmod(row, 6)
    start = int(read_ragged(index, shard, "images").offsets[row])

    def taller(values):  # one pixel more
        place = start + (bytes(values[start:]).index(b"\xff\xc0") + 6 if codec == "jpeg" else 23)
        assert values[place] == 12
        values[place] += 1

    patch(directory, shard, "images", change=taller)
    (fault,) = verify(directory).faults
    assert fault.kind == "structure"
    assert fault.file == str(index.path(shard))
    assert f"row {row} (7.jpg) of 'images' is {codec} of " in fault.found
    assert f"expected {codec} of 12 x 12 x 3" in fault.found

    def no_image(values):
        values[start : start + 8] = 0

    patch(directory, shard, "images", change=no_image)
    (fault,) = verify(directory).faults
    assert "bytes that are not an image" in fault.found


def test_files_must_be_images(directory):
    index = packed(directory, EncodedImages("file"))
    start = int(read_ragged(index, 1, "images").offsets[2])

    def no_image(values):
        values[start : start + 8] = 0

    patch(directory, 1, "images", change=no_image)
    (fault,) = verify(directory).faults
    assert "row 2 (" in fault.found
    assert "expected an image" in fault.found


# ---- Repair from the source


@pytest.mark.parametrize("source", SOURCES, ids=IDS)
def test_damaged_and_missing_shards_are_packed_again_with_the_same_bytes(directory, source):
    packed(directory, source)
    files = read_files(directory)
    (directory / "shard-00001.pkl").unlink()
    data = bytearray(files["shard-00002.pkl"])
    data[300] ^= 4
    (directory / "shard-00002.pkl").write_bytes(data)
    assert repair(directory, source=source, workers=1, dry_run=False).done
    assert read_files(directory) == files
    assert verify(directory).ok


@pytest.mark.parametrize("source", SOURCES, ids=IDS)
def test_shards_that_a_repair_removed_come_back(directory, source):
    packed(directory, source)
    files = read_files(directory)
    os.truncate(directory / "shard-00001.pkl", 200)
    assert repair(directory, dry_run=False).removed == {"shard-00001.pkl": 6}
    assert verify(directory).ok
    assert ShardIndex.load(directory).num_samples == 14
    assert repair(directory, source=source, workers=1, dry_run=False).done
    assert read_files(directory)["shard-00001.pkl"] == files["shard-00001.pkl"]
    assert verify(directory).rows == 20


def test_another_quality_or_padding_is_another_source(directory, tmp_path):
    packed(directory, EncodedImages("jpeg", quality=80))
    (directory / "shard-00001.pkl").unlink()
    with pytest.raises(PackError, match="quality was 80 and is 90"):
        repair(directory, source=EncodedImages("jpeg"), dry_run=False)
    packed(tmp_path / "t", RaggedNumbers())
    with pytest.raises(PackError, match="padding was 0 and is -1"):
        repair(tmp_path / "t", source=RaggedNumbers(padding=-1), dry_run=False)


@pytest.mark.parametrize("codec", ["jpeg", "png"])
def test_images_of_one_color_expand_most_and_are_read(directory, codec):
    class White(EncodedImages):
        def __getitem__(self, row):
            return {"images": np.full((1500, 1500, 3), 255, np.uint8), "labels": np.int32(0)}

    index = pack(White(codec, 2), directory, workers=1)
    assert index.fields["images"].row_bytes * 2 > 100 * index.sizes.sum()
    assert ShardIndex.load(directory).fields == index.fields
    assert verify(directory).ok


# ---- Pickles without an index, and rows that two sets share


def test_unindexed_pickles_are_checked(tmp_path):
    for number in range(3):
        content = {"t": as_values(numbered_rows(0, 4)), "y": np.arange(4)}
        (tmp_path / f"{number}.pkl").write_bytes(pickle.dumps(content))
    report = verify(tmp_path)
    assert report.ok
    assert report.rows == 12
    content["t"]["offsets"][1] = 99
    (tmp_path / "0.pkl").write_bytes(pickle.dumps(content))
    content = {"t": as_values(numbered_rows(0, 3)), "y": np.arange(4)}
    (tmp_path / "1.pkl").write_bytes(pickle.dumps(content))
    content = {"t": as_values(numbered_rows(0, 4), np.int64), "y": np.arange(4)}
    (tmp_path / "3.pkl").write_bytes(pickle.dumps(content))
    (tmp_path / "4.pkl").write_bytes((tmp_path / "2.pkl").read_bytes())
    faults = {os.path.basename(fault.file): fault.found for fault in verify(tmp_path).faults}
    assert set(faults) == {"0.pkl", "1.pkl", "3.pkl"}
    assert "offsets do not divide" in faults["0.pkl"]
    assert faults["1.pkl"] == "{'t': 3, 'y': 4}"
    assert "'t' int64 (rows, any,)" in faults["3.pkl"]


def test_dicts_that_are_no_rows_of_any_length_are_no_fault(tmp_path):
    content = {"x": np.zeros((4, 9)), "d": {"values": np.arange(5), "offsets": np.array([0.5, 5])}}
    for number in range(2):
        (tmp_path / f"{number}.pkl").write_bytes(pickle.dumps(content))
    assert verify(tmp_path).ok
    assert set(repair(tmp_path, inputs="x").index.fields) == {"x"}


def test_shared_rows_of_any_length_are_found(tmp_path):
    one = [[1, 2], [], [3], [1, 2, 3], [0.0]]
    two = [[1], [2, 3], [1, 2, 3], [-0.0], [3.5]]
    for name, rows in (("one", one), ("two", two)):
        with ShardWriter(tmp_path / name, inputs="t") as writer:
            writer.write({"t": [np.array(row, np.float32) for row in rows]})
    report = verify(tmp_path / "one", against=tmp_path / "two")
    pairs = [(row, other) for _, row, _, other in report.duplicates]
    assert pairs == [(3, 2), (4, 3)]


def test_rows_of_two_fields_of_any_length_are_not_mixed_up(tmp_path):
    for name, cut in (("one", 1), ("two", 2)):
        rows = {"a": [np.arange(cut), np.arange(9)], "b": [np.arange(cut, 3), np.arange(8)]}
        with ShardWriter(tmp_path / name, inputs=("a", "b")) as writer:
            writer.write(rows)
    report = verify(tmp_path / "one", against=tmp_path / "two")
    assert [(row, other) for _, row, _, other in report.duplicates] == [(1, 1)]


def test_encoded_images_are_compared_by_their_bytes(tmp_path):
    pack(EncodedImages("jpeg", 6), tmp_path / "one", shuffle=False)
    pack(EncodedImages("jpeg", 6, first=3), tmp_path / "two", shuffle=False)
    pack(EncodedImages("jpeg", 6, quality=80), tmp_path / "three", shuffle=False)
    report = verify(tmp_path / "one", against=tmp_path / "two")
    assert report.duplicate_names[0] == ("3.jpg", "3.jpg")
    assert len(report.duplicates) == 3
    report = verify(tmp_path / "one", against=tmp_path / "three")
    assert report.ok
    assert "compared by the bytes that are stored" in str(report)


def test_a_shard_of_rows_of_any_length_can_be_replaced_by_none_of_other_rows(directory):
    """The record in the index has the places of the offsets too."""
    index = packed(directory, RaggedNumbers())
    other = directory.parent / "other"
    other.mkdir()
    content = pickle.loads(index.path(0).read_bytes())
    info = write_shard(
        other, "shard-00000.pkl", {"t": numbered_rows(1, 7), "labels": content["labels"]}
    )
    shutil.copy(other / "shard-00000.pkl", index.path(0))
    assert info.row_offsets["t"]
    assert not verify(directory).ok
