"""Numbers the groups of rows: equal values of a column have one number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Int32Array = npt.NDArray[np.int32]

# Booleans, integers, floating-point numbers, texts, byte strings and dates.
_KINDS = "biufUSM"


def number_groups(
    blocks: Iterable[npt.NDArray[Any]],
    rows: int,
    max_groups: int | None = None,
    *,
    with_empty: bool = False,
) -> Int32Array | None:
    """Returns a number for each row, the same for the same value: 0, 1, ... as they occur.

    Args:
        blocks: the values, in parts.
        rows: number of rows of all parts.
        max_groups: number of different values above which `None` is returned. Defaults to `None`:
            any number.
        with_empty: whether an empty text is a value as any other. Defaults to `False`: refuse it.

    Raises:
        ValueError: with the reason, such as `"holds NaN: ..."`, if the values do not name groups.
    """
    number_of_value: dict[Any, int] = {}
    numbers = np.empty(rows, np.int32)
    start = 0
    for block in blocks:
        values = _checked_block(block)
        if not with_empty and values.dtype.kind in "US":
            empty = np.flatnonzero(values == values.dtype.type())
            if len(empty):
                raise ValueError(
                    f"is empty in row {start + int(empty[0])}: each row without a value could be "
                    "a group of its own, or all of them one. Fill the values in, or leave out the "
                    "rows"
                )
        _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
        # Numbered in the order of the rows, which does not depend on the values or on the blocks.
        by_row = np.argsort(first)
        numbers_of_values = np.empty(len(first), np.int32)
        numbers_of_values[by_row] = [
            number_of_value.setdefault(value, len(number_of_value))
            for value in values[first[by_row]].tolist()
        ]
        if max_groups is not None and len(number_of_value) > max_groups:
            return None
        numbers[start : start + len(values)] = numbers_of_values[inverse.reshape(-1)]
        start += len(values)
    return numbers


def number_given_groups(values: Any, rows: int) -> Int32Array:
    """Returns group numbers for an array-like of a user, with one value per row.

    Raises:
        TypeError, ValueError: if it has another length, or values that do not name groups.
    """
    if isinstance(values, (str, bytes)) or not (
        hasattr(values, "__array__") or isinstance(values, (list, tuple, range))
    ):
        raise TypeError(
            "`groups` must be the name of a column, or one value per row. "
            f"Received: groups of type {type(values).__name__}"
        )
    array = np.asarray(values)
    if array.dtype == object:
        array = _as_texts_or_numbers(array)
    if array.shape[:1] != (rows,):
        raise ValueError(
            f"`groups` must have one value per row, {rows}. Received: shape {array.shape}"
        )
    if np.ma.is_masked(values):
        raise ValueError("`groups` holds masked values: it is unknown which group they are of.")
    try:
        numbers = number_groups([array], rows)
    except ValueError as error:
        raise ValueError(f"`groups` {error}") from error
    assert numbers is not None
    return numbers


def join_groups(first: npt.ArrayLike, second: npt.ArrayLike) -> Int32Array:
    """Returns groups in which two rows are together if they are in `first` or in `second`.

    Rows are also together through a chain of others: if rows 0 and 1 have the same file, and rows 1
    and 2 the same patient, all three are one group.
    """
    pair = [np.unique(np.asarray(groups), return_inverse=True)[1] for groups in (first, second)]
    numbers: npt.NDArray[np.int64] = pair[0].reshape(-1).copy()
    while True:
        before = numbers
        for groups in pair:
            smallest = np.full(int(groups.max(initial=-1)) + 1, len(numbers))
            np.minimum.at(smallest, groups.reshape(-1), numbers)
            numbers = smallest[groups.reshape(-1)]
        if np.array_equal(before, numbers):
            return np.unique(numbers, return_inverse=True)[1].reshape(-1).astype(np.int32)


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


def _checked_block(block: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if block.shape[1:] not in ((), (1,)):
        raise ValueError(f"has rows of shape {block.shape[1:]}, and a group is one value")
    if block.dtype.kind not in _KINDS:
        raise ValueError(f"has dtype {block.dtype}, which does not name groups")
    is_missing = {"f": np.isnan, "M": np.isnat}.get(block.dtype.kind)
    if is_missing is not None and is_missing(block).any():
        raise ValueError(
            "holds missing values (NaN): each could be a group of its own, or all of them one. "
            "Replace them, or leave out their rows"
        )
    return block.reshape(-1)


def _as_texts_or_numbers(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Returns an array of objects as one of texts or integers, if all of them are."""
    items = array.reshape(-1).tolist()
    for kind in (str, int):
        others = [item for item in items if not isinstance(item, kind) or isinstance(item, bool)]
        if not others:
            return np.asarray(items).reshape(array.shape)
    other = next((item for item in others if not isinstance(item, str)), others[0])
    raise ValueError(
        "`groups` must hold texts or integers, and not both: 1 and '1' could be one group or two, "
        f"and missing values none. Received: {other!r:.100} of type {type(other).__name__}"
    )
