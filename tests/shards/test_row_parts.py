"""Every row in one part, groups together, classes in proportion."""

from __future__ import annotations

import tracemalloc
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_bigdata.shards.selecting.group_numbers import (
    join_groups,
    number_given_groups,
    number_groups,
)
from keras_bigdata.shards.selecting.row_parts import assign_parts

shares_of_parts = st.one_of(
    st.integers(2, 6).map(lambda k: [1 / k] * k),
    st.floats(0.05, 0.95).map(lambda share: [1 - share, share]),
)


def ranks(values):
    return np.unique(np.asarray(values), return_inverse=True)[1].reshape(-1)


@given(
    st.lists(st.integers(0, 4), min_size=6, max_size=80),
    shares_of_parts,
    st.integers(0, 2**40),
)
def test_without_groups_classes_and_sizes_are_within_one_row(values, shares, seed):
    strata = ranks(values)
    parts = assign_parts(strata, None, shares, seed)
    sizes = np.bincount(parts, minlength=len(shares))
    assert (sizes > 0).all()
    moved = 1 if min(shares) * len(strata) < 1 else 0  # into a part that would be empty
    for part, share in enumerate(shares):
        assert abs(sizes[part] - share * len(strata)) < 1 + 1e-6 + moved
        for stratum, count in Counter(strata.tolist()).items():
            found = np.count_nonzero((parts == part) & (strata == stratum))
            assert abs(found - share * count) < 1 + 1e-6 + moved
    np.testing.assert_array_equal(assign_parts(strata, None, shares, seed), parts)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=8, max_size=120),
    shares_of_parts,
    st.integers(0, 2**40),
)
def test_no_group_is_in_two_parts_and_each_row_in_one(rows, shares, seed):
    groups, strata = ranks([group for group, _ in rows]), ranks([label for _, label in rows])
    if groups.max() + 1 < len(shares):
        with pytest.raises(ValueError, match=f"{len(shares)} parts need at least {len(shares)}"):
            assign_parts(strata, groups, shares, seed)
        return
    parts = assign_parts(strata, groups, shares, seed)
    assert len(parts) == len(rows)
    assert set(parts.tolist()) == set(range(len(shares)))
    assert len({*zip(groups.tolist(), parts.tolist(), strict=True)}) == groups.max() + 1
    np.testing.assert_array_equal(assign_parts(strata, groups, shares, seed), parts)


@pytest.mark.parametrize("shares", [[0.8, 0.2], [0.2] * 5])
def test_groups_of_many_sizes_and_classes_are_divided_evenly(shares):
    rng = np.random.default_rng(0)
    groups = ranks(rng.integers(0, 400, 4000) ** 2 // 300)
    # Patients have mostly one of four classes, the last of which is rare.
    of_group = rng.choice(4, 1000, p=[0.5, 0.3, 0.18, 0.02])
    strata = np.where(rng.random(4000) < 0.8, of_group[groups], rng.integers(0, 3, 4000))
    parts = assign_parts(strata, groups, shares, 1)
    sizes = np.bincount(parts)
    for part, share in enumerate(shares):
        assert abs(sizes[part] / 4000 - share) < 0.003
        for stratum in range(4):
            whole = np.count_nonzero(strata == stratum)
            found = np.count_nonzero((strata == stratum) & (parts == part))
            assert abs(found - share * whole) <= max(2, 0.03 * share * whole)


def test_another_seed_assigns_other_rows():
    strata, groups = np.zeros(60, np.int64), np.arange(60) // 3
    for of_rows in (None, groups):
        found = {tuple(assign_parts(strata, of_rows, [0.5, 0.5], seed)) for seed in range(5)}
        assert len(found) == 5


def test_the_assignment_stays_the_same_over_releases():
    # A split is made again by later releases: these lists must never change.
    strata = np.array([0, 0, 1, 0, 1, 1, 0, 0, 1, 2])
    assert assign_parts(strata, None, [0.7, 0.3], 0).tolist() == [1, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    groups = np.array([0, 0, 1, 1, 1, 2, 3, 4, 4, 5])
    assert assign_parts(strata, groups, [1 / 3] * 3, 0).tolist() == [2, 2, 0, 0, 0, 2, 1, 1, 1, 0]


def test_a_large_stratum_is_divided_in_blocks():
    strata = np.zeros(2**19 + 5, np.uint16)
    tracemalloc.start()
    parts = assign_parts(strata, None, [0.25] * 4, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.ptp(np.bincount(parts)) <= 1
    assert abs(np.corrcoef(parts[1:], parts[:-1])[0, 1]) < 0.01
    assert peak < 2**18 * 100 + 8 * len(strata)  # blocks, and bytes per row


# ---- Numbers of groups


def test_equal_values_have_equal_numbers_in_all_blocks():
    numbers = number_groups([np.array(["b", "a"]), np.array(["a", "ccc"])], 4)
    assert numbers.tolist()[1] == numbers.tolist()[2]
    assert sorted(set(numbers.tolist())) == [0, 1, 2]
    assert number_groups([np.arange(5)], 5, max_groups=4) is None
    given_objects = number_given_groups(np.array(["x", "y", "x"], object), 3)
    assert given_objects.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([1.0, float("nan")], ValueError, "holds missing values"),
        (np.array(["2020", "NaT"], "M8[D]"), ValueError, "holds missing values"),
        (np.array(["a", None], object), ValueError, "Received: None of type NoneType"),
        (np.array(["1", 1], object), ValueError, "1 and '1' could be one group or two"),
        ([1, 2, 3], ValueError, "one value per row, 2. Received: shape"),
        (np.zeros((2, 2)), ValueError, r"rows of shape \(2,\), and a group is one value"),
        (np.ma.masked_equal([1, 2], 2), ValueError, "masked values"),
        (3, TypeError, "the name of a column, or one value per row. Received: groups of type int"),
    ],
)
def test_values_that_do_not_name_groups_are_refused(values, error, message):
    with pytest.raises(error, match=message):
        number_given_groups(values, 2)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=40))
def test_joined_groups_are_the_connected_ones(rows):
    joined = join_groups([a for a, _ in rows], [b for _, b in rows]).tolist()
    assert sorted(set(joined)) == list(range(len(set(joined))))
    expected = list(range(len(rows)))  # by repeated merging
    for i, first in enumerate(rows):
        for j, second in enumerate(rows):
            if first[0] == second[0] or first[1] == second[1]:
                old, new = expected[j], expected[i]
                expected = [new if number == old else number for number in expected]
    assert len({*zip(joined, expected, strict=True)}) == len(set(joined)) == len(set(expected))


def test_rows_without_a_group_are_refused_with_both_readings():
    with pytest.raises(ValueError, match=r"`groups` is empty in row 2: .* of its own, or all of"):
        number_given_groups(["a", "b", "", "a"], 4)
    with pytest.raises(ValueError, match="is empty in row 3"):
        number_groups([np.array(["a", "b"]), np.array(["c", ""])], 4)
    assert number_groups([np.array(["a", ""])], 2, with_empty=True).tolist() == [0, 1]
