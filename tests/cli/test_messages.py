"""Messages of the commands name their options, and not the arguments of functions."""

from __future__ import annotations

import argparse
import pickle

import numpy as np
import pytest

from keras_bigdata.cli import main
from keras_bigdata.cli.option_names import in_options


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


def test_a_url_is_refused_by_the_name_of_the_option(images, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["verify", "s3://bucket/train"]) == 1
    assert "DIR must be a path on this machine, not a URL" in capsys.readouterr().err
    assert main(["verify", images, "--layout", "columns", "--against", "s3://bucket/val"]) == 1
    assert "--against must be a path on this machine" in capsys.readouterr().err


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
