from __future__ import annotations

import math
import os
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_bigdata import ShardWriter
from keras_bigdata.bench import Rates, bench, measure
from keras_bigdata.bench.disk import disk_rate
from keras_bigdata.bench.null_model import EpochTimes, NullModel
from keras_bigdata.cli import main
from keras_bigdata.shards.scan import open_shards
from tests.conftest import ROLES

RATES = Rates(
    alone=6000,
    fit=5000,
    ceiling=8000,
    memory=7000,
    disk=2000,
    row_bytes=10,
    file_bytes=20,
    shards=3,
    shards_of=3,
    memory_samples=100,
)
QUICK = ["--inputs", "x", "--targets", "id", "--rounds", "1", "--seconds", "0.02"]


@pytest.mark.parametrize(
    ("model", "disk", "words"),
    [
        (100, 2000, "never waits: neither the disk nor the feeding"),
        (3000, 2000, "wait for the disk, which gives 2,000; when the shards are in the page cache"),
        (3000, None, "what the disk gives is not known"),
        (9000, 2000, "5,000 when the shards are in the page cache, and 2,000 while they come from"),
        (9000, 20_000, "5,000 when the shards are in the page cache; arrays in memory would give"),
        (9000, None, "wait for the feeding, which gives 5,000"),
    ],
)
def test_what_a_model_would_wait_for(model, disk, words):
    rates = replace(RATES, disk=disk)
    assert words in rates.verdict(model)
    assert rates.verdict(model).startswith(f"A model that trains {model:,} samples/s ")


@pytest.mark.parametrize(
    ("disk", "words"),
    [
        (2000, "more than 2,000 samples/s would wait for the disk, and one of more than 5,000 for"),
        (9000, "more than 5,000 samples/s would wait for the feeding; below that it never waits."),
        (None, "what the disk gives is not known"),
    ],
)
def test_from_which_rate_on_a_model_would_wait(disk, words):
    assert words in replace(RATES, disk=disk).limits()


@pytest.mark.parametrize("rate", [0, -1, math.nan])
def test_a_rate_that_is_none(rate, capsys):
    with pytest.raises(ValueError, match="`rate` must be above 0"):
        RATES.verdict(rate)
    with pytest.raises(SystemExit):
        main(["bench", "nowhere", f"--rate={rate}"])
    assert "expected a number above 0" in capsys.readouterr().err


@pytest.mark.slow
def test_measures_everything(shards):
    rates = bench(shards([60, 41]), 8, rounds=2, seconds=0.02, **ROLES)
    assert rates.row_bytes == 16
    assert rates.file_bytes > 16
    assert rates.memory_samples == 101
    assert rates.shards == rates.shards_of == 2
    for rate in (rates.alone, rates.fit, rates.ceiling, rates.memory):
        assert rate > 0


@pytest.mark.slow
def test_inputs_alone_and_nested_inputs_of_a_packed_set(tmp_path):
    inputs = {"a": "a", "b": "b"}
    with ShardWriter(tmp_path / "shards", inputs=inputs) as writer:
        for _ in range(3):
            writer.write({"a": np.zeros((5, 2), np.float32), "b": np.zeros((5, 3), np.uint8)})
    rates = bench(tmp_path / "shards", 2, rounds=1, seconds=0.02)
    assert rates.row_bytes == 11
    assert rates.memory_samples == 15


@pytest.mark.slow
def test_of_a_large_set_a_part_from_all_over_it_is_measured(shards, monkeypatch):
    directory = shards([100] * 10)
    index = open_shards(directory)
    monkeypatch.setattr(measure, "_MOST_BYTES", int(index.sizes[:4].sum()))
    part = measure._part(index, measure._MOST_BYTES)
    assert part.names == [index.names[0], index.names[3], index.names[6], index.names[9]]
    rates = bench(directory, 8, rounds=1, seconds=0.02, **ROLES)
    assert (rates.shards, rates.shards_of) == (4, 10)
    assert rates.memory_samples <= 400
    assert len(measure._part(index, 1)) == 1


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="Linux")
def test_files_that_lie_in_memory_give_no_rate_of_a_disk(shards, tmp_path):
    if not Path("/dev/shm").is_dir() or not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm")
    index = open_shards(shards([60]))
    linked = Path("/dev/shm") / f"keras_bigdata-{os.getpid()}.pkl"
    linked.write_bytes(index.path(0).read_bytes())
    try:
        assert disk_rate(open_shards(linked)) is None
    finally:
        linked.unlink()


def test_waiting_for_the_first_batch_counts_unless_it_is_now_and_then(monkeypatch):
    clock = iter([1.0, 2.0, 2.5, 3.5, 9.5, 10.5, 10.8, 12.8])  # first batch, end, first batch, ...
    monkeypatch.setattr("keras_bigdata.bench.null_model.time.perf_counter", lambda: next(clock))
    times = EpochTimes(1e9)
    times.on_train_begin()
    for epoch in range(4):
        times.on_train_batch_begin(0)
        times.on_train_batch_begin(1)
        times.on_epoch_end(epoch)
    assert times.typical == pytest.approx(0.3 + 1.0)


def test_epochs_are_timed_until_it_is_enough():
    class Slow(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            time.sleep(0.01)
            return np.zeros((1, 1)), np.zeros(1)

    times = EpochTimes(0.1)
    history = NullModel().fit(Slow(), epochs=100, verbose=0, callbacks=[times])
    assert 0.02 <= times.typical < 0.5
    assert 4 <= len(history.epoch) < 100


def test_the_command_prints_rates_and_a_verdict(shards, capsys):
    directory = str(shards([60, 40]))
    assert main(["bench", directory, *QUICK, "--rate", "7"]) == 0
    told = capsys.readouterr().out
    assert "shuffled arrays in memory (1.6 KB)" in told
    assert "fit is" in told
    assert "A model that trains 7 samples/s" in told
    assert told.count("A model that trains more than") == 1
    assert "Measured on" not in told


def test_bad_arguments(shards, capsys):
    directory = shards([60])
    for seconds in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="`seconds`"):
            bench(directory, 8, seconds=seconds, **ROLES)
    with pytest.raises(ValueError, match="`rounds`"):
        bench(directory, 8, rounds=0, **ROLES)
    assert main(["bench", str(directory)]) == 1
    assert "say which fields" in capsys.readouterr().err
