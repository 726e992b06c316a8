"""Numbers the labels of rows: equal labels, or equal combinations of labels, have one number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.permutation import Rows
from keras_bigdata.shards.fields.class_numbers import MAX_COUNTED_CLASSES

# Targets are read in blocks of this size to number their labels.
BLOCK_BYTES = 4 * 1024**2

_KEY_BITS = 64

# The ranks of labels: there are at most `MAX_COUNTED_CLASSES` of them.
Ranks = npt.NDArray[np.uint16]


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
        numbers_of_labels = [
            number_of_label.setdefault(tuple(label), len(number_of_label))
            for label in values[first].tolist()
        ]
        if len(number_of_label) > MAX_COUNTED_CLASSES:
            return None
        numbers[start : start + len(block)] = np.asarray(numbers_of_labels)[inverse.reshape(-1)]
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
