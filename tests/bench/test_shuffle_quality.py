"""How well an order mixes the rows, against values computed by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from keras_bigdata import Arrays, Shards, pack
from keras_bigdata.bench.shuffle_quality import order_quality, shuffle_quality
from keras_bigdata.cli.main import main

# A batch of 4 rows out of 4 shards of 4 rows, after a shuffle of all 16 rows.
FULL = 4 * (1 - math.comb(12, 4) / math.comb(16, 4))


@pytest.mark.parametrize(
    ("options", "distance"),
    [
        ({"shuffle": None}, 1),
        ({"shuffle": "shards"}, 1),
        ({"window_shards": 2}, (8 + 1) / 3),  # two of 8 rows in random order
        ({"window_shards": 3}, (8 + 1) / 3),  # 2 + 2 shards
        ({"window_shards": 4}, (16 + 1) / 3),
        ({"shuffle": "global"}, (16 + 1) / 3),
    ],
)
def test_the_distance_between_rows_that_are_stored_next_to_each_other(options, distance):
    quality = order_quality([4] * 4, 4, **options)
    assert quality.distance == pytest.approx(distance)
    assert quality.full_distance == pytest.approx(17 / 3)
    assert quality.full_shards_per_batch == pytest.approx(FULL)
    if options.get("shuffle", "window") in (None, "shards"):
        assert quality.shards_per_batch == 1


def test_shards_of_different_size_count_with_their_rows():
    quality = order_quality([2, 6], 3, window_shards=1)
    assert quality.distance == pytest.approx((2 * 3 + 6 * 7) / 3 / 8)
    none_of_2 = math.comb(6, 3) / math.comb(8, 3)
    assert quality.full_shards_per_batch == pytest.approx(1 - none_of_2 + 1)


def test_the_figures_are_those_of_the_order():
    # The formulas against a count: rows of 50 shards, all batches of three epochs.
    quality = order_quality([40] * 50, 32, window_shards=10)
    assert quality.expected_shards(10) == pytest.approx(quality.shards_per_batch, rel=0.05)
    mixed = order_quality([40] * 50, 32, shuffle="global")
    assert mixed.shards_per_batch == pytest.approx(mixed.full_shards_per_batch, rel=0.03)


def test_the_sufficient_window_is_the_smallest_one():
    # 50 shards in windows of equal size: 2 windows of 25 are not enough, so all must be mixed; of
    # 200 shards, the largest number of equal windows that is enough counts.
    assert order_quality([40] * 50, 32).sufficient_window == 50
    quality = order_quality([40] * 200, 32)
    window = quality.sufficient_window
    goal = 0.8 * quality.full_shards_per_batch
    count = 200 // window
    assert quality.expected_shards(200 / (count + 1)) < goal <= quality.expected_shards(200 / count)
    assert f'Pass shuffle="window", window_shards={window}, or pack' in quality.recommendation
    assert f"(shard_samples={quality.window_shards * 40 // window})" in quality.recommendation
    better = order_quality([40] * 200, 32, window_shards=window)
    assert "this is enough" in better.recommendation


def test_one_shard_and_batches_larger_than_the_set():
    assert order_quality([5], 32).recommendation.startswith("All rows are mixed")
    quality = order_quality([3, 3, 3], 32, shuffle="shards")
    assert quality.shards_per_batch == quality.full_shards_per_batch == 3
    assert "this is enough" in quality.recommendation


def test_a_million_shards():
    quality = order_quality(np.full(1_000_000, 1000), 64)
    assert quality.batches == 64
    assert quality.full_shards_per_batch == pytest.approx(64, abs=0.01)
    assert 5.5 < quality.shards_per_batch <= 12


@pytest.fixture(scope="module")
def by_class(tmp_path_factory):
    """10 classes of 200 rows, in the order of the classes, 20 rows in a shard."""
    directory = tmp_path_factory.mktemp("shards")
    arrays = Arrays(x=np.zeros((2000, 2)), labels=np.repeat(np.arange(10), 200), targets="labels")
    pack(arrays, directory / "sorted", shuffle=False, shard_samples=20, verbose=0)
    pack(arrays, directory / "mixed", shard_samples=20, verbose=0)
    return directory


def test_batches_of_one_class(by_class):
    # A batch of 20 is a shard, and each shard is of one class.
    assert shuffle_quality(by_class / "sorted", 20, shuffle="shards").pure_batches == 1
    assert shuffle_quality(by_class / "sorted", 20, shuffle="global").pure_batches == 0
    # Of 62 batches of 32 rows in the order of the rows, those around row 200, 400, 600, 1000, 1200,
    # 1400 and 1800 are of two classes; row 800 and row 1600 begin a batch.
    assert shuffle_quality(by_class / "sorted", 32, shuffle=None).pure_batches == 55 / 62
    selected = Shards(by_class / "sorted").where(lambda columns: columns["labels"] == 3)
    assert shuffle_quality(selected, 32).pure_batches == 1


def test_the_recommendation_knows_how_the_set_was_packed(by_class):
    assert "each shard is a random sample" in shuffle_quality(by_class / "mixed").recommendation
    stored = shuffle_quality(by_class / "mixed", shuffle=None).recommendation
    assert stored.endswith('Pass shuffle="window".')
    found = shuffle_quality(by_class / "sorted").recommendation
    assert found.startswith("Pack the set again with shuffle=True or with smaller shards")
    assert "or pass shuffle=" in found
    # A window of 50 of 100 shards, in each of which half of the classes may be rare.
    larger = shuffle_quality(by_class / "sorted", 10, window_shards=50).recommendation
    assert "this is enough, unless the rows are sorted" in larger


@pytest.mark.parametrize(
    ("options", "message"),
    [({"shuffle": "rows"}, "shuffle"), ({"window_shards": 0}, "window_shards")],
)
def test_wrong_arguments(by_class, options, message):
    with pytest.raises(ValueError, match=message):
        shuffle_quality(by_class / "mixed", **options)


def test_the_command(by_class, tmp_path, capsys):
    command = ["shuffle-report", str(by_class / "sorted"), "--batch-size", "20"]
    assert main([*command, "--shuffle", "shards", "--plot", str(tmp_path / "plot.png")]) == 0
    text = capsys.readouterr().out
    assert text.startswith('2,000 rows in 100 shards, batches of 20, shuffle="shards"\n')
    assert "batches of one class: 100%\n" in text
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert main([*command, "--window", "30", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    # 100 shards in 4 windows of 25.
    assert (figures["window_shards"], figures["is_shuffled"]) == (25, False)
    assert figures["distance"] == pytest.approx((500 + 1) / 3)
    assert main([*command, "--shuffle", "global", "--window", "3"]) == 1
    assert "--window is for --shuffle window" in capsys.readouterr().err
