"""The number of rows of each class: counted in arrays, summed over shards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import ShardError
from keras_bigdata.progress import Verbose, track
from keras_bigdata.shards.index import ShardIndex
from keras_bigdata.shards.pickles import read_columns
from keras_bigdata.shards.roles import Roles

# A larger label is not considered a class number, but for instance an identifier.
MAX_CLASSES = 10_000

Counts = npt.NDArray[np.int64]


def count_labels(labels: npt.NDArray[Any], max_classes: int = MAX_CLASSES) -> Counts:
    """Counts the rows of the classes 0, 1, 2, ...

    Args:
        labels: array of shape `(rows,)` or `(rows, 1)`.
        max_classes: maximum number of classes. Defaults to `10_000`.

    Returns:
        An int64 array, as long as the largest label requires.

    Raises:
        ValueError: if the labels are not class numbers; the message has the reason.
    """
    if labels.dtype.kind not in "iu" or labels.shape[1:] not in ((), (1,)):
        raise ValueError(f"labels of dtype {labels.dtype} and row shape {labels.shape[1:]}")
    if labels.size and labels.min() < 0:
        raise ValueError(f"the label {labels.min()}; class numbers start at 0")
    if labels.size and labels.max() >= max_classes:
        raise ValueError(f"the label {labels.max()}; class numbers are below {max_classes}")
    return np.bincount(labels.reshape(-1).astype(np.int64))


def count_classes(arrays: Mapping[str, npt.NDArray[Any]], roles: Roles) -> list[int] | None:
    """Counts the rows of each class; returns `None` if the targets are not class numbers."""
    labels = arrays.get(roles.targets) if isinstance(roles.targets, str) else None
    if labels is None or labels.ndim != 1:
        return None
    try:
        return [int(count) for count in count_labels(labels)]
    except ValueError:
        return None


def add_counts(
    counts: Iterable[Sequence[int] | Counts | None], classes: Sequence[Any] | None = None
) -> list[int] | None:
    """Returns the sum of several counts; `None` if one of them is `None`.

    Args:
        counts: one sequence of counts per shard.
        classes: the names of the classes: the result has an entry for each. Defaults to `None`.

    Raises:
        ShardError: if there are more classes than names.
    """
    total = np.zeros(len(classes or ()), np.int64)
    for one in counts:
        if one is None:
            return None
        size = max(len(total), len(one))
        total = np.pad(total, (0, size - len(total))) + np.pad(one, (0, size - len(one)))
    if classes is not None and len(total) > len(classes):
        raise ShardError(
            f"there are {len(classes)} classes, but the largest label is {len(total) - 1}."
        )
    return [int(count) for count in total]


def count_in_shards(index: ShardIndex, *, verbose: Verbose = "auto") -> list[int] | None:
    """Counts the rows of each class in the files of the first variant.

    Args:
        index: the shards.
        verbose: how progress is shown, as in `track`. Defaults to `"auto"`.

    Returns:
        The counts; `None` if the targets are not class numbers.

    Raises:
        ShardError: if a shard cannot be read, or a label is beyond the names of the classes.
    """
    target = index.roles.targets
    if not isinstance(target, str) or index.fields[target].shape != ():
        return None
    shards = np.flatnonzero(index.variant == 0).tolist()
    counts = (
        count_classes(read_columns(index.path(shard), [target]), index.roles)
        for shard in track(shards, len(shards), "Counting classes", verbose=verbose)
    )
    try:
        return add_counts(counts, index.classes)
    except ShardError as error:
        raise ShardError(
            f"{index.directory}: {error} These classes belong to other data."
        ) from error
