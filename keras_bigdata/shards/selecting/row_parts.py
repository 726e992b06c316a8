"""Divides rows into parts, with groups kept together and classes in the same proportion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.permutation import permutation, permutation_at

Integers = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]

# Rows that are handled by one call of NumPy: temporary arrays stay small.
_BLOCK = 2**18

# Groups are moved to a better part, one after the other, until none is left to move; but not more
# often than this, and only if there are few: many are divided evenly at once.
_MAX_PASSES = 8
_MAX_MOVED = 10_000

# Spawn keys of the seed.
_GROUPS, _ROWS, _TIES = 0, 1, 2


def assign_parts(
    strata: Integers, groups: Integers | None, shares: Sequence[float], seed: int
) -> Integers:
    """Assigns each row to a part, each stratum (class) in the proportion of the shares.

    Rows of one group receive the same part. Without groups, each stratum and all rows together are
    within one row of their share in every part. With groups, the large groups are assigned first,
    each to the part whose rows then deviate least from its share (chi-square over the strata and
    the number of rows); groups of one row fill up what is missing. Every part receives a row.

    Without groups it needs 5 bytes per row besides the strata (9 from 2^31 rows on); with groups
    about 35.

    Args:
        strata: integer of each row, from 0.
        groups: integer of each row, from 0 without gaps; `None` if each row is its own group.
        shares: share of the rows that each part receives; their sum is 1.
        seed: integer of at least 0.

    Returns:
        An array of the part number of each row.

    Raises:
        ValueError: if there are fewer groups than parts.
    """
    units = len(strata) if groups is None else int(groups.max(initial=-1)) + 1
    if units < len(shares):
        what = "rows" if groups is None else "different groups"
        raise ValueError(
            f"{len(shares)} parts need at least {len(shares)} {what}. "
            f"Received: {len(strata)} rows" + ("" if groups is None else f" in {units} groups")
        )
    parts: Integers = np.zeros(len(strata), np.dtype("u1" if len(shares) <= 256 else "i4"))
    targets: Floats = np.asarray(shares, np.float64)[:, None] * _bincount(strata)
    if groups is None:
        _assign_rows(parts, strata, None, missing=targets, shares=shares, seed=seed)
    else:
        sizes = np.bincount(groups)
        part_of_group = _assign_groups(strata, groups, sizes, targets, seed)
        parts[:] = part_of_group[groups]
        single = np.flatnonzero((sizes == 1)[groups])
        missing = targets - _count(strata, parts, (sizes > 1)[groups], targets.shape)
        missing = np.maximum(missing, 0)
        _assign_rows(parts, strata, single, missing=missing, shares=shares, seed=seed)
    _fill_empty_parts(parts, groups, len(shares))
    return parts


def _bincount(values: Integers, minlength: int = 0) -> Integers:
    """Returns `np.bincount(values)`, without a copy of all values as int64."""
    counts = np.zeros(minlength, np.int64)
    for start in range(0, len(values), _BLOCK):
        block = np.bincount(values[start : start + _BLOCK], minlength=len(counts))
        block[: len(counts)] += counts
        counts = block
    return counts


def _count(
    strata: Integers, parts: Integers, chosen: npt.NDArray[np.bool_], shape: tuple[int, ...]
) -> Integers:
    """Returns the number of chosen rows of each stratum in each part."""
    cells = parts[chosen].astype(np.int64) * shape[1] + strata[chosen]
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)


def _assign_groups(
    strata: Integers, groups: Integers, sizes: Integers, targets: Floats, seed: int
) -> Integers:
    """Returns the part of each group of several rows; 0 for the others."""
    number_of_strata = targets.shape[1]
    large = (sizes > 1)[groups]
    cells = groups[large].astype(np.int64) * number_of_strata + strata[large]
    cells, counts = np.unique(cells, return_counts=True)
    bounds = np.searchsorted(cells, np.arange(len(sizes) + 1) * number_of_strata)
    stratum_of_cell = cells % number_of_strata
    # The number of rows of a part counts as one more stratum.
    targets = np.hstack([targets, targets.sum(axis=1, keepdims=True)])
    filled = np.zeros_like(targets)
    part_of_group = np.zeros(len(sizes), np.int64)
    order = permutation(len(sizes), np.random.SeedSequence(seed, spawn_key=(_GROUPS,)))
    order = order[np.argsort(-sizes[order], kind="stable")]
    order = order[: int(np.count_nonzero(sizes > 1))]
    passes = _MAX_PASSES if len(order) <= _MAX_MOVED else 1
    for number in range(passes):
        before = part_of_group.copy()
        for group in order.tolist():
            here = slice(bounds[group], bounds[group + 1])
            columns = np.append(stratum_of_cell[here], number_of_strata)
            rows = np.append(counts[here], sizes[group])
            if number:
                filled[part_of_group[group], columns] -= rows
            target = targets[:, columns]
            # How much (filled - target)^2 / target grows with the rows of the group.
            growth = rows * (rows + 2 * (filled[:, columns] - target)) / target
            part = int(np.argmin(growth.sum(axis=1)))
            part_of_group[group] = part
            filled[part, columns] += rows
        if number and np.array_equal(before, part_of_group):
            break
    return part_of_group


def _assign_rows(
    parts: Integers,
    strata: Integers,
    rows: Integers | None,
    *,
    missing: Floats,
    shares: Sequence[float],
    seed: int,
) -> None:
    """Assigns single rows; each stratum in the proportion of the rows that the parts lack.

    Args:
        parts: the part of each row, which is changed.
        strata: integer of each row.
        rows: numbers of the rows to assign; `None` for all.
        missing: number of rows of each stratum that each part should receive.
        shares: their proportion where nothing is missing.
        seed: integer of at least 0.
    """
    chosen = strata if rows is None else strata[rows]
    sizes = _bincount(chosen, missing.shape[1])
    by_stratum = _sort_by_stratum(chosen, sizes)
    starts = np.cumsum(sizes) - sizes
    for stratum, counts in _round_by_stratum(sizes, missing, shares, seed):
        size, ends = int(sizes[stratum]), np.cumsum(counts)
        sequence = np.random.SeedSequence(seed, spawn_key=(_ROWS, stratum))
        for start in range(0, size, _BLOCK):
            positions = np.arange(start, min(start + _BLOCK, size))
            members = by_stratum[starts[stratum] + permutation_at(positions, size, sequence)]
            here = members if rows is None else rows[members]
            parts[here] = np.searchsorted(ends, positions, side="right")


def _sort_by_stratum(strata: Integers, sizes: Integers) -> Integers:
    """Returns the row numbers, ordered by their stratum."""
    rows: Integers = np.empty(len(strata), np.dtype("i4" if len(strata) < 2**31 else "i8"))
    ends = np.cumsum(sizes) - sizes
    for start in range(0, len(strata), _BLOCK):
        block = strata[start : start + _BLOCK]
        order = np.argsort(block, kind="stable")
        here = block[order]
        counts = np.bincount(block, minlength=len(sizes))
        rank = np.arange(len(block)) - (np.cumsum(counts) - counts)[here]
        rows[ends[here] + rank] = start + order
        ends += counts
    return rows


def _round_by_stratum(
    sizes: Integers, missing: Floats, shares: Sequence[float], seed: int
) -> Iterator[tuple[int, Integers]]:
    """Yields each stratum that has rows, and how many of them each part receives.

    What a part loses by rounding in one stratum, it gets in a later one.
    """
    count = len(shares)
    carry = np.zeros(count)
    ties = permutation(count, np.random.SeedSequence(seed, spawn_key=(_TIES,)))
    for stratum in np.flatnonzero(sizes).tolist():
        wanted = missing[:, stratum]
        total = wanted.sum()
        exact = (wanted / total if total > 0 else np.asarray(shares)) * sizes[stratum]
        counts = np.floor(exact + 1e-9).astype(np.int64)
        # Rounded, so that equal numbers are equal whatever the order of their summands was.
        lacking = np.round(exact - counts + carry, 9)[ties]
        first = ties[np.argsort(-lacking, kind="stable")]
        counts[first[: int(sizes[stratum]) - int(counts.sum())]] += 1
        carry += exact - counts
        yield stratum, counts


def _fill_empty_parts(parts: Integers, groups: Integers | None, count: int) -> None:
    """Moves the smallest group of the part with the most groups to each part without rows."""
    while len(empty := np.flatnonzero(_bincount(parts, count) == 0)):
        if groups is None:
            donor = int(np.argmax(_bincount(parts)))
            parts[np.flatnonzero(parts == donor)[0]] = empty[0]
            continue
        sizes = np.bincount(groups)
        part_of_group = np.zeros(len(sizes), np.int64)
        part_of_group[groups] = parts
        donor = int(np.argmax(np.bincount(part_of_group)))
        group = np.argmin(np.where(part_of_group == donor, sizes, len(parts) + 1))
        parts[groups == group] = empty[0]
