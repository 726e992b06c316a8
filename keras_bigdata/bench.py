"""What feeding a model from some shards can deliver on this machine, and what limits it."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from keras_bigdata.shards.index import ShardIndex

# Of the files, as much is read for the disk's own rate, and as many rows are put into memory.
_MOST_BYTES = 2**30


@dataclass(frozen=True)
class Rates:
    """Samples a second, medians of rounds taken in turn.

    Attributes:
        row_bytes: bytes of a sample.
        alone: a plain loop over the `ShardSequence`, files in the page cache.
        fit: the same through `fit`, with a model that trains nothing.
        ceiling: one batch, made once and returned every time, through the same road of `fit`.
        memory: `fit` on arrays in memory.
        disk: reading the files from one end to the other, with nothing of them in the page
            cache; `None` if the system cannot be asked to forget them.
    """

    row_bytes: int
    alone: float
    fit: float
    ceiling: float
    memory: float
    disk: float | None

    def verdict(self, model: float) -> str:
        """One sentence: what a model that trains so many samples a second would wait for."""
        name = f"A model that trains {model:,.0f} samples/s"
        if model > self.fit:
            return (
                f"{name} would wait for the feeding, which gives {self.fit:,.0f}; arrays in memory "
                f"would give {self.memory:,.0f}."
            )
        if self.disk is not None and model > self.disk:
            return (
                f"{name} would wait for the disk, which gives {self.disk:,.0f}, wherever the "
                "shards are not in the page cache; where they are, it never waits."
            )
        if self.disk is None:
            return f"{name} never waits where the shards are in the page cache."
        return f"{name} never waits: neither the disk nor the feeding binds it."


def bench(
    shards: str | os.PathLike[str] | ShardIndex,
    batch_size: int = 32,
    *,
    inputs: Any = None,
    targets: Any = None,
    rounds: int = 5,
    seconds: float = 1.0,
) -> Rates:
    """Measures what a `ShardSequence` over some shards delivers.

    The model trains nothing: what is measured is what can be fed, not what a model takes.
    Several seconds for each round; other programs should be idle.

    Args:
        shards: what `ShardSequence` takes.
        batch_size: rows of a batch. Defaults to `32`.
        inputs: what `ShardSequence` takes, for bare pickles. Defaults to what the index says.
        targets: the same for `y`.
        rounds: times that everything is measured, in turn. Defaults to `5`.
        seconds: length of one measurement, about. Defaults to `1.0`.

    Returns:
        `Rates`.

    Raises:
        ValueError: if an argument does not make sense.
        ShardError: if the shards cannot be read.

    Example:

    ```python
    rates = bench("shards/train", batch_size=64)
    print(rates.verdict(5000))
    ```
    """
    from keras_bigdata.loading.arguments import checked_count
    from keras_bigdata.loading.sequence import ShardSequence

    rounds = checked_count(rounds, "rounds", 1)
    if not seconds > 0:
        raise ValueError(f"`seconds` must be above 0. Received: seconds={seconds!r}")

    def sequence(steps: int | None = None) -> ShardSequence:
        return ShardSequence(
            shards, batch_size, inputs=inputs, targets=targets, seed=0, steps_per_epoch=steps
        )

    loop = sequence()
    rows = min(batch_size, loop.num_samples)
    row_bytes = sum(loop.fields[name].row_bytes for name in loop.roles.names)
    rate = _looped(loop, seconds)  # not counted: files come into the page cache
    steps = max(4, int(rate * seconds / rows))
    example = loop.example()
    train, constant = sequence(steps), _constant(example, steps)
    arrays = _in_memory(sequence(), row_bytes)
    memory_samples = len(_first(arrays))
    model = _null_model()
    timed = _Timed.make()

    def fitted(samples: float, x: Any, **arguments: Any) -> float:
        model.fit(x, epochs=1, verbose=0, shuffle=False, callbacks=[timed], **arguments)
        return float(samples / timed.seconds)

    measures: list[Callable[[], float | None]] = [
        lambda: _looped(loop, seconds),
        lambda: fitted(steps * rows, train),
        lambda: fitted(steps * rows, constant),
        lambda: fitted(memory_samples, **_as_arguments(arrays), batch_size=batch_size),
        lambda: _disk(loop.index),
    ]
    for measure in measures[1:]:
        measure()  # not counted either: functions are traced, memory is taken
    taken = [[measure() for measure in measures] for _ in range(rounds)]
    alone, fit, ceiling, memory, disk = (_median(values) for values in zip(*taken, strict=True))
    assert alone is not None
    assert fit is not None
    assert ceiling is not None
    assert memory is not None
    return Rates(row_bytes, alone, fit, ceiling, memory, disk)


def _median(values: tuple[float | None, ...]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _looped(sequence: Any, seconds: float) -> float:
    """Samples a second of a plain loop, until a pass is over and the time is up."""
    samples, started = 0, time.perf_counter()
    while True:
        for batch in sequence:
            samples += len(_first(batch))
        passed = time.perf_counter() - started
        if passed >= seconds:
            return samples / passed


def _first(structure: Any) -> Any:
    import keras

    return keras.tree.flatten(structure)[0]


def _constant(batch: Any, steps: int) -> Any:
    import keras

    class Constant(keras.utils.PyDataset):
        def __len__(self) -> int:
            return steps

        def __getitem__(self, index: int) -> Any:
            return batch

    return Constant()


def _in_memory(sequence: Any, row_bytes: int) -> Any:
    """The first rows, in arrays, as many as take 1 GiB at most or a quarter of free memory."""
    import keras
    import numpy as np

    most = min(_MOST_BYTES, _free_memory() // 4)
    count = max(1, min(len(sequence), most // max(1, row_bytes * sequence.batch_size)))
    batches = [sequence[index] for index in range(count)]
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *batches)


def _as_arguments(arrays: Any) -> dict[str, Any]:
    return dict(zip(("x", "y", "sample_weight"), arrays, strict=False))


def _free_memory() -> int:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 4 * _MOST_BYTES


def _disk(index: ShardIndex) -> float | None:
    """Samples a second of reading the files, forgotten by the page cache before."""
    if not hasattr(os, "posix_fadvise"):
        return None
    nbytes, samples, passed = 0, 0, 0.0
    block = bytearray(2**20)
    for shard in range(len(index)):
        with _opened(index, shard) as fd:
            os.fsync(fd)  # pages that are not written yet cannot be forgotten
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
            started = time.perf_counter()
            while count := os.readv(fd, [block]):
                nbytes += count
            passed += time.perf_counter() - started
        samples += int(index.samples[shard])
        if nbytes >= _MOST_BYTES:
            break
    return samples / passed


@contextlib.contextmanager
def _opened(index: ShardIndex, shard: int) -> Iterator[int]:
    fd = os.open(index.path(shard), os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


class _Timed:
    """Makes a callback that times an epoch from its first batch on."""

    @staticmethod
    def make() -> Any:
        import keras

        class Timed(keras.callbacks.Callback):
            seconds = 0.0

            def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
                if batch == 0:
                    self._started = time.perf_counter()

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                self.seconds = time.perf_counter() - self._started

        return Timed()


def _null_model() -> Any:
    """A model whose train step touches nothing, on each backend."""
    import keras

    class Null(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.built = True

        def call(self, x: Any) -> Any:
            return keras.ops.zeros((1, 1))

        def train_step(self, *arguments: Any) -> Any:
            backend = keras.backend.backend()
            if backend == "jax":
                return {"loss": keras.ops.zeros(())}, arguments[0]
            return {"loss": keras.ops.zeros(())}

    model = Null()
    model.compile("sgd", jit_compile=False)
    return model
