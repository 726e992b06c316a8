"""The number of rows of each class: checked and counted in arrays, summed over shards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import ShardError
from keras_bigdata.progress import Verbose, track
from keras_bigdata.shards.fields.class_numbers import MAX_COUNTED_CLASSES
from keras_bigdata.shards.fields.ragged import Ragged
from keras_bigdata.shards.fields.roles import Roles
from keras_bigdata.shards.fields.standard_fields import class_field
from keras_bigdata.shards.index.shard_index import ShardIndex
from keras_bigdata.shards.reading.read_ahead import map_ahead
from keras_bigdata.shards.reading.read_column import read_column

Counts = npt.NDArray[np.int64]


def count_labels(labels: npt.NDArray[Any], max_classes: int = MAX_COUNTED_CLASSES) -> Counts:
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


def count_classes(
    arrays: Mapping[str, npt.NDArray[Any] | Ragged], roles: Roles
) -> list[int] | None:
    """Counts the rows of each class.

    Args:
        arrays: field name -> array of shape `(rows, ...)`.
        roles: the roles of the fields; their target is an array of class numbers of shape
            `(rows,)`, or of one-hot or multi-hot rows of shape `(rows, classes)`.

    Returns:
        The counts; `None` if the targets are neither.
    """
    labels = arrays.get(roles.targets) if isinstance(roles.targets, str) else None
    if labels is None or isinstance(labels, Ragged):
        return None
    if _may_be_multi_hot(labels.dtype, labels.shape[1:]):
        is_multi_hot = bool(((labels == 0) | (labels == 1)).all())
        return [int(count) for count in (labels != 0).sum(axis=0)] if is_multi_hot else None
    if labels.ndim != 1:
        return None
    try:
        return [int(count) for count in count_labels(labels)]
    except ValueError:
        return None


def check_classes(
    arrays: Mapping[str, npt.NDArray[Any] | Ragged], roles: Roles, classes: Any
) -> None:
    """Checks that integer labels are class numbers, one for each name of a class.

    Args:
        arrays: field name -> array of shape `(rows, ...)`.
        roles: the roles of the fields.
        classes: the names, as a list for the only target, a dict of field -> list, or `None`.

    Raises:
        ShardError: if a label is negative or beyond the classes, or if one-hot or multi-hot rows
            have another length.
    """
    if classes is None:
        return
    if not isinstance(classes, Mapping):
        classes = {class_field(roles.targets): classes}
    for field, names in classes.items():
        labels = arrays.get(field)
        if labels is None or isinstance(labels, Ragged):
            continue
        if labels.dtype.kind not in "iub" or not labels.size:
            continue
        if labels.ndim == 2 and labels.shape[1] > 1 and labels.shape[1] != len(names):
            raise ShardError(
                f"there are {len(names)} classes, but the rows of {field!r} have "
                f"{labels.shape[1]} columns."
            )
        if labels.shape[1:] in ((), (1,)) and not 0 <= labels.min() <= labels.max() < len(names):
            wrong = labels.min() if labels.min() < 0 else labels.max()
            which = "smallest" if labels.min() < 0 else "largest"
            raise ShardError(
                f"there are {len(names)} classes, but the {which} label is {wrong} (field "
                f"{field!r}). Labels are class numbers from 0."
            )


def _may_be_multi_hot(dtype: np.dtype[Any], row_shape: tuple[int | None, ...]) -> bool:
    if dtype.kind not in "biuf" or len(row_shape) != 1 or row_shape[0] is None:
        return False
    return 1 < row_shape[0] <= MAX_COUNTED_CLASSES


def add_counts(
    counts: Iterable[Sequence[int] | Counts | None], classes: Any = None
) -> list[int] | None:
    """Returns the sum of several counts; `None` if one of them is `None`.

    Args:
        counts: one sequence of counts per shard.
        classes: the names of the classes: the result has an entry for each. A dict of field ->
            names has none for the counted target. Defaults to `None`.

    Raises:
        ShardError: if there are more classes than names.
    """
    if isinstance(classes, Mapping):
        classes = None
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
        The counts; `None` if the targets are neither class numbers nor one-hot or multi-hot rows.

    Raises:
        ShardError: if a shard cannot be read, or a label is beyond the names of the classes.
    """
    target = index.roles.targets
    if not isinstance(target, str):
        return None
    field = index.fields[target]
    if field.shape != () and not _may_be_multi_hot(field.dtype, field.shape):
        return None
    shards = np.flatnonzero(index.variant == 0).tolist()
    labels = map_ahead(lambda shard: read_column(index, shard, target), shards, index, [target])
    counts = (
        count_classes({target: column}, index.roles)
        for column in track(labels, len(shards), "Counting classes", verbose=verbose)
    )
    try:
        return add_counts(counts, index.classes)
    except ShardError as error:
        raise ShardError(
            f"{index.directory}: {error} These classes belong to other data."
        ) from error
