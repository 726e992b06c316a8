"""Measures how fast shards are read and fed to `fit`, on a part of them that stays in memory."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_bigdata.arguments import checked_int, checked_number
from keras_bigdata.bench.disk import measure_disk
from keras_bigdata.bench.null_model import NullModel, measure_fit
from keras_bigdata.bench.rates import Rates
from keras_bigdata.bench.store import copied_shards
from keras_bigdata.errors import ShardError
from keras_bigdata.loading.sequence import ShardSequence
from keras_bigdata.machine_limits import available_memory
from keras_bigdata.progress import track
from keras_bigdata.shards.index.shard_index import Int64Array, ShardIndex
from keras_bigdata.shards.opening.one_set import Reading
from keras_bigdata.shards.selecting.selection import Selection
from keras_bigdata.shards.shards import Shards

# Default maximum size of the shards that are measured. Those of a remote set are transferred.
_LOCAL_BYTES = 2**30
_REMOTE_BYTES = 2**28


def bench(
    shards: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | ShardIndex | Shards,
    batch_size: int = 32,
    *,
    inputs: Any = None,
    targets: Any = None,
    layout: Reading = None,
    storage_options: Mapping[str, Any] | None = None,
    rounds: int = 5,
    seconds: float = 1.0,
    max_bytes: int | None = None,
) -> Rates:
    """Measures the throughput of a `ShardSequence`, and the throughputs that could limit it.

    From a large set, only shards spread over all of it are measured. They take `max_bytes`, or a
    quarter of the available memory if that is less, so they stay in the page cache, and no
    measurement needs an epoch over terabytes. The model trains nothing. A real model that trains on
    the CPU shares the cores with the input pipeline, which then delivers less. Other programs
    should be idle.

    If the set is behind a URL, these shards are copied once to this machine, which measures the
    store. Everything else is measured on the copies, as in epochs that a cache serves. The copies
    are in the directory of the `cache` of the `Shards`, or else in the directory for temporary
    files, and are removed at the end.

    Args:
        shards: a directory of shards or its URL, paths of shard files, a `ShardIndex`, or a
            `Shards`, whose selected rows are measured.
        batch_size: rows per batch. Defaults to `32`.
        inputs: fields that are inputs, for pickles without an index. Defaults to `None`: those
            that the index names.
        targets: fields that are targets, in the same way. Defaults to `None`.
        layout: how pickles without an index are read, as in `ShardSequence`. Defaults to `None`.
        storage_options: options of the fsspec driver of a URL. Defaults to `None`.
        rounds: number of rounds. Each one measures everything once, in turn. Defaults to `5`.
        seconds: approximate length of a measurement. A round has four of them, and reads the files
            once more to measure the disk. Defaults to `1.0`.
        max_bytes: maximum size in bytes of the files that are measured, and of the arrays in
            memory that are compared with them. Defaults to `None`: `2**30`, or `2**28` of a set
            behind a URL.

    Returns:
        A `Rates` with the median of each throughput.

    Raises:
        TypeError: if `rounds` or `max_bytes` is not an integer or `seconds` not a number.
        ValueError: if one of them is not above 0.
        ShardError: if the shards cannot be read, or if the rows of a field have any size.

    Example:

    ```python
    from keras_bigdata.bench import bench

    rates = bench("shards/train", batch_size=64)
    print(rates.describe_limits())
    print(rates.describe_bottleneck(5000))
    ```
    """
    rounds = checked_int(rounds, "rounds", 1)
    seconds = checked_number(seconds, "seconds", above=0)
    if max_bytes is not None:
        max_bytes = checked_int(max_bytes, "max_bytes", 1)
    roles: dict[str, Any] = {"inputs": inputs, "targets": targets, "seed": 0}
    whole = ShardSequence(
        shards, batch_size, layout=layout, storage_options=storage_options, **roles
    )
    if max_bytes is None:
        is_local = isinstance(whole.index.directory, Path)
        max_bytes = _LOCAL_BYTES if is_local else _REMOTE_BYTES
    max_bytes = min(max_bytes, max(1, available_memory() // 4))
    selection = whole.server.config.selection
    _check_shapes(whole)
    part = _select_shards(whole.index, max_bytes, selection)
    if selection is not None:
        selection = selection.of_shards(_spread_places(whole.index, max_bytes, selection))
    with copied_shards(part) as (readable, store):
        rates = _measure(
            Shards.of_index(readable, selection),
            batch_size,
            roles,
            rounds=rounds,
            seconds=seconds,
            max_bytes=max_bytes,
            disk=(lambda: measure_disk(part)) if store is None else (lambda: store),
        )
    return replace(rates, total_shards=len(whole.index), is_remote=store is not None)


def _measure(
    selected: Shards,
    batch_size: int,
    roles: dict[str, Any],
    *,
    rounds: int,
    seconds: float,
    max_bytes: int,
    disk: Callable[[], float | None],
) -> Rates:
    """Measures everything on shards that are on this machine, and the disk by a function."""
    part = selected.index
    sequence = ShardSequence(selected, batch_size, **roles)
    rate = _measure_loop(sequence, seconds)  # not counted: it fills the page cache
    batch_rows = min(sequence.batch_size, sequence.num_samples)
    # Several epochs per measurement, so that they have a median.
    steps = max(4, int(rate * seconds / 2 / batch_rows))
    endless = ShardSequence(selected, batch_size, steps_per_epoch=steps, **roles)
    # The last batch of a pass may be smaller.
    endless_samples = steps * sequence.num_samples / len(sequence)
    row_bytes = sum(sequence.fields[name].row_bytes for name in sequence.roles.names)
    arrays = _load_arrays(sequence, max(1, max_bytes // max(1, row_bytes * batch_rows)))
    memory_samples = _count_rows(arrays)
    in_memory = dict(zip(("x", "y", "sample_weight"), arrays, strict=False))
    constant = _ConstantBatch(sequence.server.example(), steps)
    model = NullModel()

    measurements: list[Callable[[], float | None]] = [
        lambda: _measure_loop(sequence, seconds),
        lambda: measure_fit(model, endless_samples, seconds, endless, shuffle=False),
        lambda: measure_fit(model, steps * batch_rows, seconds, constant, shuffle=False),
        lambda: measure_fit(
            model, memory_samples, seconds, **in_memory, batch_size=batch_rows, shuffle=True
        ),
        disk,
    ]
    results = [
        [measure() for measure in measurements] for _ in track(range(rounds), rounds, "rounds")
    ]
    loop, fit, constant_batch, memory, of_disk = zip(*results, strict=True)
    return Rates(
        loop=_median(loop),
        fit=_median(fit),
        constant_batch=_median(constant_batch),
        memory=_median(memory),
        # If a file could not be dropped from the page cache in one round, the others are doubtful.
        disk=None if None in of_disk else _median(of_disk),
        row_bytes=row_bytes,
        file_bytes=float(part.sizes.sum() / part.samples.sum()),
        shards=len(part),
        total_shards=len(part),
        memory_samples=memory_samples,
    )


def _check_shapes(sequence: ShardSequence) -> None:
    """Refuses rows of any size, because the arrays in memory to compare with need one shape.

    Raises:
        ShardError: if a field of a role has such rows.
    """
    for name in sequence.roles.names:
        if None in sequence.fields[name].shape:
            raise ShardError(
                f"{sequence.index.directory}: the shards are compared with arrays in memory, which "
                f"need rows of one shape. Received: {sequence.fields[name]}. "
                "`measure_read_rate(ShardSequence(...))` measures how fast they are read."
            )


def measure_read_rate(
    sequence: ShardSequence, seconds: float = 3.0, *, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Measures how fast a plain loop receives the batches of a sequence, without training.

    The first batch does not count. The loop ends after `seconds`, or after one pass if that is
    shorter, so a small set is measured from the page cache.

    Args:
        sequence: the `ShardSequence`; its epoch does not advance.
        seconds: maximum time to measure. Defaults to `3.0`.
        clock: function that returns a time in seconds. Defaults to `time.perf_counter`.

    Returns:
        Samples per second.

    Raises:
        ValueError: if the sequence has only one batch, so that there is nothing to measure.
    """
    batches = len(sequence)
    if batches < 2:
        raise ValueError(
            f"The set has only one batch of at most {sequence.batch_size} samples: too few to "
            "measure. Use a smaller batch size, or specify the samples per second."
        )
    sequence[0]
    start = clock()
    samples = 0
    for number in range(1, batches):
        sequence[number]
        samples += min(sequence.batch_size, sequence.num_samples - number * sequence.batch_size)
        if clock() - start > seconds:
            break
    return samples / (clock() - start)


