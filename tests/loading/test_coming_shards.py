"""Which shards are needed next, and when a shard is needed again."""

from __future__ import annotations

import time

import numpy as np
import pytest

from keras_bigdata.loading.fetching.coming_shards import ComingShards
from keras_bigdata.loading.order.epoch_plan import EpochPlan

SAMPLES = np.array([7, 3, 9, 5, 8, 4, 6, 10, 2, 6, 7])


def coming(plan, rows=None, **options):
    rows = rows or min(plan.num_batches * plan.batch_size, plan.num_samples)
    return ComingShards([plan], [np.arange(len(plan.samples))], rows, 3, **options)


def stream(plan, start, count, repeats=False):
    """The shards of `count` batches of the stream, row by row."""
    shards = []
    for position in range(start, start + count):
        epoch, batch = divmod(position, plan.num_batches)
        shards += plan.rows(0 if repeats else epoch, batch)[0].tolist()
    return list(dict.fromkeys(shards))


@pytest.mark.parametrize("shuffle", ["window", "shards", None])
@pytest.mark.parametrize("last_batch", ["keep", "drop"])
@pytest.mark.parametrize("repeats", [False, True])
def test_shards_come_in_the_order_of_their_first_use(shuffle, last_batch, repeats):
    plan = EpochPlan(SAMPLES, 4, shuffle=shuffle, window_shards=3, seed=5, last_batch=last_batch)
    found = coming(plan, repeats=repeats)
    for position in range(plan.num_batches * (1 if repeats else 2)):
        epoch, batch = divmod(position, plan.num_batches)
        first = epoch * found.pass_rows + batch * 4
        horizon = found.horizon(first, first + 4)
        used = stream(plan, position, 2 * plan.num_batches, repeats)
        expected = [shard for shard in used if shard in horizon.shards]
        assert list(horizon.shards) == expected
        assert len(horizon.shards) <= 2 * 3
        # All that the windows up to `reach` need is there.
        reached = (horizon.reach - first) // 4
        assert set(stream(plan, position, reached, repeats)) <= set(horizon.shards)
        assert horizon.reach > first + 4, "the batch that follows must be within reach"
        assert set(used[: horizon.current]) == set(horizon.shards[: horizon.current])


def test_the_horizon_of_a_short_run_drops_no_shard_that_it_needs_again():
    plan = EpochPlan(np.full(24, 10), 7, window_shards=1, seed=1)
    found = ComingShards([plan], [np.arange(24)], 240, 1)
    long = found.horizon(175, 231)
    assert len(long.shards) == 12
    short = found.horizon(231, 240, largest=long.current)
    passed = set(stream(plan, 25, 8)) - set(stream(plan, 33, 2))
    assert set(long.shards) - passed <= set(short.shards)


def test_a_global_shuffle_needs_all_shards_those_of_the_first_rows_first():
    plan = EpochPlan(SAMPLES, 4, shuffle="global", seed=1)
    horizon = coming(plan).horizon(8, 12)
    assert sorted(horizon.shards) == list(range(len(SAMPLES)))
    assert list(horizon.shards[:3]) == stream(plan, 2, 9)[:3]


@pytest.mark.parametrize("repeats", [False, True])
def test_how_soon_a_shard_is_needed_again(repeats):
    plan = EpochPlan(SAMPLES, 4, window_shards=3, seed=5)
    found = coming(plan, repeats=repeats)
    for batch in range(plan.num_batches):
        needed = found.needed_in(batch * 4, len(SAMPLES))
        horizon = found.horizon(batch * 4, batch * 4 + 4)
        used = stream(plan, batch, 3 * plan.num_batches, repeats)
        rest = [shard for shard in used if shard not in horizon.shards]
        windows = [needed[shard] for shard in rest]
        assert windows == sorted(windows), "shards that are used earlier are needed sooner"
        assert (needed[rest] > 0).all()


def test_shards_of_each_variant_are_needed_in_its_own_passes():
    plans = [EpochPlan(np.full(4, 10), 5, window_shards=1, seed=2) for _ in range(2)]
    variants = [np.array([0, 2, 4, 6]), np.array([1, 3, 5, 7])]
    found = ComingShards(plans, variants, 40, 1)
    needed = found.needed_in(0, 9)
    assert set(needed[variants[0]].tolist()) == {0, 10, 20, 30}
    assert set(needed[variants[1]].tolist()) == {40, 50, 60, 70}
    assert needed[8] == -1, "a shard without selected rows is not needed"
    last = found.horizon(35, 40)
    assert last.shards[0] in variants[0]
    assert last.shards[1] in variants[1]


def test_a_hundred_thousand_shards_take_milliseconds():
    plan = EpochPlan(np.full(100_000, 1000), 64, seed=3)
    found = coming(plan)
    found.horizon(0, 64), found.needed_in(0, 100_000)
    started = time.process_time()
    found.horizon(6_000_000, 6_000_064)
    found.needed_in(6_000_000, 100_000)
    assert time.process_time() - started < 0.5, "measured: 0.01 s"
