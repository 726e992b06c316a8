"""`verify(against=...)` names rows by their files, or by their numbers in the source."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from keras_bigdata import Arrays, ImageTable, ShardIndex, pack, verify
from keras_bigdata.cli import main
from keras_bigdata.integrity.row_names import describe_row, name_rows
from keras_bigdata.shards.writing.writer import ShardWriter
from tests.helpers.image_files import write_image


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Images 0 to 29; those named `copy` are 25 to 29 again."""
    for number in range(30):
        write_image(tmp_path / f"{number}.png", number * 8)
    for number in range(25, 30):
        write_image(tmp_path / f"copy-{number}.png", number * 8)
    return tmp_path


def table(folder: Path, names: list[str]) -> ImageTable:
    rows = {"file": [f"{name}.png" for name in names], "label": ["a"] * len(names)}
    return ImageTable(rows, image="file", label="label", size=(4, 4), root=folder)


def test_files_of_rows_in_both_sets_are_named(images, capsys):
    pack(table(images, [str(row) for row in range(30)]), images / "train", shard_samples=4)
    others = [f"copy-{row}" for row in range(25, 30)]
    pack(table(images, others), images / "val", shard_samples=2)
    report = verify(images / "train", images / "val")
    assert sorted(report.duplicate_names) == [
        (f"{row}.png", f"copy-{row}.png") for row in range(25, 30)
    ]
    assert len(report.duplicates) == len(report.duplicate_names)
    for (file, row, other, other_row), names in zip(
        report.duplicates, report.duplicate_names, strict=True
    ):
        for path, at, name in ((file, row, names[0]), (other, other_row, names[1])):
            column = pickle.loads(Path(path).read_bytes())["file"]
            start, stop = column["offsets"][at : at + 2]
            assert column["values"][start:stop].tobytes().decode() == name
    (fault,) = report.faults
    (_, row, _, other_row), (name, other_name) = report.duplicates[0], report.duplicate_names[0]
    assert fault.found.startswith(f"5, such as row {row} ({name}) of shard-0000")
    assert f"which is row {other_row} ({other_name}) of shard-0000" in fault.found
    assert main(["verify", str(images / "train"), "--against", str(images / "val")]) == 1
    output = capsys.readouterr().out
    for row in range(25, 30):
        assert f"({row}.png) = {images}/val/shard-0000" in output
        assert f"(copy-{row}.png)\n" in output
    assert "(25.png)" in report._repr_html_()


def test_without_files_the_rows_of_the_source_are_named(tmp_path):
    x = np.arange(40.0)[:, None]
    source = Arrays(x=x, labels=np.arange(40) % 2)
    pack(source.select(range(10, 40)), tmp_path / "a", shard_samples=7)
    pack(source.select(range(5, 15)), tmp_path / "b", shard_samples=7)
    report = verify(tmp_path / "a", tmp_path / "b")
    assert sorted(report.duplicate_names) == [(row, row) for row in range(10, 15)]
    assert f"(row {report.duplicate_names[0][0]} of the source)" in report.faults[0].found


def test_a_bounded_number_of_rows_is_named(tmp_path):
    source = Arrays(x=np.arange(50.0)[:, None], labels=np.zeros(50, int))
    pack(source, tmp_path / "a", shard_samples=7)
    pack(source, tmp_path / "b", shard_samples=9)
    report = verify(tmp_path / "a", tmp_path / "b")
    assert report.faults[0].found.startswith("50, such as row ")
    assert len(report.duplicate_names) == len(report.duplicates) == 20
    assert str(report).count(" of the source) = ") == 20


def test_shards_without_columns_have_the_former_message(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.pkl").write_bytes(pickle.dumps({"x": np.array([1.5, 2.5])}))
    report = verify(tmp_path / "a", tmp_path / "b")
    assert report.duplicate_names == [(None, None), (None, None)]
    assert report.faults[0].found == "2, such as row 0 of 0.pkl, which is row 0 of 0.pkl"
    assert f"  {tmp_path}/a/0.pkl, row 0 = {tmp_path}/b/0.pkl, row 0\n" in str(report)
    # One set with columns, and one without.
    pack(Arrays(x=np.array([2.5, 3.5]), inputs="x"), tmp_path / "c", shuffle=False)
    assert verify(tmp_path / "c", tmp_path / "b").duplicate_names == [(0, None)]


def test_rows_without_a_file_are_named_by_their_number(tmp_path):
    with ShardWriter(tmp_path / "a", inputs="x") as writer:
        columns = {"row": np.array([7, 8, 9]), "file": np.array(["u.png", "", "w.png"])}
        writer.write({"x": np.arange(3.0)}, columns=columns)
    index = ShardIndex.load(tmp_path / "a")
    assert name_rows(index, [(0, 2), (0, 1), (0, 0)]) == ["w.png", 8, "u.png"]
    assert name_rows(index, []) == []


def test_names_that_cannot_be_read_hide_no_duplicates(images, monkeypatch):
    pack(table(images, ["1", "2"]), images / "train", shuffle=False)
    pack(table(images, ["2", "3"]), images / "val", shuffle=False)
    file = images / "val/shard-00000.pkl"
    content = file.read_bytes()
    file.write_bytes(content.replace(b"2.png3.png", b"\xff.png3.png"))
    assert file.stat().st_size == len(content)
    report = verify(images / "train", images / "val")
    assert [fault.kind for fault in report.faults] == ["duplicates", "unreadable"]
    assert report.faults[0].found.startswith("1, such as row 1 of shard-00000.pkl, which is row 0")
    assert "not UTF-8" in report.faults[1].found
    assert report.duplicate_names == []


def test_a_name_is_a_short_part_of_a_line():
    assert describe_row(3, None) == "row 3"
    assert describe_row(3, "cat/7.png") == "row 3 (cat/7.png)"
    assert describe_row(3, 8) == "row 3 (row 8 of the source)"
    assert len(describe_row(3, "x" * 10_000)) < 300
    assert describe_row(3, "a\nb.png") == r"row 3 ('a\nb.png')"
