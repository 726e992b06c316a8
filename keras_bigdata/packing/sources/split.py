"""Rows in two parts, each class in the same proportion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.permutation import Rows, permutation, shuffled_rows


def split_rows(
    strata: npt.ArrayLike, groups: npt.ArrayLike, fraction: float, seed: int
) -> tuple[Rows, Rows]:
    """Splits rows in two, each stratum (class) in the same proportion.

    Rows of one group stay on one side. Where no group has several rows, the second part has
    `round(fraction * rows)` rows, but at least one and not all, and every stratum is within one
    row of its share.

    Args:
        strata: integer of each row.
        groups: integer of each row.
        fraction: share of the rows that the second part gets, between 0 and 1.
        seed: 0 or more.

    Returns:
        The rows of the first and of the second part, each in rising order.

    Raises:
        ValueError: if there are less than two groups.
    """
    group_of, first, sizes = _groups(groups)
    if len(first) < 2:
        raise ValueError("less than two rows (or files) cannot be split.")
    strata = np.unique(np.asarray(strata), return_inverse=True)[1].reshape(-1)
    stratum_of_group = strata[first]
    order = shuffled_rows(len(first), seed)
    rows = len(group_of)
    wanted = min(max(round(fraction * rows), 1), rows - 1)

    shares = np.bincount(stratum_of_group, weights=sizes) * (wanted / rows)
    quota = _whole_shares(shares, wanted, seed)
    by_stratum = order[np.argsort(stratum_of_group[order], kind="stable")]
    bounds = np.searchsorted(stratum_of_group[by_stratum], np.arange(len(quota) + 1))
    chosen = np.zeros(len(first), bool)
    for stratum, rows_wanted in enumerate(quota):
        members = by_stratum[bounds[stratum] : bounds[stratum + 1]]
        filled = np.concatenate(([0], np.cumsum(sizes[members])))
        chosen[members[: int(np.argmin(np.abs(filled - rows_wanted)))]] = True
    # Large groups can leave a side empty.
    if not chosen.any():
        chosen[order[0]] = True
    elif chosen.all():
        chosen[order[0]] = False
    second = chosen[group_of]
    return np.flatnonzero(~second).astype(np.int64), np.flatnonzero(second).astype(np.int64)


def _groups(groups: npt.ArrayLike) -> tuple[Rows, Rows, Rows]:
    _, first, group_of, sizes = np.unique(
        np.asarray(groups), return_index=True, return_inverse=True, return_counts=True
    )
    return group_of.reshape(-1), first, sizes


def _whole_shares(shares: npt.NDArray[np.floating[Any]], total: int, seed: int) -> Sequence[int]:
    """Whole numbers near the shares with the sum `total`; chance decides between equals."""
    whole = np.floor(shares + 1e-9).astype(np.int64)
    chance = permutation(len(shares), np.random.SeedSequence((seed, 1)))
    # Rounded, so that equal shares are equal whatever the order of their sums was.
    remainders = np.round(shares - whole, 9)[chance]
    rising = chance[np.argsort(-remainders, kind="stable")]
    whole[rising[: total - int(whole.sum())]] += 1
    return [int(share) for share in whole]
