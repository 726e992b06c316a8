from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bigdata.loading.order.epoch_plan import EpochPlan
from keras_bigdata.permutation import permutation, permutation_at

MODES = ["window", "shards", "global", None]


def served(plan: EpochPlan, epoch: int) -> list[tuple[int, int]]:
    batches = [plan.rows(epoch, batch) for batch in range(plan.num_batches)]
    return [pair for s, r in batches for pair in zip(s.tolist(), r.tolist(), strict=True)]


def everything(samples: list[int]) -> list[tuple[int, int]]:
    return [(shard, row) for shard, size in enumerate(samples) for row in range(size)]


@settings(deadline=None)
@given(
    samples=st.lists(st.integers(0, 40), min_size=1, max_size=12).filter(any),
    batch_size=st.integers(1, 50),
    shuffle=st.sampled_from(MODES),
    window_shards=st.integers(1, 14),
    seed=st.integers(0, 2**63),
    epoch=st.integers(0, 10**6),
)
def test_keep_serves_every_row_once(samples, batch_size, shuffle, window_shards, seed, epoch):
    plan = EpochPlan(
        np.array(samples), batch_size, shuffle=shuffle, window_shards=window_shards, seed=seed
    )
    rows = served(plan, epoch)
    assert sorted(rows) == everything(samples)
    sizes = [len(plan.rows(epoch, b)[0]) for b in range(plan.num_batches)]
    assert all(size == batch_size for size in sizes[:-1])


@settings(deadline=None)
@given(
    samples=st.lists(st.integers(0, 40), min_size=1, max_size=12).filter(any),
    batch_size=st.integers(1, 50),
    shuffle=st.sampled_from(MODES),
    epoch=st.integers(0, 10**6),
)
def test_drop_leaves_out_only_the_remainder(samples, batch_size, shuffle, epoch):
    plan = EpochPlan(np.array(samples), batch_size, shuffle=shuffle, last_batch="drop")
    rows = served(plan, epoch)
    assert len(set(rows)) == len(rows) == sum(samples) // batch_size * batch_size
    assert set(rows) <= set(everything(samples))


@pytest.mark.parametrize("shuffle", MODES)
def test_drop_leaves_out_other_rows_each_epoch(shuffle):
    samples = [10, 20, 33]
    plan = EpochPlan(np.array(samples), 10, shuffle=shuffle, last_batch="drop")
    left_out = [frozenset(set(everything(samples)) - set(served(plan, e))) for e in range(4)]
    assert {len(rows) for rows in left_out} == {3}
    assert len(set(left_out)) == 4


@pytest.mark.parametrize("shuffle", ["window", "shards", "global"])
def test_another_order_for_each_epoch_and_each_seed(shuffle):
    orders = [
        served(EpochPlan(np.full(20, 5), 7, shuffle=shuffle, seed=seed), epoch)
        for seed in range(3)
        for epoch in range(3)
    ]
    assert len({tuple(order) for order in orders}) == 9


def test_seed_and_epoch_do_not_add_up():
    plans = [EpochPlan(np.full(20, 5), 100, seed=seed) for seed in (0, 1)]
    assert served(plans[0], 1) != served(plans[1], 0)


def test_none_is_the_order_of_the_files():
    plan = EpochPlan(np.array([3, 0, 4]), 2, shuffle=None)
    assert served(plan, 0) == served(plan, 5) == everything([3, 0, 4])


def test_shards_keeps_rows_as_they_lie():
    plan = EpochPlan(np.array([3, 4, 5]), 12, shuffle="shards", seed=1)
    shards, rows = plan.rows(2, 0)
    order = list(dict.fromkeys(shards.tolist()))
    assert rows.tolist() == [r for s in order for r in range(3 + s)]
    assert len({tuple(dict.fromkeys(plan.rows(e, 0)[0].tolist())) for e in range(20)}) > 1


def test_window_mixes_rows_of_its_shards_only():
    plan = EpochPlan(np.full(9, 50), 150, shuffle="window", window_shards=3, seed=3)
    windows = [plan.rows(0, batch)[0] for batch in range(3)]
    assert [len(set(window.tolist())) for window in windows] == [3, 3, 3]
    assert len(set(np.concatenate(windows).tolist())) == 9
    # Mixed: neighbours come from one shard about once in three.
    same = np.mean(np.diff(windows[0]) == 0)
    assert 0.15 < same < 0.55


def test_order_is_frozen_across_releases():
    samples = np.array([4, 3, 5])

    def order(shuffle):
        plan = EpochPlan(samples, 12, shuffle=shuffle, window_shards=2, seed=7)
        return [f"{s}.{r}" for s, r in served(plan, 3)]

    assert {mode: " ".join(order(mode)) for mode in GOLDEN} == GOLDEN


def test_any_order_of_requests_gives_the_same_batches():
    sizes = np.array([30, 1, 17, 40, 2])
    for shuffle in MODES:
        first = EpochPlan(sizes, 8, shuffle=shuffle, seed=4)
        second = EpochPlan(sizes, 8, shuffle=shuffle, seed=4)
        requests = [(e, b) for e in range(5) for b in range(first.num_batches)]
        forward = {key: first.rows(*key) for key in requests}
        for key in reversed(requests):
            for one, other in zip(forward[key], second.rows(*key), strict=True):
                np.testing.assert_array_equal(one, other)


