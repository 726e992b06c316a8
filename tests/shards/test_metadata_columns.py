"""Metadata columns: written by pack, capture and ShardWriter, checked, and read back."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from keras_bigdata import (
    Arrays,
    CorruptShardError,
    ImageFolder,
    ImageTable,
    PackError,
    ShardError,
    ShardIndex,
    Shards,
    ShardWriter,
    TextTable,
    capture,
    pack,
    repair,
    verify,
)
from keras_bigdata.shards.fields.varlen import (
    as_text_array,
    check_offsets,
    decode_texts_of_rows,
    encode_texts_of_rows,
    join_texts,
)
from keras_bigdata.shards.reading.read_column import read_column
from tests.helpers.image_files import write_image

TABLE = {
    "review": ["good", "bad", "fine", "poor", "great", "dull"],
    "stars": ["5", "1", "4", "2", "5", "1"],
    "patient": ["007", "12", "07", "7", "12", "x"],
    "age": ["30", "41", "", "28", "33", "59"],
    "visit": ["1", "2", "3", "4", "5", "6"],
}


def write_table(folder: Path) -> Path:
    path = folder / "table.csv"
    rows = [",".join(TABLE), *(",".join(row) for row in zip(*TABLE.values(), strict=True))]
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path


def same(sample, rng):
    return sample


def columns_of(index: ShardIndex, name: str) -> list[Any]:
    return np.concatenate([read_column(index, shard, name) for shard in range(len(index))]).tolist()


@pytest.mark.slow
def test_rows_know_their_number_in_the_source(tmp_path):
    source = Arrays(x=np.arange(20.0), labels=np.arange(20) % 2)
    index = pack(source, tmp_path / "all", shard_samples=7)
    assert sorted(columns_of(index, "row")) == list(range(20))
    assert columns_of(index, "row") == columns_of(index, "x")
    part, _ = source.split(0.3)
    index = pack(part, tmp_path / "part", shard_samples=4, variants=2, augment=same, workers=2)
    assert columns_of(index, "row") == columns_of(index, "x")
    assert len(columns_of(index, "row")) == 28  # of both variants
    assert "row" not in index.fields
    assert index.roles.names == ("x", "labels")


def test_a_table_keeps_numbers_and_texts(tmp_path):
    source = TextTable(
        write_table(tmp_path), text="review", label="stars", keep=("patient", "age", "visit")
    )
    index = pack(source.select([5, 0, 1, 2]), tmp_path / "s", shuffle=False, shard_samples=3)
    assert columns_of(index, "row") == [5, 0, 1, 2]
    assert columns_of(index, "patient") == ["x", "007", "12", "07"]
    assert columns_of(index, "visit") == [6, 1, 2, 3]
    np.testing.assert_array_equal(columns_of(index, "age"), [59, 30, 41, np.nan])
    assert list(index.fields) == ["texts", "labels"]
    assert verify(tmp_path / "s").faults == []
    with open(index.path(0), "rb") as file:  # an ordinary pickle
        shard = pickle.load(file)
    assert shard["patient"]["offsets"].tolist() == [0, 1, 4, 6]
    assert shard["patient"]["values"].tobytes() == b"x00712"


def test_images_keep_their_file_also_if_rows_are_skipped(tmp_path):
    names = ["cat/1.png", "cat/2.png", "dog/1.png", "dog/ü.png"]
    for name in names:
        write_image(tmp_path / "photos" / name, 7)
    (tmp_path / "photos" / names[1]).write_bytes(b"no image")
    source = ImageFolder(tmp_path / "photos", size=(4, 4))
    index = pack(source, tmp_path / "s", on_error="skip", workers=2)
    rows = dict(zip(columns_of(index, "row"), columns_of(index, "file"), strict=True))
    assert rows == {0: names[0], 2: names[2], 3: names[3]}


def test_tables_in_memory_keep_their_types():
    table = {
        "file": ["a", "b"],
        "id": ["1", "2"],
        "flag": [True, False],
        "x": [1.5, None],
        "n": [3, 4],
    }
    source = ImageTable(table, image="file", keep=("id", "flag", "x", "n"), size=(4, 4))
    columns = source.row_columns(np.arange(2))
    assert columns["id"].tolist() == ["1", "2"]
    assert columns["flag"].tolist() == [True, False]
    np.testing.assert_array_equal(columns["x"], [1.5, np.nan])
    assert columns["n"].tolist() == [3, 4]
    with pytest.raises(PackError, match=r"'id' cannot be kept.*int, str"):
        ImageTable({**table, "id": ["1", 2]}, image="file", keep="id", size=(4, 4))


@pytest.mark.parametrize("name", ["row", "source"])
def test_a_field_named_as_a_column_is_refused_with_both_meanings(tmp_path, name):
    source = [{name: np.zeros(2), "labels": 0}] * 4
    with pytest.raises(PackError, match=f"{name!r} would have two meanings.*the number of the"):
        pack(source, tmp_path / "s")
    writer = ShardWriter(tmp_path / "w")
    with pytest.raises(ShardError, match=f"{name!r} would have two meanings"):
        writer.write({name: np.zeros(3)})


def test_a_kept_column_named_as_a_field_is_refused(tmp_path):
    table = {"t": ["a", "b"], "labels": ["x", "y"]}
    source = TextTable(table, text="t", label="labels", keep="labels")
    with pytest.raises(PackError, match="'labels' would have two meanings"):
        pack(source, tmp_path / "s")


def test_writers_and_captures_number_their_rows(tmp_path):
    with ShardWriter(tmp_path / "w", inputs="x") as writer:
        for start in (0, 5):
            names = [f"{number}.jpg" for number in range(start, start + 5)]
            writer.write({"x": np.arange(start, start + 5.0)}, columns={"file": names})
        with pytest.raises(ShardError, match="the same metadata columns"):
            writer.write({"x": np.zeros(2)})
        with pytest.raises(ShardError, match="'file' has 1 rows, not 2"):
            writer.write({"x": np.zeros(2)}, columns={"file": ["a"]})
    index = ShardIndex.load(tmp_path / "w")
    assert columns_of(index, "row") == list(range(10))
    assert columns_of(index, "file") == [f"{number}.jpg" for number in range(10)]
    index = capture([(np.arange(4.0) + start, np.zeros(4)) for start in (0, 4)], tmp_path / "c")
    assert columns_of(index, "row") == columns_of(index, "x")


def test_an_unfinished_pack_without_columns_is_written_again(tmp_path, monkeypatch):
    """Of a release before them."""
    from keras_bigdata.packing.planning import plan

    source = Arrays(x=np.arange(12.0))
    with monkeypatch.context() as patched:
        patched.setattr(plan, "_describe_columns", lambda *_: {})
        patched.setattr("keras_bigdata.packing.pack._build_index", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pack(source, tmp_path / "s", shard_samples=4)
    index = pack(source, tmp_path / "s", shard_samples=4)
    assert columns_of(index, "row") == columns_of(index, "x")


def test_a_lost_index_is_created_with_its_columns(tmp_path):
    source = TextTable(TABLE, text="review", label="stars", keep=("patient",))
    old = pack(source, tmp_path / "s", shard_samples=4)
    (tmp_path / "s" / "index.json").unlink()
    repair(tmp_path / "s", inputs="texts", targets="labels", dry_run=False)
    new = ShardIndex.load(tmp_path / "s")
    assert new.columns == old.columns
    assert columns_of(new, "patient") == columns_of(old, "patient")
    assert verify(tmp_path / "s").faults == []


def test_changed_texts_are_a_fault(tmp_path):
    index = pack(TextTable(TABLE, text="review", keep=("patient",)), tmp_path / "s")
    index.checksums[:] = -1  # as of shards whose checksums are unknown
    index.save()
    data = bytearray(index.path(0).read_bytes())
    data[int(index.offsets["patient"][0])] = 0xFF
    index.path(0).write_bytes(data)
    (fault,) = verify(tmp_path / "s").faults
    assert "not UTF-8" in fault.found
    position = int(index.row_offsets["patient"][0])
    data[position + 8 * 6 : position + 8 * 7] = (2**60).to_bytes(8, "little")
    index.path(0).write_bytes(data)
    with pytest.raises(CorruptShardError, match="which the file does not hold"):
        read_column(ShardIndex.load(tmp_path / "s"), 0, "patient")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_texts_come_back_as_they_were(texts):
    stored = encode_texts_of_rows(texts)
    check_offsets(stored["offsets"], len(texts), len(stored["values"]), "")
    assert decode_texts_of_rows(stored["values"], stored["offsets"], "").tolist() == texts


@pytest.mark.parametrize(
    "offsets", [[0, 3, 2, 4], [1, 2, 3, 4], [0, 1, 2, 5], [0, 1, 4], [0, -1, 2, 4]]
)
def test_offsets_that_lie_are_refused(offsets):
    with pytest.raises(CorruptShardError, match="offsets"):
        check_offsets(np.array(offsets), 3, 4, "a.pkl")


def test_one_long_text_does_not_take_its_length_for_every_row():
    short, long = ["a"] * 5_000, ["x" * 50_000]  # 1 GB as an array of dtype str
    texts = as_text_array(short + long)
    assert texts.dtype == object
    assert texts.tolist() == short + long
    assert (texts == "a").sum() == 5_000
    joined = join_texts([as_text_array(short), as_text_array(long)])
    assert joined.dtype == object
    assert joined.tolist() == short + long
    assert join_texts([as_text_array(short), as_text_array(["bc"])]).dtype == "<U2"


def test_a_kept_column_with_one_long_text_is_packed(tmp_path):
    notes = ["short"] * 3_000 + ["y" * 50_000]  # 600 MB as an array of dtype str
    table = {"t": ["a b"] * len(notes), "note": notes}
    source = TextTable(table, text="t", keep="note")
    assert source.row_columns(np.arange(len(notes)))["note"].dtype == object
    index = pack(source, tmp_path / "s", shuffle=False, shard_samples=1_000, workers=1)
    assert Shards(index).columns("note")["note"].tolist() == notes
    assert source.select([0, 3_000]).fingerprint() == source.select([0, 3_000]).fingerprint()


# Shards -------------------------------------------------------------------------------------------


def test_shards_read_select_and_group_by_metadata(tmp_path):
    source = TextTable(
        write_table(tmp_path), text="review", label="stars", keep=("patient", "age", "visit")
    )
    pack(source, tmp_path / "s", shard_samples=4)
    shards = Shards(tmp_path / "s")
    table = shards.columns(("row", "patient", "source"))
    order = table["row"].tolist()
    assert sorted(order) == list(range(6))
    assert table["patient"].tolist() == [TABLE["patient"][row] for row in order]
    assert table["source"].tolist() == [0] * 6
    older = shards.where(lambda columns: (columns["age"] > 30) & (columns["patient"] != "12"))
    assert older.columns("visit")["visit"].tolist() == [6]
    rest, part = shards.split(0.4, groups="patient", stratify=None)
    both = [set(each.columns("patient")["patient"].tolist()) for each in (rest, part)]
    assert both[0] | both[1] == set(TABLE["patient"])
    assert not both[0] & both[1]
    first, second = source.split(0.4, groups="patient")
    assert not set(first.row_columns(np.arange(len(first)))["patient"]) & set(
        second.row_columns(np.arange(len(second)))["patient"]
    )


def test_a_joined_set_numbers_its_directories(tmp_path):
    for name, keep in (("a", ("patient", "visit")), ("b", ("patient",))):
        source = TextTable(TABLE, text="review", label="stars", keep=keep)
        pack(source, tmp_path / name, shard_samples=4)
    shards = Shards([tmp_path / "a", tmp_path / "b"])
    table = shards.columns(["row", "source", "patient"])
    ids = list(zip(table["source"].tolist(), table["row"].tolist(), strict=True))
    assert sorted(ids) == [(source, row) for source in (0, 1) for row in range(6)]
    assert table["patient"].tolist() == [TABLE["patient"][row] for _, row in ids]
    with pytest.raises(ShardError, match=r"no column 'visit' \(.*b does not have it\)"):
        shards.columns("visit")


def test_shards_without_columns_say_so(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"x": np.zeros(3), "y": np.zeros(3)}))
    with pytest.raises(ShardError, match=r"no column 'file' \(these shards have no metadata"):
        Shards(tmp_path).columns("file")
    pack(Arrays(x=np.zeros(3), y=np.ones(3)), tmp_path / "s")
    with pytest.raises(ShardError, match=r"no column 'file' \(it is a column of sources of images"):
        Shards(tmp_path / "s").columns("file")


def test_a_kept_column_may_not_replace_the_row_or_its_file(tmp_path):
    table = {"image": ["a.png", "b.png"], "t": ["a", "b"]}
    for name in ("row", "source", "file"):
        message = f"the name '{name}' would have two meanings: a column of the table that `keep`"
        with pytest.raises(ValueError, match=message):
            ImageTable({**table, name: ["x", "y"]}, image="image", keep=name, size=(4, 4))
    for name in ("row", "source"):
        with pytest.raises(ValueError, match="would have two meanings"):
            TextTable({**table, name: [1, 2]}, text="t", keep=("image", name))
    # The column of the images is `file` itself.
    for image in ("a", "b"):
        Image.new("RGB", (4, 4)).save(tmp_path / f"{image}.png")
    files = {"file": table["image"]}
    source = ImageTable(files, image="file", keep="file", size=(4, 4), root=tmp_path)
    pack(source.select([1, 0]), tmp_path / "s", shuffle=False, workers=1)
    assert Shards(tmp_path / "s").columns("file")["file"].tolist() == ["b.png", "a.png"]
