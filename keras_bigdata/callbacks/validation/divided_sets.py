"""A validation set, divided among the processes that evaluate it together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_bigdata.callbacks.validation.validation_data import ArrayBatches
from keras_bigdata.keras_internals.distribution import (
    active_parts,
    is_joint_distribution_active,
    num_replicas,
)
from keras_bigdata.loading.epochs.epoch_server import EpochServer
from keras_bigdata.loading.parts.batch_parts import Part
from keras_bigdata.loading.sequence import ShardSequence


@dataclass(frozen=True)
class DividedSet:
    """A set in a form that several processes can evaluate together.

    A batch is divided among all copies of the model, so its number of rows must be a multiple of
    their number. The rows that remain at the end of the set, fewer than that, are evaluated by each
    copy.

    Attributes:
        pieces: datasets, each with the factor by which the states of the metrics have to be
            multiplied after `evaluate`.
        repeated: the whole set, of which each copy of the model evaluates every row. The result of
            a metric is the same if it depends on shares of rows, not on their number.
    """

    pieces: list[tuple[keras.utils.PyDataset, float]]
    repeated: keras.utils.PyDataset


def divides_evaluation() -> bool:
    """Returns whether `evaluate` works together with that of other processes, on JAX."""
    return keras.backend.backend() == "jax" and is_joint_distribution_active()


def divide(dataset: Any) -> DividedSet:
    """Divides a set among the processes of the active `keras.distribution`.

    Raises:
        ValueError: if it is unknown which rows the batches of the set hold.
    """
    ((rank, size),) = active_parts().values()
    replicas = num_replicas()
    rows: _ShardRows | _ArrayRows
    if isinstance(dataset, ShardSequence) and not dataset.has_custom_batches:
        rows = _ShardRows(dataset.server, Part(rank, size), replicas)
    elif isinstance(dataset, ArrayBatches):
        rows = _ArrayRows(dataset, Part(rank, size), replicas)
    else:
        raise ValueError(
            f"it is a {type(dataset).__name__}, and it is unknown whether {size} processes would "
            "evaluate the same rows of it or different ones. Pass arrays, a Shards, the path of a "
            "directory of shards, or a ShardSequence."
        )
    even = rows.num_samples - rows.num_samples % replicas
    pieces: list[tuple[keras.utils.PyDataset, float]] = []
    if even:
        pieces.append((_Batches(-(-even // rows.batch_size), rows.part_of_batch), 1.0))
    copies = replicas // size
    if even < rows.num_samples:
        rest = _Batches(1, lambda _: _repeated(rows.rest(), copies))
        pieces.append((rest, 1 / replicas))
    number = -(-rows.num_samples // rows.batch_size)
    return DividedSet(pieces, _Batches(number, lambda i: _repeated(rows.batch(i), copies)))


class _Batches(keras.utils.PyDataset):
    def __init__(self, length: int, batch: Callable[[int], Any]) -> None:
        super().__init__()
        self._length = length
        self._batch = batch

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        return self._batch(index)


class _ArrayRows:
    """Rows of arrays: those of this process in each batch, and those that remain."""

    def __init__(self, dataset: ArrayBatches, part: Part, replicas: int) -> None:
        self._dataset = dataset
        self._part = part
        self._replicas = replicas
        self.num_samples = dataset.num_samples
        self.batch_size = _next_multiple(dataset.batch_size, replicas)
        self._even = self.num_samples - self.num_samples % replicas

    def part_of_batch(self, index: int) -> Any:
        first = index * self.batch_size
        rows = (min(first + self.batch_size, self._even) - first) // self._part.size
        first += self._part.rank * rows
        return self._dataset.rows(slice(first, first + rows))

    def rest(self) -> Any:
        return self._dataset.rows(slice(self._even, self.num_samples))

    def batch(self, index: int) -> Any:
        return self._dataset.rows(slice(index * self.batch_size, (index + 1) * self.batch_size))


class _ShardRows:
    """Rows of shards. Only the rows of this process are read of full batches."""

    def __init__(self, server: EpochServer, part: Part, replicas: int) -> None:
        self._part = part
        self._replicas = replicas
        self.batch_size = _next_multiple(server.config.batch_size, replicas)
        self._whole = server.unshuffled(batch_size=self.batch_size, part=Part())
        self.num_samples = self._whole.num_samples
        self._full = self.num_samples // self.batch_size
        self._divided = self._whole
        if self._full:
            self._divided = server.unshuffled(
                batch_size=self.batch_size, part=part, last_batch="drop"
            )

    def part_of_batch(self, index: int) -> Any:
        if index < self._full:
            return self._divided.batch(0, index)
        rows = self._rows_of_last() // self._part.size
        first = self._part.rank * rows
        return _sliced(self._last_batch(), slice(first, first + rows))

    def rest(self) -> Any:
        return _sliced(self._last_batch(), slice(self._rows_of_last(), None))

    def batch(self, index: int) -> Any:
        return self._whole.batch(0, index)

    def _last_batch(self) -> Any:
        # Without a prefetch, which would read the whole set.
        batch = self._whole.prefetcher.loader.load(self._full)
        return self._whole.arrange(batch, "the last batch of a validation set")

    def _rows_of_last(self) -> int:
        last = self.num_samples - self._full * self.batch_size
        return last - last % self._replicas


def _next_multiple(number: int, divisor: int) -> int:
    return -(-number // divisor) * divisor


def _sliced(batch: Any, rows: slice) -> Any:
    return keras.tree.map_structure(lambda array: array[rows], batch)


def _repeated(batch: Any, times: int) -> Any:
    if times == 1:
        return batch
    return keras.tree.map_structure(lambda array: np.concatenate([array] * times), batch)
