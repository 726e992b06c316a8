from __future__ import annotations

import pytest

from keras_bigdata.bench import Rates, bench
from keras_bigdata.cli import main
from tests.conftest import ROLES


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (100, "never waits: neither the disk nor the feeding"),
        (
            3000,
            "for the disk, which gives 2,000, wherever the shards are not in the page cache",
        ),
        (9000, "wait for the feeding, which gives 5,000; arrays in memory would give 7,000"),
    ],
)
def test_what_a_model_would_wait_for(model, words):
    rates = Rates(row_bytes=10, alone=6000, fit=5000, ceiling=8000, memory=7000, disk=2000)
    assert words in rates.verdict(model)
    assert rates.verdict(model).startswith(f"A model that trains {model:,} samples/s ")


def test_a_disk_that_cannot_be_measured():
    rates = Rates(row_bytes=10, alone=6000, fit=5000, ceiling=8000, memory=7000, disk=None)
    assert "where the shards are in the page cache" in rates.verdict(4000)


def test_measures_everything(shards):
    rates = bench(shards([60, 40]), 8, rounds=1, seconds=0.02, **ROLES)
    assert rates.row_bytes == 16
    for rate in (rates.alone, rates.fit, rates.ceiling, rates.memory):
        assert rate > 0


def test_the_command_prints_rates_and_a_verdict(shards, capsys):
    directory = str(shards([60, 40]))
    arguments = ["--inputs", "x", "--targets", "id", "--rounds", "1", "--seconds", "0.02"]
    assert main(["bench", directory, *arguments, "--rate", "7"]) == 0
    told = capsys.readouterr().out
    assert "arrays in memory" in told
    assert "A model that trains 7 samples/s" in told
    assert told.count("A model that") == 1


def test_bad_arguments(shards, capsys):
    directory = shards([60])
    with pytest.raises(ValueError, match="`seconds`"):
        bench(directory, 8, seconds=0, **ROLES)
    with pytest.raises(ValueError, match="`rounds`"):
        bench(directory, 8, rounds=0, **ROLES)
    assert main(["bench", str(directory)]) == 1
    assert "say which fields" in capsys.readouterr().err
