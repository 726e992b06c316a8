"""Weights that balance the classes of the targets."""

from __future__ import annotations

import numpy as np

from keras_bigdata.errors import ShardError
from keras_bigdata.shards.class_counts import add_counts, count_labels
from keras_bigdata.shards.index import ShardIndex
from keras_bigdata.shards.pickles import read_columns
from keras_bigdata.shards.roles import Structure
from keras_bigdata.shards.selection import Selection

# Larger labels are taken for identifiers rather than class numbers.
_MAX_CLASSES = 10_000_000


def balanced_class_weights(
    index: ShardIndex,
    targets: Structure | None,
    trust: bool,
    selection: Selection | None = None,
) -> dict[int, float]:
    """Computes balanced weights of the classes that occur.

    Class c gets `samples / (classes * count[c])`, as scikit-learn's `"balanced"` (King and Zeng,
    Logistic Regression in Rare Events Data, 2001).

    Args:
        index: the shards.
        targets: the targets as in `Roles`.
        trust: whether pickles may be executed.
        selection: the rows that are counted. Defaults to `None`: all.

    Returns:
        A dict of class number to weight.

    Raises:
        ShardError: if the targets are not one field of class numbers, or cannot be read.
    """
    # The counts in the index are those of its own targets. Those of multi-hot rows do not add up to
    # the number of rows.
    is_recorded = (
        isinstance(targets, str)
        and targets == index.roles.targets
        and not index.fields[targets].shape
    )
    recorded = index.class_counts if is_recorded and selection is None else None
    counts = recorded or _count_in_shards(index, targets, trust, selection)
    occurring = {label: count for label, count in enumerate(counts) if count}
    total = sum(occurring.values())
    return {label: total / (len(occurring) * count) for label, count in occurring.items()}


def _count_in_shards(
    index: ShardIndex, targets: Structure | None, trust: bool, selection: Selection | None
) -> list[int]:
    field = index.fields[targets] if isinstance(targets, str) else None
    if field is None or field.dtype.kind not in "iu" or field.shape not in ((), (1,)):
        raise ShardError(
            f"{index.directory}: class weights need one target of integer labels. "
            f"The targets are {targets!r}" + (f", {field}." if field else ".")
        )
    counts = []
    for place, shard in enumerate(np.flatnonzero(index.variant == 0).tolist()):
        if selection is not None and not selection.counts[place]:
            continue
        path = index.path(shard)
        labels = read_columns(path, [field.name], trust)[field.name]
        if selection is not None:
            labels = labels[selection.rows(place)]
        try:
            counts.append(count_labels(labels, _MAX_CLASSES))
        except ValueError as error:
            raise ShardError(
                f"{path}: class weights need class numbers. Received: {error}"
            ) from error
    return add_counts(counts) or []
