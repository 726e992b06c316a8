"""Weights that balance the classes of the targets of a sequence."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.loading.batches.batch_loader import BatchLoader
from keras_bigdata.loading.classes.class_forms import ClassCounter, ClassForm, balanced
from keras_bigdata.loading.order.selected_rows import SelectedRows
from keras_bigdata.loading.parts.batch_parts import Part
from keras_bigdata.loading.rows.row_reader import Batch
from keras_bigdata.shards.fields.roles import field_names, map_structure
from keras_bigdata.shards.reading.read_ahead import map_ahead
from keras_bigdata.shards.selecting.selected_columns import read_rows

if TYPE_CHECKING:
    from keras_bigdata.loading.epochs.epoch_server import EpochServer

# Labels are read in batches of this size, masks in batches of that of the sequence or less.
_MAX_BATCH_BYTES, _MAX_BATCH_ROWS = 4 * 2**20, 2**16


def balanced_class_weights(server: EpochServer) -> Any:
    """Computes balanced weights of the classes that occur in the targets.

    Class c gets `n / (classes * count[c])`, as scikit-learn's `"balanced"` (King and Zeng, Logistic
    Regression in Rare Events Data, 2001), with n rows, of which `count[c]` have the class; n pixels
    of masks.

    Args:
        server: the server of the sequence.

    Returns:
        A dict of class number to weight; for several targets, their structure of such dicts.

    Raises:
        ShardError: if a target does not hold classes, or cannot be read.
    """
    targets = server.roles.targets
    if targets is None:
        raise ShardError(
            f"{server.config.index.directory}: class weights need targets, and this sequence has "
            "none. Pass `targets`."
        )
    weights, several = balanced_by_name(server, tuple(dict.fromkeys(field_names(targets))))
    if several:
        warnings.warn(
            f"Rows of {several[0]!r} have several classes or none. The weight of a class is that "
            "of its rows, for a loss that weights each class by itself. Do not pass it to "
            "`fit(class_weight=)`, which reads one class of each row, the first one.",
            stacklevel=3,
        )
    return map_structure(targets, weights.__getitem__)


def balanced_by_name(
    server: EpochServer, names: Sequence[str]
) -> tuple[dict[str, dict[int, float]], list[str]]:
    """Computes balanced weights for some targets, in one pass over the rows.

    Args:
        server: the server of the sequence.
        names: names of targets.

    Returns:
        `(weights, several)`: name -> class -> weight, and the names of which not every row has
        exactly one class.

    Raises:
        ShardError: if a target does not hold classes, or cannot be read.
    """
    check_lengths(server, names)
    weights: dict[str, dict[int, float]] = {}
    if recorded := _recorded_counts(server):
        weights = {name: balanced(counts, sum(counts)) for name, counts in recorded.items()}
    counters: dict[str, ClassCounter] = {}
    rest = [name for name in names if name not in weights]
    start = 0
    for batch in _batches(server, rest) if rest else ():
        rows = len(batch[rest[0]])
        for name in rest:
            array = batch[name]
            try:
                if name not in counters:
                    counters[name] = ClassCounter(ClassForm(array.dtype, array.shape[1:]))
                counters[name].add(array)
            except ValueError as error:
                where = f"rows {start} to {start + rows - 1} of `unshuffled()`"
                raise _not_classes(server, name, error, where) from error
        start += rows
    for name, counter in counters.items():
        try:
            weights[name] = counter.balanced()
        except ValueError as error:
            raise _not_classes(server, name, error, "all rows") from error
    several = [name for name, counter in counters.items() if not counter.is_one_hot]
    return {name: weights[name] for name in names}, several


def check_lengths(server: EpochServer, names: Sequence[str]) -> None:
    """Refuses targets of any length: their padding would count as rows of a class.

    With a `transform`, what it returns is counted.

    Raises:
        ShardError: if the rows of a target have any length.
    """
    fields = {} if server.config.transform is not None else server.config.index.fields
    for name in names:
        if name in fields and None in fields[name].shape:
            raise ShardError(
                f"{server.config.index.directory}: class weights need targets of one shape. "
                f"Received: {fields[name]}. Its rows have any length, and the padding of a batch "
                "would count as a class. Weight them in the loss."
            )


def _not_classes(server: EpochServer, name: str, error: ValueError, where: str) -> ShardError:
    after = " (after the `transform`)" if server.config.transform is not None else ""
    return ShardError(
        f"{server.config.index.directory}: class weights need targets that are class numbers, or "
        f"rows of 0 and 1 with a column for each class. {name!r}{after} has {error} (in {where})."
    )


def _recorded_counts(server: EpochServer) -> dict[str, list[int]]:
    """Returns the counts in the index, if they are those of the rows that are served."""
    index, config = server.config.index, server.config
    target = index.roles.targets
    if not isinstance(target, str) or config.transform is not None or index.fields[target].shape:
        return {}
    # The counts of several columns do not show whether rows have several classes.
    if index.class_counts is None or server.num_samples != index.num_samples:
        return {}
    return {target: index.class_counts}


def _batches(server: EpochServer, names: Sequence[str]) -> Iterator[Batch]:
    """Yields all rows in the order of the files, after the transform if there is one.

    It needs the memory of a few batches.
    """
    # All rows, of which this process may serve a part.
    view = server.unshuffled(part=Part())
    config = view.config
    if config.transform is not None:
        try:
            for position in range(view.length):
                yield view.prefetcher.batch(position, view.length)
        finally:
            view.prefetcher.release()
        return
    fields = config.index.fields
    if not (isinstance(config.index.directory, Path) or any(fields[n].is_varlen for n in names)):
        yield from _remote_columns(server, names)
        return
    row_bytes = sum(fields[name].row_bytes for name in names)
    rows = max(1, min(_MAX_BATCH_ROWS, _MAX_BATCH_BYTES // max(1, row_bytes)))
    loader = BatchLoader(
        replace(config, fields=names, batch_size=rows, part=Part()), server.corrupt_shards
    )
    for position in range(loader.num_batches):
        yield loader.load(position)


def _remote_columns(server: EpochServer, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yields all rows of a remote set, shard by shard; only these fields are requested.

    The rows of shards that cannot be read, and are skipped, are left out.
    """
    config, corrupt = server.config, server.corrupt_shards
    selected = SelectedRows(config.index, config.selection)

    def read(shard: int) -> dict[str, Any] | CorruptShardError:
        try:
            rows = selected.of_shard(shard)
            return read_rows(config.index, shard, rows, names, trust=config.trust)
        except CorruptShardError as error:
            return error

    variant = selected.variants[0]
    shards = variant[(selected.counts[variant] > 0) & ~corrupt.is_corrupt(variant)].tolist()
    for shard, columns in zip(shards, map_ahead(read, shards, config.index, names), strict=True):
        if not isinstance(columns, CorruptShardError):
            yield columns
        elif config.on_corrupt == "skip":
            corrupt.add(shard, str(columns))
        else:
            raise columns
