"""Splits keep every row, the proportion of classes, and groups together."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_bigdata import Arrays
from keras_bigdata.packing.planning.plan import cut_into_shards
from keras_bigdata.permutation import shuffled_rows
from keras_bigdata.shards.selecting.label_numbers import number_labels
from keras_bigdata.shards.selecting.row_split import split_rows


@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=60),
    st.floats(0.01, 0.99),
    st.integers(0, 2**40),
)
def test_a_split_has_every_row_once_and_every_class_in_proportion(strata, fraction, seed):
    rows = len(strata)
    first, second = split_rows(strata, range(rows), fraction, seed)
    assert sorted([*first, *second]) == list(range(rows))
    assert len(second) == min(max(round(fraction * rows), 1), rows - 1)
    taken, whole = Counter(strata[row] for row in second), Counter(strata)
    for stratum, count in whole.items():
        assert abs(taken[stratum] - count * len(second) / rows) < 1 + 1e-6
    again = split_rows(strata, range(rows), fraction, seed)
    assert again[1].tolist() == second.tolist()


@given(
    st.lists(st.integers(0, 6), min_size=2, max_size=60).filter(lambda all_: len(set(all_)) > 1),
    st.floats(0.01, 0.99),
    st.integers(0, 99),
)
def test_rows_of_one_group_stay_together(groups, fraction, seed):
    first, second = split_rows([0] * len(groups), groups, fraction, seed)
    assert len(first)
    assert len(second)
    assert not {groups[row] for row in first} & {groups[row] for row in second}
    assert len(first) + len(second) == len(groups)


@given(st.integers(0, 100), st.integers(1, 30), st.integers(0, 2**60))
def test_shuffling_and_cutting_keep_every_row_once(size, rows, seed):
    shards = cut_into_shards(shuffled_rows(size, seed), rows)
    assert sorted(row for shard in shards for row in shard) == list(range(size))
    assert all(len(shard) == rows for shard in shards[:-1])


def test_the_permutation_stays_the_same_over_releases():
    # Packs are continued by later releases too: this list must never change.
    assert shuffled_rows(10, 0).tolist() == [3, 2, 1, 8, 6, 0, 7, 4, 5, 9]
    assert shuffled_rows(10, 1).tolist() == [9, 2, 4, 7, 5, 0, 8, 6, 3, 1]


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 2, "a", True])
def test_a_split_needs_a_fraction(fraction):
    error = TypeError if isinstance(fraction, (str, bool)) else ValueError
    with pytest.raises(error, match="`fraction` must be a number between 0 and 1"):
        Arrays(x=np.zeros(4)).split(fraction)


def test_one_row_cannot_be_split():
    with pytest.raises(ValueError, match="at least two rows"):
        Arrays(x=np.zeros(1)).split(0.5)


def test_numbers_to_predict_are_not_classes():
    values = np.random.default_rng(0).normal(size=(50, 2))
    assert number_labels([values], 50) is None
    assert number_labels([np.zeros((4, 2, 2), int)], 4) is None
    assert number_labels([np.arange(20_000)], 20_000) is None
    numbers = number_labels([np.array([3, 1]), np.array([3, 9])], 4)
    assert numbers is not None
    assert numbers.tolist() == [1, 0, 1, 2]
    rows = np.random.default_rng(0).integers(0, 2, (50, 12))
    for labels in (rows, rows.astype(bool), rows * 3, np.tile(rows, 6)):
        _, expected = np.unique(labels, axis=0, return_inverse=True)
        assert (number_labels([labels[:20], labels[20:]], 50) == expected.reshape(-1)).all()
    rest, part = Arrays(x=values, y=values, targets="y").split(0.2)
    assert (len(rest), len(part)) == (40, 10)
