"""Reads the rows of each class from the labels in the shards."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import ShardError
from keras_bigdata.loading.order.class_rows import ClassRows, VariantRows
from keras_bigdata.loading.order.selected_rows import SelectedRows
from keras_bigdata.representation import list_some
from keras_bigdata.shards.fields.class_numbers import MAX_BALANCED_CLASSES
from keras_bigdata.shards.fields.entries import format_fields
from keras_bigdata.shards.index.shard_index import Field, Int64Array, ShardIndex
from keras_bigdata.shards.reading.read_ahead import map_ahead
from keras_bigdata.shards.reading.read_column import read_column
from keras_bigdata.shards.selecting.selection import Selection

# Which rows of a shard are used: a function of the number of the shard that returns a mask or
# sorted row numbers.
RowsOfShard = Callable[[int], npt.NDArray[Any]]


def read_class_rows(
    index: ShardIndex, name: str, *, trust: bool, selected: RowsOfShard | None = None
) -> ClassRows:
    """Reads the labels of all rows, and sorts the rows by them.

    Reads one field of every shard. While it runs it needs at most 8 bytes per row, afterwards 4 (8
    beyond 4 billion rows).

    Args:
        index: the shards.
        name: name of the field that holds the labels: class numbers of shape `(rows,)` or
            `(rows, 1)`, or one-hot rows of shape `(rows, classes)`.
        trust: whether pickles may be executed.
        selected: which rows of a shard are used. Defaults to `None`: all.

    Returns:
        The rows of each class. Classes without rows are left out, with a warning.

    Raises:
        TypeError: if `name` is not a string.
        ValueError: if there is no such field.
        ShardError: if the field does not hold one class number per row, or if the variants of the
            data have different numbers of rows of a class.
    """
    field = _checked_field(index, name)
    parts = [
        _read_variant(index, field, np.flatnonzero(index.variant == variant), trust, selected)
        for variant in range(index.variants)
    ]
    labels, counts, _ = parts[0]
    for variant, (other_labels, other_counts, _) in enumerate(parts):
        if not (np.array_equal(labels, other_labels) and np.array_equal(counts, other_counts)):
            raise ShardError(
                f"{index.directory}: variant {variant} has other numbers of rows of the classes in "
                f"{name!r} than variant 0: `augment` has changed labels. Such data cannot be "
                "balanced: leave `balance` out, or pack it without changing the labels."
            )
    _warn_of_missing_classes(index, name, labels)
    return ClassRows(name, labels, np.cumsum(counts), tuple(rows for *_, rows in parts))


def rows_to_balance(
    index: ShardIndex, name: str, *, trust: bool, shuffle: Any, selection: Selection | None = None
) -> ClassRows:
    """Returns the rows of each class for a `ShardSequence(balance=name)`, as `read_class_rows`.

    Raises:
        ValueError: if the rows are not shuffled.
    """
    if shuffle is None:
        raise ValueError(
            "`shuffle=None` is the order of the files, and `balance` draws from all classes in "
            'turn. Pass shuffle="shards" to read the rows of each class as they are stored, or '
            f"leave `balance` out. Received: shuffle=None, balance={name!r}"
        )
    selected = None if selection is None else SelectedRows(index, selection).of_shard
    return read_class_rows(index, name, trust=trust, selected=selected)


def _checked_field(index: ShardIndex, name: str) -> Field:
    if not isinstance(name, str):
        raise TypeError(f"`balance` must be the name of a field. Received: balance={name!r}")
    field = index.fields.get(name)
    listing = format_fields(index.fields)
    if field is None:
        raise ValueError(
            f"{index.directory}: `balance` must name a field of labels, and there is no field "
            f"{name!r}. The fields are: {listing}"
        )
    is_number = field.dtype.kind in "iub" and field.shape in ((), (1,))
    if not is_number and not _may_be_one_hot(field):
        raise ShardError(
            f"{index.directory}: `balance` needs one class number per row, or one-hot rows. "
            f"Received: balance={name!r}, {field}"
        )
    return field


def _may_be_one_hot(field: Field) -> bool:
    return field.dtype.kind in "iubf" and len(field.shape) == 1 and (field.shape[0] or 0) > 1


def _read_variant(
    index: ShardIndex,
    field: Field,
    shards: Int64Array,
    trust: bool,
    selected: RowsOfShard | None,
) -> tuple[Int64Array, Int64Array, VariantRows]:
    """Returns the class numbers, the number of rows of each, and the rows of a variant."""
    labels_of = [
        labels if selected is None else labels[selected(shard)]
        for shard, labels in _read_labels(index, field, shards, trust)
    ]
    counts_of = [np.bincount(labels) for labels in labels_of]
    total = np.zeros(max(map(len, counts_of), default=0), np.int64)
    for counts in counts_of:
        total[: len(counts)] += counts
    ends = np.cumsum(index.samples[shards])
    size = int(ends[-1]) if len(ends) else 0
    positions = np.empty(int(total.sum()), np.uint32 if size < 2**32 else np.uint64)
    # Where the next row of each class goes.
    places = np.cumsum(total) - total
    for number, (shard, labels) in enumerate(zip(shards.tolist(), labels_of, strict=True)):
        order = np.argsort(labels, kind="stable")
        counts = counts_of[number]
        firsts = places[: len(counts)] - (np.cumsum(counts) - counts)
        targets = np.repeat(firsts, counts) + np.arange(len(order))
        rows = order if selected is None else _row_numbers(selected(shard))[order]
        positions[targets] = ends[number] - index.samples[shard] + rows
        places[: len(counts)] += counts
    found = np.flatnonzero(total)
    return found, total[found], VariantRows(shards, ends, positions)


def _row_numbers(selected: npt.NDArray[Any]) -> Int64Array:
    return np.flatnonzero(selected) if selected.dtype == bool else selected.astype(np.int64)


def _read_labels(
    index: ShardIndex, field: Field, shards: Int64Array, trust: bool
) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yields each shard and the class numbers of its rows, in the smallest dtype."""

    def read(shard: int) -> npt.NDArray[Any]:
        return read_column(index, shard, field.name, trust=trust)

    columns = map_ahead(read, shards.tolist(), index, [field.name])
    for shard, values in zip(shards.tolist(), columns, strict=True):
        path = index.path(shard)
        if field.shape in ((), (1,)):
            labels = values.reshape(-1)
            wrong = (labels < 0) | (labels >= MAX_BALANCED_CLASSES)
            if wrong.any():
                row = int(wrong.argmax())
                raise ShardError(
                    f"{path}: {field.name!r} has the label {labels[row]} in row {row}, and class "
                    f"numbers are from 0 to {MAX_BALANCED_CLASSES - 1:,}. `balance` needs class "
                    "numbers."
                )
        else:
            is_one = values == 1
            wrong = (~is_one & (values != 0)).any(axis=1) | (is_one.sum(axis=1) != 1)
            if wrong.any():
                row = int(wrong.argmax())
                raise ShardError(
                    f"{path}: row {row} of {field.name!r} has {int((values[row] != 0).sum())} "
                    "labels. `balance` needs one class per row: a class number, or a one-hot row "
                    "of zeros and a single 1. Balance by another field, or use class weights."
                )
            labels = is_one.argmax(axis=1)
        yield shard, labels.astype(np.min_scalar_type(int(labels.max(initial=0))))


def _warn_of_missing_classes(index: ShardIndex, name: str, labels: Int64Array) -> None:
    classes = index.classes_of(name)
    if classes is None:
        return
    found = set(labels.tolist())
    missing = [classes[number] for number in range(len(classes)) if number not in found]
    if missing:
        warnings.warn(
            f"{index.directory}: there are no rows of {len(missing)} of the {len(classes)} classes "
            f"of {name!r}: {list_some(missing)}. balance={name!r} draws the other classes evenly.",
            stacklevel=5,
        )
