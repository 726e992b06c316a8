"""Random orders: every number once, nearly uniform, and the same for ever."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bigdata.permutation import permutation, permutation_at, random_bits, shuffled_rows


def seeded(*key):
    return np.random.SeedSequence(7, spawn_key=key)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30_000), st.integers(0, 2**32))
def test_every_number_occurs_once(count, seed):
    sequence = np.random.SeedSequence(seed)
    everything = permutation_at(np.arange(count), count, sequence)
    assert everything.dtype == np.int64
    np.testing.assert_array_equal(np.sort(everything), np.arange(count))
    some = np.arange(0, count, 7)[::-1].copy()
    np.testing.assert_array_equal(permutation_at(some, count, sequence), everything[some])


def test_the_orders_of_this_release_are_those_of_every_release():
    assert random_bits(2, seeded(1)).tolist() == [8865173266238536338, 1098352469356231332]
    assert permutation(8, seeded(1)).tolist() == [1, 4, 3, 2, 6, 5, 0, 7]
    assert shuffled_rows(6, 3).tolist() == [0, 4, 1, 5, 3, 2]
    positions = np.array([0, 1, 2, 999_999_999_999])
    assert permutation_at(positions, 10**12, seeded(1)).tolist() == [
        770176178910,
        505751538642,
        95363022965,
        627834642448,
    ]


def test_orders_of_few_rows_are_uniform():
    """Each of the 24 orders of four rows occurs equally often, to within chance."""
    counts: dict[tuple[int, ...], int] = {}
    for number in range(4800):
        order = tuple(permutation_at(np.arange(4), 4, seeded(number)).tolist())
        counts[order] = counts.get(order, 0) + 1
    chi_square = sum((count - 200) ** 2 / 200 for count in counts.values())
    assert len(counts) == 24
    assert chi_square < 23 + 4 * np.sqrt(2 * 23)


@pytest.mark.parametrize("count", [8_193, 100_000])
def test_a_network_moves_rows_everywhere(count):
    first = np.array([permutation_at(np.array([0]), count, seeded(n))[0] for n in range(400)])
    quarters = np.bincount(first * 4 // count, minlength=4)
    assert ((quarters - 100) ** 2 / 100).sum() < 3 + 4 * np.sqrt(6)
