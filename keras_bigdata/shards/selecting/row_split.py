"""Splits rows in two parts, each class in the same proportion, as the first release did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_int, checked_number
from keras_bigdata.permutation import Rows, permutation, shuffled_rows


def split_rows(
    strata: npt.ArrayLike, groups: npt.ArrayLike, fraction: float, seed: int
) -> tuple[Rows, Rows]:
    """Splits rows in two parts, each stratum (class) in the same proportion.

    Rows of one group go to the same part. If no group has several rows, the second part has
    `round(fraction * rows)` rows, but at least one and not all, and every stratum is within one
    row of its share.

    Args:
        strata: Integer of each row.
        groups: Integer of each row.
        fraction: Share of the rows that the second part receives, between 0 and 1.
        seed: Integer of at least 0.

    Returns:
        The rows of the first and of the second part, each in ascending order.

    Raises:
        ValueError: If there are fewer than two groups, or if `fraction` or `seed` is out of range.
        TypeError: If `fraction` is not a number, or `seed` not an integer.
    """
    fraction = checked_number(fraction, "fraction", above=0, below=1)
    seed = checked_int(seed, "seed", 0)
    group_of_row, first_rows, group_sizes = _number_groups(groups)
    if len(first_rows) < 2:
        raise ValueError(
            "`split` needs at least two rows, and with files at least two different files. "
            f"Received: {len(group_of_row)} rows in {len(first_rows)} groups"
        )
    strata = np.unique(np.asarray(strata), return_inverse=True)[1].reshape(-1)
    stratum_of_group = strata[first_rows]
    order = shuffled_rows(len(first_rows), seed)
    rows = len(group_of_row)
    second_size = min(max(round(fraction * rows), 1), rows - 1)

    shares = np.bincount(stratum_of_group, weights=group_sizes) * (second_size / rows)
    quotas = _round_shares(shares, second_size, seed)
    by_stratum = order[np.argsort(stratum_of_group[order], kind="stable")]
    bounds = np.searchsorted(stratum_of_group[by_stratum], np.arange(len(quotas) + 1))
    chosen = np.zeros(len(first_rows), bool)
    for stratum, quota in enumerate(quotas):
        members = by_stratum[bounds[stratum] : bounds[stratum + 1]]
        filled = np.concatenate(([0], np.cumsum(group_sizes[members])))
        chosen[members[: int(np.argmin(np.abs(filled - quota)))]] = True
    # If groups are large, a part can still be empty.
    if not chosen.any():
        chosen[order[0]] = True
    elif chosen.all():
        chosen[order[0]] = False
    second = chosen[group_of_row]
    return np.flatnonzero(~second).astype(np.int64), np.flatnonzero(second).astype(np.int64)


def _number_groups(groups: npt.ArrayLike) -> tuple[Rows, Rows, Rows]:
    """Returns the group number of each row, and of each group its first row and its size."""
    _, first_rows, group_of_row, sizes = np.unique(
        np.asarray(groups), return_index=True, return_inverse=True, return_counts=True
    )
    return group_of_row.reshape(-1), first_rows, sizes


def _round_shares(shares: npt.NDArray[np.floating[Any]], total: int, seed: int) -> Sequence[int]:
    """Rounds shares to integers with the sum `total`; the seed decides between equal ones."""
    whole = np.floor(shares + 1e-9).astype(np.int64)
    tie_order = permutation(len(shares), np.random.SeedSequence((seed, 1)))
    # Rounded, so that shares are equal whatever the order of their summands was.
    remainders = np.round(shares - whole, 9)[tie_order]
    largest_first = tie_order[np.argsort(-remainders, kind="stable")]
    whole[largest_first[: total - int(whole.sum())]] += 1
    return [int(share) for share in whole]
