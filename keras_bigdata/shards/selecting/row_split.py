"""Rows -> two parts, each class in the same proportion; and the classes as numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_int, checked_number
from keras_bigdata.permutation import Rows, permutation, shuffled_rows
from keras_bigdata.shards.reading.class_counts import MAX_CLASSES

# Targets are read in blocks of this size to number their labels.
BLOCK_BYTES = 4 * 1024**2

_KEY_BITS = 64

# The ranks of labels: there are at most `MAX_CLASSES` of them.
Ranks = npt.NDArray[np.uint16]


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
    # With large groups, a part can still be empty.
    if not chosen.any():
        chosen[order[0]] = True
    elif chosen.all():
        chosen[order[0]] = False
    second = chosen[group_of_row]
    return np.flatnonzero(~second).astype(np.int64), np.flatnonzero(second).astype(np.int64)


def number_labels(blocks: Iterable[npt.NDArray[Any]], rows: int) -> Ranks | None:
    """Returns an integer for each row of a target, the same for the same label.

    A label is an integer or boolean, or a row of them, such as the class numbers of several
    outputs or a multi-hot row; or, as one-hot rows often are, floats that are all 0 or 1.

    Args:
        blocks: The values of the target, in parts.
        rows: The number of rows of all parts.

    Returns:
        The rank of each row's label; `None` if the values are not labels, or more than 10,000
        different ones.
    """
    number_of_label: dict[tuple[Any, ...], int] = {}
    numbers = np.empty(rows, np.uint16)
    start = 0
    for block in blocks:
        if block.ndim > 2 or block.dtype.kind not in "iubf":
            return None
        values = block.reshape(len(block), -1)
        if values.dtype.kind == "f":
            if not ((values == 0) | (values == 1)).all():
                return None
            values = values.astype(np.int8)
        first, inverse = _find_unique(values)
        of_unique = [
            number_of_label.setdefault(tuple(label), len(number_of_label))
            for label in values[first].tolist()
        ]
        if len(number_of_label) > MAX_CLASSES:
            return None
        numbers[start : start + len(block)] = np.asarray(of_unique)[inverse.reshape(-1)]
        start += len(block)
    rank = np.empty(len(number_of_label), np.uint16)
    for position, label in enumerate(sorted(number_of_label)):
        rank[number_of_label[label]] = position
    return rank[numbers]


def _find_unique(values: npt.NDArray[Any]) -> tuple[Rows, Rows]:
    """Returns a position of each different row, and for each row which of them it equals."""
    columns = values.shape[1]
    keys = values
    if columns == 1:
        keys = values[:, 0]
    elif columns <= _KEY_BITS and values.max(initial=0) <= 1 and values.min(initial=0) >= 0:
        # One number per row of 0 and 1: comparing whole rows takes eight times as long.
        bits = np.zeros((len(values), _KEY_BITS), bool)
        bits[:, :columns] = values
        keys = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    axis = 0 if keys.ndim == 2 else None
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True, axis=axis)
    return first, inverse.reshape(-1)


def combine_labels(
    targets: Sequence[npt.NDArray[np.integer[Any]] | None], rows: int
) -> npt.NDArray[np.integer[Any]]:
    """Returns an integer for each row, the same for the same labels of all targets.

    Args:
        targets: For each target, an integer for each row; `None` for targets that are not labels.
        rows: The number of rows.
    """
    labels = [target for target in targets if target is not None]
    if not labels:
        return np.zeros(rows, np.int64)
    if len(labels) == 1:
        return labels[0]
    combined: Rows = np.unique(np.stack(labels, 1), axis=0, return_inverse=True)[1].reshape(-1)
    return combined


def groups_of_items(columns: Sequence[Sequence[int]], items: int) -> Sequence[int]:
    """Returns an integer for each row, the same for rows that are linked by common items.

    Args:
        columns: For each column, the number of the item in each row.
        items: The number of different items.
    """
    if len(columns) == 1:
        return columns[0]
    parent = list(range(items))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for row in zip(*columns, strict=True):
        first = root(row[0])
        for item in row[1:]:
            parent[root(item)] = first
    return [root(item) for item in columns[0]]


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
