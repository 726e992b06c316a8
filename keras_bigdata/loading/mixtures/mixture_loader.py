"""Loads the batch at any position of a mixture: rows of each set, read into the same arrays.

This module imports neither Keras nor a backend, because worker processes run it too.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from keras_bigdata.errors import ShardError
from keras_bigdata.loading.batches.batch_loader import MAX_RUN_BYTES, BatchLoader, LoaderConfig
from keras_bigdata.loading.batches.corrupt_shards import CorruptShards
from keras_bigdata.loading.batches.stage_times import StageTimes
from keras_bigdata.loading.mixtures.corrupt_shards_of_sets import CorruptShardsOfSets
from keras_bigdata.loading.mixtures.set_loader import SetLoader
from keras_bigdata.loading.order.epoch_plan import cut_runs
from keras_bigdata.loading.order.proportions import Proportions
from keras_bigdata.loading.parts.part_weights import PART_WEIGHTS
from keras_bigdata.loading.rows.buffer_pool import BufferPool
from keras_bigdata.loading.rows.ragged_batch import padded_length, widened
from keras_bigdata.loading.rows.row_reader import Batch, RawBatch
from keras_bigdata.loading.rows.varlen_rows import VarlenRows
from keras_bigdata.shards.index.shard_index import Field, Int64Array, ShardIndex


@dataclass(frozen=True, slots=True)
class MixtureConfig(LoaderConfig):
    """Everything that a batch of a mixture depends on; picklable.

    The fields of `LoaderConfig` are those of the batch: `fields` are the places in it.

    Args:
        names: names of the sets.
        sets: what to load of each set.
        places: for each set, place -> field.
        weights: the proportions.
        steps: number of batches in an epoch; `None` for one pass.
    """

    names: tuple[str, ...] = ()
    sets: tuple[LoaderConfig, ...] = ()
    places: tuple[Mapping[str, str], ...] = ()
    weights: tuple[int, ...] = ()
    steps: int | None = None

    @property
    def has_lengths_of_batches(self) -> bool:
        """Whether each of several processes can find the longest row of a whole batch.

        A process does not know the lengths after the transform of a set if it has no rows of it.
        """
        sets = [replace(each, batch_size=self.batch_size) for each in self.sets]
        return self.transform is None and all(each.has_lengths_of_batches for each in sets)

    @property
    def no_padding(self) -> str:
        """The argument with which no batch is padded to be divided among processes."""
        return "steps_per_epoch"

    @property
    def indexes(self) -> list[ShardIndex]:
        """The indexes of all sets."""
        return [config.index for config in self.sets]

    @property
    def parts(self) -> Sequence[LoaderConfig]:
        """The config of each set."""
        return self.sets

    @property
    def row_bytes(self) -> int:
        """Number of bytes of a row of a batch."""
        return self.sets[0].row_bytes

    @property
    def read_row_bytes(self) -> int:
        """Number of bytes of a row as stored, in the set where it is largest."""
        return max(each.read_row_bytes for each in self.sets)

    @property
    def served_fields(self) -> Mapping[str, Field]:
        """The fields that are served, by place."""
        fields = self.sets[0].index.fields
        return {place: fields[name] for place, name in self.places[0].items() if name in fields}

    @property
    def ragged_fields(self) -> frozenset[str]:
        """The places whose rows are padded to the longest of a batch."""
        return frozenset(name for name, field in self.served_fields.items() if field.is_ragged)

    def loader(self, corrupt_shards: CorruptShards | None = None) -> MixtureLoader:
        """Returns a new loader."""
        return MixtureLoader(self, corrupt_shards)


class MixtureLoader(BatchLoader):
    """Loads any batch of a mixture.

    The rows of the sets lie one after the other in a batch, in the order of the sets.

    Args:
        config: what to load.
        corrupt_shards: a `CorruptShardsOfSets`. Defaults to `None`: a new one.
    """

    config: MixtureConfig

    def __init__(self, config: MixtureConfig, corrupt_shards: CorruptShards | None = None) -> None:
        self.config = config
        if not isinstance(corrupt_shards, CorruptShardsOfSets):
            records = [each.loader().corrupt_shards for each in config.sets]
            corrupt_shards = CorruptShardsOfSets(records, [len(i) for i in config.indexes])
        self.corrupt_shards = corrupt_shards
        # A set has as many rows in a pass as its own loader serves.
        sizes = [each.loader().num_samples for each in config.sets]
        self._proportions = Proportions(config.weights, config.batch_size, sizes, config.steps)
        self.num_batches = self._proportions.length
        self.num_samples = self._proportions.num_samples
        self._sets = [
            SetLoader(
                replace(
                    each,
                    batch_size=rows,
                    max_queue_size=config.max_queue_size,
                    part=config.part,
                ),
                record,
                self._proportions,
                number,
                config.part_rows,
            )
            for number, (each, record, rows) in enumerate(
                zip(config.sets, corrupt_shards.records, self._proportions.max_rows, strict=True)
            )
        ]
        self.use_times(StageTimes())
        self._is_apart = config.transform is not None or any(
            each.needs_decoding for each in self._sets
        )
        self._main = int(np.argmax(config.weights))
        batch_bytes = config.part_rows * config.read_row_bytes
        self._max_run = max(1, MAX_RUN_BYTES // max(1, batch_bytes))
        self.window_batches = min(self._sets[self._main].window_batches, self._max_run)
        self._pool = BufferPool(2 * self.window_batches + config.max_queue_size + 8)
        self._run_starts = lru_cache(maxsize=4)(self._make_run_starts)
        self.reader = _Readers([each.reader for each in self._sets])  # type: ignore[assignment]

    @property
    def needs_decoding(self) -> bool:
        """Whether rows have to be decoded or padded after they are read."""
        return any(each.needs_decoding for each in self._sets)

    @property
    def is_finished_when_read(self) -> bool:
        """Whether a batch is complete once its rows are read."""
        return not self._is_apart and self.weights(self.num_batches - 1) is None

    @property
    def first_batch_is_apart(self) -> bool:
        """Whether the first batch is read by itself, before the shards of its run have arrived."""
        return any(each.first_batch_is_apart for each in self._sets)

    def use_times(self, times: StageTimes) -> None:
        """Records the time of the stages of all sets in one object from now on."""
        super().use_times(times)
        for each in self._sets:
            each.use_times(times)

    def holding(self, position: int) -> AbstractContextManager[object]:
        """Returns a context in which the copies of the remote shards of a batch are kept."""
        stack = ExitStack()
        for each in self._sets:
            stack.enter_context(each.holding(position))
        return stack

    def stop_fetching(self) -> None:
        """Stops fetching remote shards in advance, and drops those that are held."""
        for each in self._sets:
            each.stop_fetching()

    # ---- Which rows

    def run_at(self, position: int) -> range:
        """Returns the positions that should be read together with this one.

        They form the windows of the set that gives the most rows, if it has windows.
        """
        epoch, batch = divmod(position, self.num_batches)
        starts = self._run_starts(epoch)
        here = int(np.searchsorted(starts, batch, side="right"))
        start = epoch * self.num_batches
        return range(start + int(starts[here - 1]), start + int(starts[here]))

    def _make_run_starts(self, epoch: int) -> Int64Array:
        main, length = self._sets[self._main], self.num_batches
        first = epoch * length
        before = main.rows_before(np.arange(first, first + length + 1))
        size = main.num_samples
        ends = []
        if size >= 8 * main.config.batch_size:
            for number in range(int(before[0]) // size, int(before[-1] - 1) // size + 1):
                of_pass = main.window_ends(number)
                if of_pass is not None:
                    ends.append(number * size + of_pass)
        if not ends:
            return np.append(np.arange(0, length, min(self._max_run, 16)), length)
        firsts = np.searchsorted(before, np.concatenate(ends))
        return cut_runs(np.minimum(firsts, length), length, self._max_run)

    # ---- Reading

    def read(self, positions: range) -> list[Batch]:
        """Returns the batches at some positions of one epoch, before the transforms.

        If a set has a transform, or rows to decode, each set has its own arrays.
        """
        lengths = [each._lengths(positions) for each in self._sets]
        if self._is_apart:
            return self._read_apart(positions, lengths)
        sizes = [sum(rows) for rows in zip(*lengths, strict=True)]
        capacity = self.config.part_rows
        batches = [self._empty(size, max(size, capacity)) for size in sizes]
        self._fill(positions, lengths, batches)
        return batches

    def read_joined(self, positions: range) -> Batch:
        """Returns the batches that `read` returns, joined into one."""
        lengths = [each._lengths(positions) for each in self._sets]
        sizes = [sum(rows) for rows in zip(*lengths, strict=True)]
        count = sum(sizes)
        joined = self._empty(count, 1 << (count - 1).bit_length())
        bounds = np.cumsum([0, *sizes]).tolist()
        batches = [
            {place: array[start:stop] for place, array in joined.items()}
            for start, stop in itertools.pairwise(bounds)
        ]
        self._fill(positions, lengths, batches)
        return joined

    def _fill(self, positions: range, lengths: list[list[int]], batches: list[Batch]) -> None:
        starts = [0] * len(batches)
        for number, rows in enumerate(lengths):
            parts = [
                {place: array[start : start + count] for place, array in batch.items()}
                for batch, start, count in zip(batches, starts, rows, strict=True)
            ]
            starts = [start + count for start, count in zip(starts, rows, strict=True)]
            places = self.config.places[number]
            if not any(rows):
                continue
            # A field with several places is read once.
            first = {field: place for place, field in reversed(list(places.items()))}
            outs = [{field: part[first[field]] for field in first} for part in parts]
            self._sets[number].read_into(positions, outs)
            for place, field in places.items():
                if place != first[field]:
                    for part in parts:
                        part[place][...] = part[first[field]]

    def _empty(self, count: int, capacity: int) -> Batch:
        fields, places = self.config.sets[0].index.fields, self.config.places[0]
        return {
            place: self._pool.empty(count, fields[name].row_shape, fields[name].dtype, capacity)
            for place, name in places.items()
        }

    def _read_apart(self, positions: range, lengths: list[list[int]]) -> list[RawBatch]:
        batches: list[RawBatch] = [{} for _ in positions]
        for number, (loader, rows) in enumerate(zip(self._sets, lengths, strict=True)):
            if not any(rows):
                continue
            joined = loader.read_rows(positions)
            bounds = itertools.pairwise(np.cumsum([0, *rows]).tolist())
            for batch, (start, stop) in zip(batches, bounds, strict=True):
                for name, read in joined.items():
                    is_varlen = isinstance(read, VarlenRows)
                    part = read.part(start, stop) if is_varlen else read[start:stop]
                    batch[_key(number, name)] = part
        return batches

    # ---- Transforms

    def transformed(self, position: int, batch: Batch) -> Batch:
        """Applies the transform of each set to its rows, and returns one batch."""
        weights = self.weights(position)
        joined = self._joined(position, batch) if self._is_apart else batch
        return joined if weights is None else {**joined, PART_WEIGHTS: weights}

    def _joined(self, position: int, batch: RawBatch) -> Batch:
        parts: dict[str, Batch] = {}
        for number, loader in enumerate(self._sets):
            part = {
                name: batch[_key(number, name)]
                for name in loader.config.fields
                if len(batch.get(_key(number, name), ()))
            }
            if part:
                result = loader.transformed(position, part)
                places = self.config.places[number]
                name = self.config.names[number]
                parts[name] = {place: result[field] for place, field in places.items()}
        self._widen(parts, self._common_lengths(position))
        _check_alike(parts)
        return {
            place: np.concatenate([part[place] for part in parts.values()])
            for place in self.config.fields
        }

    def _common_lengths(self, position: int) -> dict[str, int]:
        """Returns the length of each place in the batch of all processes, if there are several."""
        lengths: dict[str, int] = {}
        if self.config.part.size == 1:
            return lengths
        for loader, places in zip(self._sets, self.config.places, strict=True):
            of_set = loader.batch_lengths(position)
            for place in self.config.ragged_fields:
                longest = of_set.get(places[place], 0)
                padded = padded_length(longest, loader.config.decode.pad_to)
                lengths[place] = max(lengths.get(place, 0), padded)
        return lengths

    def _widen(self, parts: Mapping[str, Batch], common: Mapping[str, int]) -> None:
        """Pads the rows of all sets to one length, which is that of all processes.

        Raises:
            ShardError: if a transform made rows longer than the other processes expect.
        """
        for place in self.config.ragged_fields:
            if all(part[place].ndim > 1 for part in parts.values()):
                length = max(part[place].shape[1] for part in parts.values())
                if length > common.get(place, length):
                    raise ShardError(
                        f"`{place}` has a length of {length} after the transforms, and other "
                        "processes, which may have no rows of this set, pad it to "
                        f"{common[place]}, the longest row of all sets. With `part`, a transform "
                        "of a Mixture must not make rows of any length longer."
                    )
                length = common.get(place, length)
                padding = self.config.served_fields[place].padding
                for part in parts.values():
                    part[place] = widened(part[place], length, padding)


class _Readers:
    """The readers of all sets, to pause them together."""

    def __init__(self, readers: Sequence[Any]) -> None:
        self._readers = readers

    def pause(self) -> None:
        for reader in self._readers:
            reader.pause()

    def resume(self) -> None:
        for reader in self._readers:
            reader.resume()


def _key(number: int, field: str) -> str:
    return f"{number} {field}"


def _check_alike(parts: Mapping[str, Batch]) -> None:
    """Refuses batches that NumPy would join by changing dtypes."""
    kinds = {
        name: [f"{array.dtype} (rows{''.join(f', {n}' for n in array.shape[1:])})" for array in
               part.values()]
        for name, part in parts.items()
    }  # fmt: skip
    names = list(kinds)
    for name in names[1:]:
        if kinds[name] != kinds[names[0]]:
            raise ShardError(
                "The sets of a Mixture must have the same dtypes and row shapes, but after "
                f"their transforms {names[0]!r} has {kinds[names[0]]} and {name!r} has "
                f"{kinds[name]}."
            )
