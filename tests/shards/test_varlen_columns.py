"""Rows of any length in `Shards`, in joined sets, and in pickles without an index."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_bigdata import CorruptShardError, Ragged, ShardError, ShardIndex, Shards, pack
from keras_bigdata.shards.opening.open_shards import open_shards
from keras_bigdata.shards.reading.read_column import read_column, read_ragged
from tests.helpers.image_sets import EncodedImages
from tests.helpers.ragged_sets import RaggedNumbers, as_values, numbered_rows, write_numbered


def assert_rows(found: Any, expected: list[np.ndarray]) -> None:
    assert isinstance(found, Ragged)
    assert found.dtype == expected[0].dtype
    assert [row.tolist() for row in found] == [row.tolist() for row in expected]


def dump(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))
    return path


def test_columns_of_selected_rows_are_ragged_in_the_order_of_the_files(tmp_path):
    write_numbered(tmp_path / "a", (5, 4, 3))
    shards = Shards(tmp_path / "a")
    rows = numbered_rows(0, 12)
    table = shards.columns(("y", "t", "file"))
    assert_rows(table["t"], rows)
    assert list(table) == ["y", "t", "file"]
    assert table["file"][11] == "texts/11.txt"
    # No row of the second shard.
    assert_rows(shards.rows([11, 1, 4]).columns("t")["t"], [rows[1], rows[4], rows[11]])
    assert_rows(shards.rows([6]).columns("t")["t"], [rows[6]])
    odd = shards.where(lambda columns: columns["y"] == 1)
    assert_rows(odd.columns("t")["t"], rows[1::2])


def test_where_has_texts_but_no_rows_of_any_size(tmp_path):
    write_numbered(tmp_path / "a")
    shards = Shards(tmp_path / "a")
    names: list[str] = []

    def look(columns):
        names.extend(columns)
        return columns["file"] != "texts/3.txt"

    assert shards.where(look).num_samples == 8
    assert set(names) == {"y", "row", "file", "source"}
    with pytest.raises(KeyError, match=r"'t': int32 \(rows, any\).*`columns`.*`rows`"):
        shards.where(lambda columns: columns["t"] == 1)


def test_encoded_images_of_few_pixels_are_no_small_column(tmp_path):
    pack(EncodedImages("png", size=1), tmp_path / "a")
    shards = Shards(tmp_path / "a")
    assert shards.fields["images"].row_bytes == 36
    with pytest.raises(KeyError, match="decoded in batches only"):
        shards.where(lambda columns: columns["images"].any())


def test_encoded_images_are_no_column(tmp_path):
    pack(EncodedImages("jpeg"), tmp_path / "a")
    message = r"'images'.*stored as jpeg is not a column.*unshuffled\(\)"
    with pytest.raises(ShardError, match=message):
        Shards(tmp_path / "a").columns(("labels", "images"))
    for options in ({"stratify": "images"}, {"groups": "images"}):
        with pytest.raises(ShardError, match="is not a column"):
            Shards(tmp_path / "a").split(0.5, **options)
    index = ShardIndex.load(tmp_path / "a")
    with pytest.raises(ShardError, match="read_ragged"):
        read_column(index, 0, "images")
    assert read_ragged(index, 0, "images")[0].tobytes()[:3] == b"\xff\xd8\xff"


@pytest.mark.parametrize("argument", ["stratify", "groups"])
def test_rows_are_not_divided_by_rows_of_any_length(tmp_path, argument):
    write_numbered(tmp_path / "a")
    with pytest.raises(ValueError, match=f"`{argument}`: the column 't' has rows of any length"):
        Shards(tmp_path / "a").split(0.5, **{argument: "t"})


def test_directories_are_joined_if_their_padding_agrees(tmp_path):
    for name, padding in (("a", 0), ("b", 0), ("c", -1)):
        pack(RaggedNumbers(7, padding=padding), tmp_path / name, shuffle=False)
    joined = Shards([tmp_path / "a", tmp_path / "b"])
    assert_rows(joined.columns("t")["t"], numbered_rows(0, 7) * 2)
    with pytest.raises(ShardError, match=r"the fields differ.*padded with -1"):
        Shards([tmp_path / "a", tmp_path / "c"])


def test_directories_of_other_codecs_are_not_joined(tmp_path):
    pack(EncodedImages("png"), tmp_path / "a")
    pack(EncodedImages("jpeg"), tmp_path / "b")
    with pytest.raises(ShardError, match=r"the fields differ.*stored as png.*stored as jpeg"):
        Shards([tmp_path / "a", tmp_path / "b"])


# ---- Pickles without an index


@pytest.mark.parametrize("offsets", [np.int64, np.int32, ">i8"])
@pytest.mark.parametrize("values", [np.int32, ">f4", np.float16, bool])
def test_pickles_of_values_and_offsets_are_rows_of_any_length(tmp_path, values, offsets):
    for number in range(2):
        rows = numbered_rows(4 * number, 4 * number + 4)
        content = {"t": as_values(rows, values, offsets), "y": np.arange(4)}
        dump(tmp_path / f"{number}.pkl", content)
    index = open_shards(tmp_path)
    native = np.dtype(values).newbyteorder("=")
    assert (index.fields["t"].dtype, index.fields["t"].shape) == (native, (None,))
    assert index.samples.tolist() == [4, 4]
    assert index.mtimes_ns is not None
    shards = Shards(index)
    assert_rows(shards.columns("t")["t"], [row.astype(native) for row in numbered_rows(0, 8)])
    assert_rows(
        shards.rows([5, 6]).columns("t")["t"], [r.astype(native) for r in numbered_rows(5, 7)]
    )


def test_compressed_pickles_of_rows_of_any_length(tmp_path):
    rows = [np.ones((length, 2), np.float32) * length for length in (2, 0, 5)]
    data = pickle.dumps({"t": as_values(rows), "y": np.arange(3)})
    (tmp_path / "0.pkl.gz").write_bytes(gzip.compress(data))
    index = open_shards(tmp_path)
    assert index.fields["t"].shape == (None, 2)
    assert_rows(Shards(index).columns("t")["t"], rows)


def test_rows_of_bytes_are_refused_with_all_readings(tmp_path):
    rows = [np.arange(3, dtype=np.uint8), np.arange(2, dtype=np.uint8)]
    dump(tmp_path / "0.pkl", {"t": as_values(rows), "y": np.arange(2)})
    index = open_shards(tmp_path)
    assert set(index.fields) == {"y"}
    reason = index.skipped_fields["t"]
    assert all(word in reason for word in ("texts", "image", "numbers of any length", "`repair`"))
    with pytest.raises(ShardError, match="three ways"):
        open_shards(tmp_path, used=("t", "y"))


def test_offsets_that_lie_are_refused_when_they_are_read(tmp_path):
    for bad in ([0, 2, 1, 5], [1, 2, 5], [0, -1, 5], [0, 2**62, 5]):
        content = {"values": np.arange(5), "offsets": np.array(bad, np.int64)}
        dump(tmp_path / "0.pkl", {"t": content})
        with pytest.raises(CorruptShardError, match="offsets"):
            Shards(tmp_path).columns("t")


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("end", [0, 4, 6, -1, 2**62])
def test_offsets_that_do_not_end_with_the_values_are_no_field(tmp_path, end, compress):
    # What follows the values in the file would be read as a row.
    content = {"values": np.arange(5), "offsets": np.array([0, 2, end])}
    data = pickle.dumps({"t": content, "y": np.arange(2)})
    (tmp_path / "0.pkl").write_bytes(compress(data))
    index = open_shards(tmp_path)
    assert set(index.fields) == {"y"}
    assert "and there are 5 values" in index.skipped_fields["t"]


@pytest.mark.parametrize("offsets", [np.array([0.0, 5]), np.zeros(0, int), np.array([0, 5], "u8")])
def test_offsets_of_another_kind_are_no_field(tmp_path, offsets):
    content = {"values": np.arange(5), "offsets": offsets}
    dump(tmp_path / "0.pkl", {"t": content, "y": np.arange(1)})
    index = open_shards(tmp_path)
    assert set(index.fields) == {"y"}
    assert "offsets of shape" in index.skipped_fields["t"]


def test_values_that_are_no_numbers_are_no_field(tmp_path):
    content = {"values": np.array(["a", "b"]), "offsets": np.array([0, 2])}
    dump(tmp_path / "0.pkl", {"t": content, "y": np.arange(1)})
    assert "not numbers" in open_shards(tmp_path).skipped_fields["t"]


def test_files_must_agree(tmp_path):
    dump(tmp_path / "0.pkl", {"t": as_values(numbered_rows(0, 3)), "y": np.arange(3)})
    dump(tmp_path / "1.pkl", {"t": as_values(numbered_rows(0, 3), np.int64), "y": np.arange(3)})
    assert "int64" in open_shards(tmp_path).skipped_fields["t"]
    dump(tmp_path / "1.pkl", {"t": np.zeros((3, 2), np.int32), "y": np.arange(3)})
    assert "row shape (2,)" in open_shards(tmp_path).skipped_fields["t"]
    dump(tmp_path / "1.pkl", {"t": as_values(numbered_rows(0, 2)), "y": np.arange(3)})
    with pytest.raises(ShardError, match="differ in length"):
        open_shards(tmp_path, used=("t", "y"))


def test_files_that_each_hold_another_field_are_refused(tmp_path):
    dump(tmp_path / "a" / "t.pkl", {"t": as_values(numbered_rows(0, 3))})
    dump(tmp_path / "a" / "y.pkl", {"y": np.arange(3)})
    with pytest.raises(ShardError, match="no field in common"):
        open_shards(tmp_path / "a")


def test_rows_of_any_length_are_not_one_sample_per_file(tmp_path):
    for name in ("one", "two"):
        images = np.zeros((8, 8, 3), np.uint8)
        dump(tmp_path / "a" / f"{name}.pkl", {"x": images, "t": as_values(numbered_rows(0, 8))})
        dump(tmp_path / "b" / f"{name}.pkl", {"x": images, "t": as_values(numbered_rows(0, 3))})
    assert open_shards(tmp_path / "a").num_samples == 16
    with pytest.raises(ShardError, match="two ways"):
        open_shards(tmp_path / "b")


@pytest.mark.slow
def test_listed_files_of_packed_directories_have_the_forms_of_its_index(tmp_path):
    pack(EncodedImages("jpeg"), tmp_path / "a", shard_samples=5)
    pack(EncodedImages("jpeg", first=20), tmp_path / "b", shard_samples=5)
    pack(EncodedImages("png"), tmp_path / "png", shard_samples=5)
    index = open_shards([tmp_path / "a" / "shard-00000.pkl", tmp_path / "a" / "shard-00002.pkl"])
    whole = ShardIndex.load(tmp_path / "a")
    assert index.fields["images"] == whole.fields["images"]
    assert index.num_samples == 10
    assert (
        read_ragged(index, 1, "images")[3].tolist() == read_ragged(whole, 2, "images")[3].tolist()
    )
    assert index.row_offsets["images"][0] == whole.row_offsets["images"][0]
    both = open_shards([tmp_path / name / "shard-00000.pkl" for name in ("a", "b")])
    assert both.fields["images"].codec == "jpeg"
    other = open_shards([tmp_path / name / "shard-00000.pkl" for name in ("a", "png")])
    assert "images" not in other.fields
    assert "three ways" in other.skipped_fields["images"]
    pack(RaggedNumbers(padding=-1), tmp_path / "t")
    assert open_shards([tmp_path / "t" / "shard-00000.pkl"]).fields["t"].padding == -1
