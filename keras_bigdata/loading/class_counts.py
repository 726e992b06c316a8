"""Samples of each class, where the index does not say."""

from __future__ import annotations

import numpy as np

from keras_bigdata.errors import ShardError
from keras_bigdata.loading.row_reader import Reader
from keras_bigdata.shards.index import ShardIndex
from keras_bigdata.shards.roles import Structure

# More are no classes but, say, identifiers.
_MOST_CLASSES = 10_000_000


def class_counts(index: ShardIndex, reader: Reader, target: Structure | None) -> list[int]:
    """Samples of each class, read from the targets of shards that have no counts."""
    field = index.fields[target] if isinstance(target, str) else None
    if field is None or field.dtype.kind not in "iu" or field.shape not in ((), (1,)):
        raise ShardError(
            f"{index.directory}: class weights need one target of integer labels. "
            f"The targets are {target!r}" + (f", {field}." if field else ".")
        )
    counts = np.zeros(0, np.int64)
    for shard in np.flatnonzero(index.variant == 0).tolist():
        labels = reader.column(shard, field.name).reshape(-1)
        if labels.size and labels.min() < 0:
            raise ShardError(
                f"{index.path(shard)}: class weights need labels from 0. Received: {labels.min()}"
            )
        if labels.size and labels.max() > _MOST_CLASSES:
            raise ShardError(
                f"{index.path(shard)}: class weights need labels that count classes from "
                f"0. Received: {labels.max()}"
            )
        here = np.bincount(labels, minlength=len(counts))
        here[: len(counts)] += counts
        counts = here
    return [int(count) for count in counts]