def _median(rates: tuple[float | None, ...]) -> float:
    return statistics.median(rate for rate in rates if rate is not None)


def _select_shards(
    index: ShardIndex, max_bytes: int, selection: Selection | None = None
) -> ShardIndex:
    """Selects shards spread over the first variant that take at most `max_bytes`; at least one.

    Args:
        index: the whole set.
        max_bytes: maximum size of the selected files.
        selection: the rows that are used; shards without any are left out. Defaults to `None`:
            all rows.
    """
    shards = np.flatnonzero(index.variant == 0)[_spread_places(index, max_bytes, selection)]
    return ShardIndex.from_shards(
        index.directory,
        index.fields,
        [index[shard] for shard in shards.tolist()],
        roles=index.roles,
        classes=index.classes,
        skipped_fields=index.skipped_fields,
        mtimes_ns=None if index.mtimes_ns is None else index.mtimes_ns[shards],
    )


def _spread_places(index: ShardIndex, max_bytes: int, selection: Selection | None) -> Int64Array:
    """Returns the positions of the selected shards in the first variant."""
    first = index.variant == 0
    places = np.flatnonzero(index.samples[first] if selection is None else selection.counts)
    sizes = index.sizes[first]
    stride = -(-int(sizes[places].sum()) // max_bytes)
    places = places[:: max(1, stride)]
    count = int(np.searchsorted(np.cumsum(sizes[places]), max_bytes, side="right"))
    return places[: max(1, count)]


def _measure_loop(sequence: ShardSequence, seconds: float) -> float:
    """Measures a plain loop in samples per second, over whole passes that take `seconds`."""
    samples, start = 0, time.perf_counter()
    while True:
        for batch in sequence:
            samples += _count_rows(batch)
        passed = time.perf_counter() - start
        if passed >= seconds:
            return samples / passed


def _count_rows(batch: Any) -> int:
    return len(keras.tree.flatten(batch)[0])


def _load_arrays(sequence: ShardSequence, max_batches: int) -> Any:
    """Reads the first batches of a pass, at most `max_batches`, and concatenates them."""
    batches = [sequence[index] for index in range(min(len(sequence), max_batches))]
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *batches)


class _ConstantBatch(keras.utils.PyDataset):
    """Returns the same batch every time, which is as fast as a `PyDataset` can be."""

    def __init__(self, batch: Any, steps: int) -> None:
        super().__init__()
        self._batch = batch
        self._steps = steps

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> Any:
        return self._batch