def seed_of(seed, *use):
    return np.random.SeedSequence(seed, spawn_key=use)


@given(count=st.integers(1, 30_000), seed=st.integers(0, 2**63), epoch=st.integers(0, 99))
def test_permuted_positions_are_a_permutation(count, seed, epoch):
    assert sorted(
        permutation_at(np.arange(count), count, seed_of(seed, 2, epoch)).tolist()
    ) == list(range(count))


def test_both_permutations_reach_every_order_equally():
    for shuffle in (
        lambda seed: permutation_at(np.arange(4), 4, seed_of(seed, 2, 0)),
        lambda seed: permutation(4, seed_of(seed, 0)),
    ):
        counts = Counter(tuple(shuffle(seed).tolist()) for seed in range(4800))
        assert len(counts) == 24
        # 200 expected of each; 6 standard deviations.
        assert all(115 < count < 285 for count in counts.values())


def test_permuted_positions_need_no_memory_for_all_samples():
    far = permutation_at(np.arange(10**15, 10**15 + 1000), 10**16, seed_of(1, 2, 0))
    assert len(set(far.tolist())) == 1000
    assert far.min() >= 0
    assert far.max() < 10**16
    assert far.std() > 10**15


GOLDEN = {
    "window": "2.4 2.0 1.0 2.3 2.1 2.2 1.2 1.1 0.1 0.2 0.0 0.3",
    "shards": "1.0 1.1 1.2 2.0 2.1 2.2 2.3 2.4 0.0 0.1 0.2 0.3",
    "global": "1.2 2.3 2.2 2.1 1.0 0.2 0.3 1.1 0.0 0.1 2.0 2.4",
}


@settings(deadline=None)
@given(
    samples=st.lists(st.integers(0, 200), min_size=1, max_size=30).filter(any),
    batch_size=st.integers(1, 50),
    shuffle=st.sampled_from(MODES),
    window_shards=st.integers(1, 8),
    most=st.integers(1, 100),
    epoch=st.integers(0, 3),
)
def test_runs_cut_an_epoch_into_pieces(samples, batch_size, shuffle, window_shards, most, epoch):
    plan = EpochPlan(np.array(samples), batch_size, shuffle=shuffle, window_shards=window_shards)
    batch = 0
    while batch < plan.num_batches:
        run = plan.run_at(epoch, batch, most)
        assert run.start == batch
        assert 0 < len(run) <= most
        assert {plan.run_at(epoch, inside, most) for inside in run} == {run}
        batch = run.stop
    assert batch == plan.num_batches


def test_a_run_is_a_window_where_windows_are_large():
    plan = EpochPlan(np.full(12, 100), 20, shuffle="window", window_shards=4)
    runs = {plan.run_at(0, batch, 1000) for batch in range(plan.num_batches)}
    assert runs == {range(0, 20), range(20, 40), range(40, 60)}


@pytest.mark.parametrize(
    ("shards", "sizes"), [(7, [4, 3]), (25, [5] * 5), (6, [6]), (13, [5, 4, 4]), (1, [1])]
)
def test_the_last_window_is_not_a_single_shard(shards, sizes):
    plan = EpochPlan(np.full(shards, 10), 10, window_shards=6, seed=3)
    found, _ = plan.rows(0, 0, plan.num_batches)
    start = 0
    for size in sizes:
        assert len(set(found[start : start + 10 * size].tolist())) == size
        start += 10 * size
    assert start == len(found)


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("shuffle", MODES)
def test_drop_leaves_out_rows_of_small_shards_no_more_often(shuffle):
    sizes = np.array([50, 10, 50, 50, 10, 50, 50, 10])
    plan = EpochPlan(sizes, 32, shuffle=shuffle, window_shards=3, seed=1, last_batch="drop")
    served = np.zeros(len(sizes))
    epochs = 2800  # a multiple of the rows: each is as often the first one
    for epoch in range(epochs):
        served += np.bincount(plan.rows(epoch, 0, plan.num_batches)[0], minlength=len(sizes))
    dropped = 1 - served / epochs / sizes
    # Of shards of 10 rows some 2,400 are expected; windows dropped 1.4 times as many before.
    # With "shards" all rows of a shard are dropped together, so that their number varies more.
    np.testing.assert_allclose(dropped / dropped.mean(), 1, atol=0.15)


@pytest.mark.slow
def test_global_order_of_a_handful_of_rows_is_uniform():
    counts = Counter(
        tuple(EpochPlan(np.array([5]), 5, shuffle="global", seed=seed).rows(0, 0)[1].tolist())
        for seed in range(6_000)
    )
    assert len(counts) == 120
    chi_square = sum((count - 50) ** 2 / 50 for count in counts.values())
    assert chi_square < 200  # 119 expected, standard deviation 15; it was 310
