"""Messages of the commands name options, not the arguments of functions."""

from __future__ import annotations

import argparse
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from keras_bigdata import ShardIndex
from keras_bigdata.cli import main
from keras_bigdata.cli.option_names import in_options
from tests.helpers.image_files import write_image
from tests.helpers.packs import read_rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six images, of which number 2 is missing, with two tables."""
    for row in (0, 1, 3, 4, 5):
        write_image(tmp_path / f"{row}.png", row * 40)
    lines = [f"{row}.png,{'ab'[row % 2]},{row}" for row in range(6)]
    (tmp_path / "t.csv").write_text("\n".join(["file,label,age", *lines]))
    (tmp_path / "s.csv").write_text("\n".join(["file,label,age", *lines]).replace(",", ";"))
    return tmp_path


def run(folder: Path, *options: str, table: str = "t.csv") -> int:
    command = ["pack", "images", str(folder / table), "--image", "file", "--size", "4x4"]
    output = () if "-o" in options else ("-o", str(folder / "out"))
    return main([*command, *options, *output])


def message(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_no_shuffle_keeps_the_order_and_lists_skipped_rows(folder: Path):
    assert run(folder, "--label", "label", "--no-shuffle", "--on-error", "skip") == 0
    index = ShardIndex.load(folder / "out")
    assert read_rows(index)["images"][:, 0, 0, 0].tolist() == [0, 40, 120, 160, 200]
    # The row in the table of each packed row.
    skipped = [entry["row"] for entry in index.provenance["skipped"]]
    assert np.delete(np.arange(6), skipped).tolist() == [0, 1, 3, 4, 5]
    assert index.provenance["arguments"]["shuffle"] is False


def test_advice_is_an_option(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run(folder, "--label", "label") == 1
    error = message(capsys)
    assert "row 2: " in error
    assert "or pass --on-error skip to leave out such rows" in error
    assert "on_error" not in error


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--label", "label", "--label", "label"], "--label names 'label' twice"),
        (["--target", "age", "--target", "age"], "--target names 'age' twice"),
        (["--seed", "-1"], "--seed must be an integer of at least 0. Received: --seed -1"),
        (["--split", "1.5"], "--split must be a number between 0 and 1. Received: --split 1.5"),
        (["--shard-samples", "0"], "--shard-samples must be an integer of at least 1"),
        (["-o", "s3:/bucket/x"], "--output must be a path or a URL such as"),
        (["--root", "gs://b"], "--root must be a path on this machine, not a URL"),
        (["--mask-values", "0,255"], "--mask-values needs --mask"),
    ],
)
def test_a_wrong_value_names_its_option(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], expected: str
):
    assert run(folder, *options) == 1
    error = message(capsys)
    assert expected in error
    assert "Traceback" not in error
    assert error.count("\n") == 1


def test_a_table_with_another_delimiter_names_it(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run(folder, "--label", "label", table="s.csv") == 1
    assert "With --delimiter ';' there are the columns: file, label, age" in message(capsys)
    (folder / "s.csv").write_text((folder / "s.csv").read_text().replace(";", "\t"))
    assert run(folder, "--label", "label", table="s.csv") == 1
    assert r"With --delimiter '\t' there are" in message(capsys)


def test_options_of_a_table_are_refused_for_a_directory(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    command = ["pack", "images", str(folder), "--size", "4x4", "-o", str(folder / "out")]
    for option, value in (("--mask-values", "0,1"), ("--delimiter", ";"), ("--root", "x")):
        assert main([*command, option, value]) == 1
        assert f"{option} is for a CSV file" in message(capsys)


def test_names_and_numbers_separated_by_commas(folder: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        run(folder, "--mask", "file", "--mask-values", "0,white")
    assert "expected integers separated by commas such as 0,255" in message(capsys)
    with pytest.raises(SystemExit):
        main(["verify", str(folder), "--fields", "images,,labels"])
    assert "in which one is empty" in message(capsys)


def test_a_wrong_type_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]):
    with h5py.File(folder / "t.h5", "w") as file:
        file["x"], file["y"] = np.zeros((4, 2)), np.zeros((4, 3))
    like = folder / "like"
    assert run(folder, "--label", "label", "--on-error", "skip", "-o", str(like)) == 0
    capsys.readouterr()
    command = ["pack", "hdf5", str(folder / "t.h5"), "--label", "y", "--like", str(like)]
    assert main([*command, "-o", str(folder / "out")]) == 1
    assert "Traceback" not in message(capsys)


def test_names_of_arguments_become_options():
    parsed = argparse.Namespace(delimiter=",", on_error="raise", output="x", source="y", like=None)
    for text, expected in (
        ("pass delimiter=';'", "pass --delimiter ';'"),
        ('pass on_error="skip" to', "pass --on-error skip to"),
        ("`directory` must be", "--output must"),
        ("pass classes=ShardIndex.load(x)", "pass --like ShardIndex.load(x)"),
        ("`unknown` and unknown=3", "`unknown` and unknown=3"),
        ("a.delimiter=3", "a.delimiter=3"),
    ):
        assert in_options(text, parsed).startswith(expected)


# Bare pickles


@pytest.fixture
def images(tmp_path):
    """Creates a directory of pickles, each of which may be one image."""
    for number in range(3):
        (tmp_path / f"{number}.pkl").write_bytes(pickle.dumps({"x": np.zeros((8, 8, 3))}))
    return str(tmp_path)


def test_errors_of_a_command_name_its_options(images, capsys):
    for command in (["info"], ["bench", "--inputs", "x"]):
        assert main([*command, images]) == 1
        error = capsys.readouterr().err
        assert error.endswith("If they are rows, pass --layout columns.\n")
        assert "layout=" not in error
    assert main(["info", images, "--layout", "columns"]) == 0
    assert "samples: 24" in capsys.readouterr().out


def test_faults_that_a_command_prints_name_its_options(images, capsys):
    assert main(["verify", images]) == 1
    output = capsys.readouterr().out
    assert "If they are rows, pass --layout columns." in output
    assert "layout=" not in output
    assert main(["verify", images, "--layout", "columns"]) == 0


def test_a_wrong_url_is_refused_by_the_name_of_the_option(images, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["verify", "s3:/bucket/train"]) == 1
    assert "DIR must be a path or a URL such as" in capsys.readouterr().err
    assert main(["verify", images, "--layout", "columns", "--against", "s3:/bucket/val"]) == 1
    assert "--against must be a path or a URL such as" in capsys.readouterr().err
    assert not (tmp_path / "s3:").exists()


def test_names_in_paths_and_of_other_functions_stay_as_they_are():
    parsed = argparse.Namespace(layout=None, split=None)
    for message in (
        "/data/split=train/0.pkl: the file is missing.",
        "repair('d', source=..., dry_run=False)",
        "call f(split=0.5)",
        "`pack` was stopped.",
    ):
        assert in_options(message, parsed) == message
    assert in_options("Pass `split` or layout='columns'.", parsed) == (
        "Pass --split or --layout columns."
    )


def test_advice_about_a_flag_is_an_option_that_the_command_takes(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    write_image(folder / "2.png", 80)
    (folder / "more.csv").write_text("file,label,age\n1.png,a,9\n")
    assert run(folder) == 0
    assert run(folder, "--append", table="more.csv") == 0
    capsys.readouterr()
    assert run(folder) == 1
    assert "Pass --append to get the index of all rows" in message(capsys)
    assert run(folder, table="more.csv") == 1
    assert "This call was appended to it: pass --append. " in message(capsys)


def test_flags_have_no_value():
    parsed = argparse.Namespace(append=False, no_shuffle=True, source="t.csv")
    for text, expected in (
        ("Pass append=True, or", "Pass --append, or"),
        ("Pass append=False.", "Pass no --append."),
        ("Pass shuffle=False.", "Pass --no-shuffle."),
        ("Pass shuffle=True.", "Pass no --no-shuffle."),
        ("keras_bigdata.repair('d', source=...)", "keras_bigdata.repair('d', source=...)"),
    ):
        assert in_options(text, parsed) == expected
