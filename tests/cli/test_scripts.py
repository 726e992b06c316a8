"""What scripts and shells use: JSON, exit status, help, completion, tracebacks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_bigdata import Arrays, pack
from keras_bigdata.cli import info
from keras_bigdata.cli.completion import subcommands
from keras_bigdata.cli.main import _build_parser, main
from tests.helpers.image_files import write_image


@pytest.fixture
def shards(tmp_path):
    arrays = Arrays(x=np.zeros((20, 3)), labels=np.arange(20) % 2, targets="labels")
    pack(arrays, tmp_path / "shards", verbose=0)
    return str(tmp_path / "shards")


def run(capsys, *command, status=0):
    assert main(command) == status
    return json.loads(capsys.readouterr().out)


def test_figures_of_a_set(shards, capsys):
    found = run(capsys, "info", shards, "--json")
    assert (found["samples"], found["shards"], found["packed"]) == (20, 1, True)
    assert found["fields"]["x"] == {"dtype": "float64", "shape": [3], "row_bytes": 24}
    assert found["roles"]["targets"] == "labels"
    assert found["class_counts"] == [10, 10]
    assert "row" in found["columns"]


def test_faults(shards, capsys):
    found = run(capsys, "verify", shards, "--json")
    assert (found["ok"], found["rows"], found["faults"]) == (True, 20, [])
    for path in (path for path in Path(shards).glob("*.p*kl*") if path.is_file()):
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    found = run(capsys, "verify", shards, "--json", status=1)
    assert not found["ok"]
    assert found["faults"][0]["kind"] in ("checksum", "structure", "unreadable")
    assert found["faults"][0]["remedy"]


@pytest.mark.slow
def test_times(shards, tmp_path, capsys):
    options = ["--epochs", "4", "--pack-seconds", "10", "--samples-per-second", "20"]
    found = run(capsys, "estimate", shards, *options, "--json")
    # 20 rows at 20 samples/s: 1 s in an epoch; 10 + 4 against 4 * 10.
    assert found["in_turn"] == {
        "on_the_fly_seconds": 40,
        "packed_seconds": 14,
        "break_even_epoch": 2,
    }
    (tmp_path / "photos").mkdir()
    write_image(tmp_path / "photos" / "a.png", 30, (8, 8))
    found = run(capsys, "estimate", str(tmp_path / "photos"), "--size", "8x8", "--json")
    assert found["images"] == 1
    assert found["forms"]["pixels"]["image_bytes"] == 192


@pytest.mark.slow
def test_rates(shards, capsys):
    command = ["bench", shards, "--rounds", "1", "--seconds", "0.01", "--rate", "5", "--json"]
    found = run(capsys, *command)
    assert found["fit"] > 0
    assert len(found["bottlenecks"]) == 1


def test_each_command_has_an_example():
    parser = _build_parser()
    commands = [parser, *subcommands(parser)]
    assert len(commands) == 15
    for command in commands:
        assert "Example: keras-bigdata " in command.format_help().replace("\n", " "), command.prog
    for status in ("  0  ", "  1  ", "  2  ", "  3  ", "  130  "):
        assert status in parser.format_help()


@pytest.mark.parametrize(
    "command", [["--debug", "info", "missing"], ["info", "missing", "--debug"]]
)
def test_the_traceback_is_printed_on_request(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(command) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err
    assert main([each for each in command if each != "--debug"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("keras-bigdata: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ImportError("Plots need matplotlib."), "keras-bigdata: Plots need matplotlib.\n"),
        (KeyError("x"), "keras-bigdata: unexpected KeyError: 'x'. This is a fault of"),
    ],
)
def test_all_errors_are_one_line(shards, capsys, monkeypatch, error, message):
    def fail(index):
        raise error

    monkeypatch.setattr(info, "_print_fields", fail)
    assert main(["info", shards]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith(message)
    assert printed.count("\n") == 1


def test_shells_complete_commands_and_files(capsys):
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", "bash"])
    assert ended.value.code == 0
    script = capsys.readouterr().out
    assert "shuffle-report" in script
    assert "--batch-size" in script
    assert "compgen -d" in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_completion_without_shtab(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", "zsh"])
    assert ended.value.code == 1
    assert "pip install 'keras_bigdata[completion]'" in capsys.readouterr().err
