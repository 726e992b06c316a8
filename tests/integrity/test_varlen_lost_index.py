"""`repair` creates the lost index of rows of any length and of encoded images again."""

from __future__ import annotations

import json

import numpy as np
import pytest

from keras_bigdata import ShardError, ShardIndex, Shards, ShardWriter, pack, repair, verify
from tests.helpers.image_sets import EncodedImages, encoded
from tests.helpers.ragged_sets import RaggedNumbers, write_numbered


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "set"


def packed(directory, source):
    return pack(source, directory, shard_samples=6, workers=1)


def lose_index(directory, salvage=False):
    """Removes an index, or leaves one that is invalid as a whole; returns it."""
    index = ShardIndex.load(directory)
    path = directory / "index.json"
    if salvage:
        content = json.loads(path.read_text())
        content["num_samples"] += 1
        path.write_text(json.dumps(content))
    else:
        path.unlink()
    return index


def assert_equal_sets(index, former):
    assert (index.fields, index.columns) == (former.fields, former.columns)
    assert index.offsets.keys() == former.offsets.keys()
    for name, column in former.offsets.items():
        assert index.offsets[name].tolist() == column.tolist()
    for name, column in former.row_offsets.items():
        assert index.row_offsets[name].tolist() == column.tolist()


ROLES = {"inputs": "images", "targets": "labels"}


@pytest.mark.parametrize("codec", ["jpeg", "png", "file"])
def test_a_lost_index_of_images_is_created_again_from_their_headers(directory, codec):
    packed(directory, EncodedImages(codec))
    former = lose_index(directory)
    result = repair(directory, **ROLES, dry_run=False)
    assert_equal_sets(ShardIndex.load(directory), former)
    assert verify(directory).ok
    (note,) = [note for note in result.notes if "'images'" in note]
    assert "store='file'" in note
    assert "`like`" in note


def test_files_of_one_size_are_taken_for_encoded_images_unless_an_index_says_more(
    directory, tmp_path
):
    class Files(EncodedImages):
        def __getitem__(self, row):
            pixels = np.full((9, 8), row, np.uint8)
            content = np.frombuffer(encoded(pixels, "JPEG"), np.uint8)
            return {"images": content, "labels": np.int32(row % 3)}

    packed(directory, Files("file"))
    former = lose_index(directory, salvage=True)
    assert repair(directory).index.fields == former.fields  # from the old index
    (directory / "index.json").unlink()
    plan = repair(directory, **ROLES)
    assert plan.index.fields["images"].shape == (9, 8, 1)
    assert any("jpeg of 9 x 8 x 1" in note for note in plan.notes)
    packed(tmp_path / "like", Files("file"))
    plan = repair(directory, like=tmp_path / "like")
    assert plan.index.fields == former.fields
    assert not any("'images'" in note for note in plan.notes)


def test_images_of_another_size_than_those_of_like(directory, tmp_path):
    packed(directory, EncodedImages("jpeg"))
    packed(tmp_path / "like", EncodedImages("jpeg", size=20))
    former = lose_index(directory)
    assert repair(directory, like=tmp_path / "like").index.fields == former.fields


def test_a_lost_index_of_rows_of_any_length_is_created_again(directory, tmp_path):
    packed(directory, RaggedNumbers(padding=-1))
    former = lose_index(directory, salvage=True)
    plan = repair(directory)
    assert plan.index.fields == former.fields
    assert not any("pads" in note for note in plan.notes)
    (directory / "index.json").unlink()
    plan = repair(directory, inputs="t", targets="labels")
    assert plan.index.fields["t"].padding == 0
    assert any("pads" in note for note in plan.notes)
    packed(tmp_path / "like", RaggedNumbers(3, padding=-1))
    repair(directory, like=tmp_path / "like", dry_run=False)
    assert_equal_sets(ShardIndex.load(directory), former)
    assert verify(directory).ok


def test_texts_stay_columns_of_texts(directory):
    former = write_numbered(directory)
    lose_index(directory)
    repair(directory, inputs="t", targets="y", dry_run=False)
    assert_equal_sets(ShardIndex.load(directory), former)
    assert Shards(directory).columns("file")["file"][8] == "texts/8.txt"


def write_bytes(directory, rows):
    with ShardWriter(directory, inputs="y") as writer:
        writer.write({"y": np.arange(len(rows)), "b": [np.array(row, np.uint8) for row in rows]})
    lose_index(directory)


def test_rows_of_bytes_that_are_neither_images_nor_texts(directory):
    write_bytes(directory, [[255, 254], [200], [128, 1, 2]])
    assert repair(directory).index.fields["b"].shape == (None,)


def test_rows_of_small_numbers_are_not_read_without_a_role(directory, tmp_path):
    write_bytes(directory, [[1, 2], [3], [4, 5, 6]])
    plan = repair(directory)
    assert set(plan.index.fields) == {"y"}
    (note,) = [note for note in plan.notes if "'b'" in note]
    assert "texts with control characters" in note
    assert "numbers of any length" in note
    plan = repair(directory, inputs=("b", "y"))
    assert plan.index.fields["b"].shape == (None,)
    assert plan.index.fields["b"].dtype == np.uint8


def test_images_and_other_bytes_are_not_read(directory):
    image = np.frombuffer(encoded(np.zeros((4, 4), np.uint8), "PNG"), np.uint8)
    write_bytes(directory, [image, [200], [128, 1, 2]])
    plan = repair(directory)
    assert "b" not in plan.index.fields
    assert any("1 of its 3 rows begin as images" in note for note in plan.notes)


def test_headers_that_claim_more_pixels_than_files_hold_receive_no_index(directory):
    image = np.frombuffer(encoded(np.zeros((4, 4), np.uint8), "PNG"), np.uint8).copy()
    image[16:24] = np.array([30_000, 30_000], ">u4").view(np.uint8)
    write_bytes(directory, [image, np.append(image, image[:1])])
    with pytest.raises(ShardError, match=r"no index can be created: images of 900,000,000 bytes"):
        repair(directory, dry_run=False)
    assert not (directory / "index.json").exists()
