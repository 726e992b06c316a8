from __future__ import annotations

import math
import os
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_bigdata import ShardSequence, ShardWriter
from keras_bigdata.bench import Rates, bench
from keras_bigdata.bench.disk import measure_disk
from keras_bigdata.bench.measure import _select_shards, measure_read_rate
from keras_bigdata.bench.null_model import EpochTimer, NullModel
from keras_bigdata.cli import main
from keras_bigdata.shards.opening.open_shards import open_shards
from tests.helpers.unindexed_pickles import ROLES

RATES = Rates(
    loop=6000,
    fit=5000,
    constant_batch=8000,
    memory=7000,
    disk=2000,
    row_bytes=10,
    file_bytes=20,
    shards=3,
    total_shards=3,
    memory_samples=100,
)
QUICK = ["--inputs", "x", "--targets", "id", "--rounds", "1", "--seconds", "0.02"]


@pytest.mark.parametrize(
    ("model", "disk", "words"),
    [
        (100, 2000, "never waits: neither the disk nor the input pipeline"),
        (
            3000,
            2000,
            "the disk, which delivers 2,000; with the shards in the page cache it never",
        ),
        (3000, None, "The throughput of the disk is unknown"),
        (9000, 2000, "5,000 with the shards in the page cache, and 2,000 from the disk; arrays"),
        (
            9000,
            20_000,
            "5,000 with the shards in the page cache; arrays in memory would deliver",
        ),
        (9000, None, "wait for the input pipeline, which delivers 5,000"),
    ],
)
def test_what_a_model_would_wait_for(model, disk, words):
    rates = replace(RATES, disk=disk)
    assert words in rates.describe_bottleneck(model)
    assert rates.describe_bottleneck(model).startswith(f"A model that trains {model:,} samples/s ")


@pytest.mark.parametrize(
    ("disk", "words"),
    [
        (2000, "2,000 samples/s would wait for the disk, and one that trains more than 5,000 for"),
        (9000, "5,000 samples/s would wait for the input pipeline; a slower model never waits."),
        (None, "The throughput of the disk is unknown."),
    ],
)
def test_above_which_rate_a_model_would_wait(disk, words):
    assert words in replace(RATES, disk=disk).describe_limits()


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf])
def test_an_invalid_rate(rate, capsys):
    with pytest.raises(ValueError, match="`rate` must be a finite number above 0"):
        RATES.describe_bottleneck(rate)
    with pytest.raises(SystemExit):
        main(["bench", "nowhere", f"--rate={rate}"])
    assert "expected a finite number above 0" in capsys.readouterr().err


@pytest.mark.slow
def test_measures_everything(shards):
    rates = bench(shards([60, 41]), 8, rounds=2, seconds=0.02, **ROLES)
    assert rates.row_bytes == 16
    assert rates.file_bytes > 16
    assert rates.memory_samples == 101
    assert rates.shards == rates.total_shards == 2
    for rate in (rates.loop, rates.fit, rates.constant_batch, rates.memory):
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
def test_a_large_set_is_measured_on_shards_spread_over_it(shards):
    directory = shards([100] * 10)
    index = open_shards(directory)
    max_bytes = int(index.sizes[:4].sum())
    part = _select_shards(index, max_bytes)
    assert part.names == [index.names[0], index.names[3], index.names[6], index.names[9]]
    rates = bench(directory, 8, rounds=1, seconds=0.02, max_bytes=max_bytes, **ROLES)
    assert (rates.shards, rates.total_shards) == (4, 10)
    assert rates.memory_samples <= 400
    assert len(_select_shards(index, 1)) == 1


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="Linux")
def test_files_in_a_file_system_in_memory_have_no_disk_throughput(shards, tmp_path):
    if not Path("/dev/shm").is_dir() or not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm")
    index = open_shards(shards([60]))
    copy = Path("/dev/shm") / f"keras_bigdata-{os.getpid()}.pkl"
    copy.write_bytes(index.path(0).read_bytes())
    try:
        assert measure_disk(open_shards(copy)) is None
    finally:
        copy.unlink()


def test_the_shortest_wait_for_a_first_batch_counts():
    clock = iter([1.0, 2.0, 2.5, 3.5, 9.5, 10.5, 10.8, 12.8])  # first batch, end, first batch, ...
    timer = EpochTimer(1e9, clock=lambda: next(clock))
    timer.on_train_begin()
    for epoch in range(4):
        timer.on_train_batch_begin(0)
        timer.on_train_batch_begin(1)
        timer.on_epoch_end(epoch)
    assert timer.epoch_seconds == pytest.approx(0.3 + 1.0)


def test_epochs_are_timed_until_enough_time_has_passed():
    class Slow(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            time.sleep(0.01)
            return np.zeros((1, 1)), np.zeros(1)

    timer = EpochTimer(0.1)
    history = NullModel().fit(Slow(), epochs=100, verbose=0, callbacks=[timer])
    assert 0.02 <= timer.epoch_seconds < 0.5
    assert 4 <= len(history.epoch) < 100


def test_the_rate_of_reading_counts_all_batches_but_the_first(shards):
    seconds = iter(range(100))
    # Batches of 4, 4, 3 rows. The clock is read at the start, after each batch and at the end: 7
    # samples in 1.5 s.
    sequence = ShardSequence(shards([5, 6]), 4, **ROLES)

    def clock():
        return next(seconds) * 0.5

    assert measure_read_rate(sequence, seconds=100, clock=clock) == pytest.approx(7 / 1.5)
    assert measure_read_rate(sequence, seconds=0.1, clock=clock) == pytest.approx(4 / 1.0)
    assert sequence.epoch == 0
    with pytest.raises(ValueError, match="too few to measure"):
        measure_read_rate(ShardSequence(shards([3]), 4, **ROLES))


@pytest.mark.slow
def test_the_command_prints_rates_and_bottlenecks(shards, capsys):
    directory = str(shards([60, 40]))
    assert main(["bench", directory, *QUICK, "--rate", "7"]) == 0
    output = capsys.readouterr().out
    assert "fit on arrays in memory (1.6 KB)" in output
    assert "fit / this" in output
    assert "A model that trains 7 samples/s" in output
    assert output.count("A model that trains more than") == 1
    assert "Measured on" not in output


def test_bad_arguments(shards, capsys):
    directory = shards([60])
    for seconds in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="`seconds`"):
            bench(directory, 8, seconds=seconds, **ROLES)
    for name in ("rounds", "max_bytes"):
        with pytest.raises(ValueError, match=f"`{name}`"):
            bench(directory, 8, **{name: 0}, **ROLES)
    assert main(["bench", str(directory)]) == 1
    assert "say which fields" in capsys.readouterr().err
