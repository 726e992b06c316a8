"""`pack --keep` and `--group`: columns that describe the rows, and groups that stay together."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from keras_bigdata import ShardIndex
from keras_bigdata.cli import main
from keras_bigdata.shards.reading.read_column import read_column
from tests.helpers.image_files import write_image

ROWS = 24
PATIENTS = [f"p{row // 3}" for row in range(ROWS)]
LINES = [f"{row}.png,{'ab'[row % 2]},{PATIENTS[row]},{row * 2}" for row in range(ROWS)]


def write_table(file: Path, lines: list[str]) -> Path:
    file.write_text("\n".join(["file,label,patient,age", *lines]))
    return file


@pytest.fixture
def table(tmp_path: Path) -> Path:
    for row in range(ROWS):
        write_image(tmp_path / f"{row}.png", row * 10)
    return write_table(tmp_path / "t.csv", LINES)


def run(table: Path, output: Path, *options: str) -> int:
    columns = ["--image", "file", "--label", "label", "--size", "4x4"]
    return main(["pack", "images", str(table), *columns, *options, "-o", str(output)])


def read_all(directory: Path, name: str) -> list[object]:
    index = ShardIndex.load(directory)
    return [value for shard in range(len(index)) for value in read_column(index, shard, name)]


def test_keep_packs_columns_and_info_lists_them(table, tmp_path, capsys):
    assert run(table, tmp_path / "out", "--keep", "patient", "--keep", "age", "--no-shuffle") == 0
    assert read_all(tmp_path / "out", "patient") == PATIENTS
    assert read_all(tmp_path / "out", "age") == list(range(0, 2 * ROWS, 2))
    capsys.readouterr()
    assert main(["info", str(tmp_path / "out")]) == 0
    output = capsys.readouterr().out
    metadata = output.partition("metadata columns")[2].partition("inputs:")[0]
    assert [line.strip() for line in metadata.splitlines()[1:]] == [
        "'row': int64 (rows)",
        "'file': text (rows)",
        "'patient': text (rows)",
        "'age': int64 (rows)",
    ]


def test_info_of_pickles_without_an_index_has_no_metadata_columns(shards, capsys):
    assert main(["info", str(shards([3, 4]))]) == 0
    assert "metadata columns" not in capsys.readouterr().out


def test_keep_of_texts(tmp_path):
    table = tmp_path / "texts.csv"
    table.write_text("text,stars,site\na red cup,1,x\na blue cup,2,y\n")
    command = ["pack", "texts", str(table), "--text", "text", "--label", "stars", "--no-shuffle"]
    assert main([*command, "--keep", "site", "-o", str(tmp_path / "out")]) == 0
    assert read_all(tmp_path / "out", "site") == ["x", "y"]


@pytest.mark.parametrize("keep", [(), ("--keep", "patient")])
def test_no_patient_is_on_both_sides_of_a_split(table, tmp_path, keep):
    assert run(table, tmp_path / "out", *keep, "--split", "0.3", "--group", "patient") == 0
    train = read_all(tmp_path / "out/train", "patient")
    val = read_all(tmp_path / "out/val", "patient")
    assert sorted([*train, *val]) == sorted(PATIENTS)
    assert set(train).isdisjoint(val)
    assert 3 <= len(val) <= 12
    # Without --group, rows of a patient are on both sides.
    assert run(table, tmp_path / "loose", "--keep", "patient", "--split", "0.3") == 0
    train = read_all(tmp_path / "loose/train", "patient")
    assert not set(train).isdisjoint(read_all(tmp_path / "loose/val", "patient"))


def test_repair_splits_by_the_same_groups(table, tmp_path):
    options = ("--split", "0.3", "--group", "patient")
    assert run(table, tmp_path / "out", *options) == 0
    shard = tmp_path / "out/val/shard-00000.pkl"
    content = shard.read_bytes()
    shard.unlink()
    assert run(table, tmp_path / "out", *options, "--repair") == 0
    assert shard.read_bytes() == content


def test_group_of_an_hdf5_file_is_a_dataset(tmp_path):
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["x"], file["y"] = np.arange(24.0).reshape(12, 2), np.arange(12) % 2
        file["patient"] = np.arange(12) // 3
    command = ["pack", "hdf5", str(tmp_path / "t.h5"), "--column", "patient", "--split", "0.25"]
    assert main([*command, "--group", "patient", "-o", str(tmp_path / "out")]) == 0
    train, val = (set(read_all(tmp_path / "out" / part, "patient")) for part in ("train", "val"))
    assert train.isdisjoint(val)
    assert train | val == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--group", "patient"), "--group patient: divides the rows only together with --split"),
        (("--keep", "age", "--keep", "age"), "--keep names 'age' twice"),
        (("--keep", "patient,age"), "there is no column 'patient,age'. The columns are: file, la"),
        (("--split", "0.3", "--group", "ward"), "there is no column 'ward'. The columns are: file"),
    ],
)
def test_what_is_refused(table, tmp_path, capsys, options, expected):
    assert run(table, tmp_path / "out", *options) == 1
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_empty_group_is_refused_with_both_readings(table, tmp_path, capsys):
    write_table(table, [*LINES[:5], "5.png,b,,3", "6.png,a,,3", *LINES[7:]])
    assert run(table, tmp_path / "out", "--split", "0.3", "--group", "patient") == 1
    error = capsys.readouterr().err
    assert "this column is empty in 2 rows, such as row 5" in error
    assert "could be one group, or each a group of its own" in error
    write_table(table, [*LINES[:5], "5.png,b,x,", *LINES[6:]])
    assert run(table, tmp_path / "out", "--split", "0.3", "--group", "age") == 1
    assert "--group holds missing values (NaN)" in capsys.readouterr().err


def test_columns_are_those_of_a_csv_file(tmp_path, capsys):
    (tmp_path / "classes/a").mkdir(parents=True)
    write_image(tmp_path / "classes/a/0.png", 1)
    command = ["pack", "images", str(tmp_path / "classes"), "--size", "4x4", "--split", "0.5"]
    for option in ("--keep", "--group"):
        assert main([*command, option, "patient", "-o", str(tmp_path / "out")]) == 1
        assert f"{option} is for a CSV file" in capsys.readouterr().err
