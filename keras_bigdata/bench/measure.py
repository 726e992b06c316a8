"""Measuring what can be fed from some shards, in turn, on a part that stays in memory."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from keras_bigdata.arguments import checked_int
from keras_bigdata.bench.disk import disk_rate
from keras_bigdata.bench.null_model import NullModel, fitted_rate
from keras_bigdata.bench.rates import Rates
from keras_bigdata.loading.sequence import ShardSequence
from keras_bigdata.progress import track
from keras_bigdata.shards.index import ShardIndex

# At most so much of the files is read, and so much is held in arrays.
_MOST_BYTES = 2**30


def bench(
    shards: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | ShardIndex,
    batch_size: int = 32,
    *,
    inputs: Any = None,
    targets: Any = None,
    rounds: int = 5,
    seconds: float = 1.0,
) -> Rates:
    """Measures what a `ShardSequence` over some shards delivers, and what could limit it.

    Of a large set, shards from all over it are measured that take 1 GiB, or a quarter of the
    free memory if that is less: they stay in the page cache, and an epoch over terabytes
    is not needed. The model trains nothing. A real one that trains on the CPU shares the cores
    with the feeding, and will be fed less than this. Other programs should be idle.

    Args:
        shards: what `ShardSequence` takes.
        batch_size: rows of a batch. Defaults to `32`.
        inputs: what `ShardSequence` takes, for bare pickles. Defaults to what the index says.
        targets: the same for `y`.
        rounds: times that everything is measured, in turn. Defaults to `5`.
        seconds: length of one measurement, about; there are four in each round, and one
            pass over the files. Defaults to `1.0`.

    Returns:
        `Rates`.

    Raises:
        ValueError: if an argument does not make sense.
        ShardError: if the shards cannot be read.

    Example:

    ```python
    rates = bench("shards/train", batch_size=64)
    print(rates.limits())
    print(rates.verdict(5000))
    ```
    """
    rounds = checked_int(rounds, "rounds", 1)
    if not (seconds > 0 and math.isfinite(seconds)):
        raise ValueError(f"`seconds` must be above 0. Received: seconds={seconds!r}")
    roles: dict[str, Any] = {"inputs": inputs, "targets": targets, "seed": 0}
    whole = ShardSequence(shards, batch_size, **roles)
    most = min(_MOST_BYTES, _free_memory() // 4)
    part = _part(whole.index, most)

    loop = ShardSequence(part, batch_size, **roles)
    rate = _looped(loop, seconds)  # not counted: the files come into the page cache
    rows = min(loop.batch_size, loop.num_samples)
    # Several epochs for each measurement, so that there is a median.
    steps = max(4, int(rate * seconds / 2 / rows))
    endless = ShardSequence(part, batch_size, steps_per_epoch=steps, **roles)
    # The last batch of a pass may be smaller.
    endless_samples = steps * loop.num_samples / len(loop)
    row_bytes = sum(loop.fields[name].row_bytes for name in loop.roles.names)
    arrays = _in_memory(loop, max(1, most // max(1, row_bytes * rows)))
    held = len(_first(arrays))
    in_memory = dict(zip(("x", "y", "sample_weight"), arrays, strict=False))
    constant = _Constant(loop.server.example(), steps)
    model = NullModel()

    measures: list[Callable[[], float | None]] = [
        lambda: _looped(loop, seconds),
        lambda: fitted_rate(model, endless_samples, seconds, endless, shuffle=False),
        lambda: fitted_rate(model, steps * rows, seconds, constant, shuffle=False),
        lambda: fitted_rate(model, held, seconds, **in_memory, batch_size=rows, shuffle=True),
        lambda: disk_rate(part),
    ]
    taken = [[measure() for measure in measures] for _ in track(range(rounds), rounds, "rounds")]
    alone, fit, ceiling, memory, disk = zip(*taken, strict=True)
    return Rates(
        alone=_median(alone),
        fit=_median(fit),
        ceiling=_median(ceiling),
        memory=_median(memory),
        # A file that could not be forgotten in one round makes the others doubtful.
        disk=None if None in disk else _median(disk),
        row_bytes=row_bytes,
        file_bytes=float(part.sizes.sum() / part.samples.sum()),
        shards=len(part),
        shards_of=len(whole.index),
        memory_samples=held,
    )


def _median(rates: tuple[float | None, ...]) -> float:
    return statistics.median(rate for rate in rates if rate is not None)


def _part(index: ShardIndex, most: int) -> ShardIndex:
    """Shards from all over the first variant that take no more bytes; one at least."""
    shards = np.flatnonzero((index.variant == 0) & (index.samples > 0))
    stride = -(-int(index.sizes[shards].sum()) // most)
    shards = shards[:: max(1, stride)]
    fitting = int(np.searchsorted(np.cumsum(index.sizes[shards]), most, side="right"))
    shards = shards[: max(1, fitting)]
    return ShardIndex.from_shards(
        index.directory,
        index.fields,
        [index[shard] for shard in shards.tolist()],
        roles=index.roles,
        classes=index.classes,
        skipped_fields=index.skipped_fields,
        mtimes_ns=None if index.mtimes_ns is None else index.mtimes_ns[shards],
    )


def _free_memory() -> int:
    """Bytes that can be had; the page cache, which gives way, counts where the system tells."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 4 * _MOST_BYTES


def _looped(sequence: ShardSequence, seconds: float) -> float:
    """Samples a second of a plain loop, until a pass is over and the time is up."""
    samples, started = 0, time.perf_counter()
    while True:
        for batch in sequence:
            samples += len(_first(batch))
        passed = time.perf_counter() - started
        if passed >= seconds:
            return samples / passed


def _first(structure: Any) -> Any:
    return keras.tree.flatten(structure)[0]


def _in_memory(sequence: ShardSequence, most: int) -> Any:
    """The first batches of a pass, at most so many, joined in arrays."""
    batches = [sequence[index] for index in range(min(len(sequence), most))]
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *batches)


class _Constant(keras.utils.PyDataset):
    """One batch, returned every time: what the same road of Keras gives at best."""

    def __init__(self, batch: Any, steps: int) -> None:
        super().__init__()
        self._batch = batch
        self._steps = steps

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> Any:
        return self._batch
