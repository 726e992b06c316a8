"""Loads the batch at any position of the stream, with the plan, the reader and the transform.

This module imports neither Keras nor a backend, because worker processes run it too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from keras_bigdata.arguments import checked_bool, checked_choice, checked_int, checked_seed
from keras_bigdata.loading.batches.batch_rows import BatchRows
from keras_bigdata.loading.batches.corrupt_shards import CorruptShards
from keras_bigdata.loading.batches.remote_rows import ReadRows, remote_rows
from keras_bigdata.loading.batches.row_lengths import lengths_of_rows, longest_rows
from keras_bigdata.loading.batches.stage_times import StageTimes
from keras_bigdata.loading.batches.transformed_batch import TransformedBatches, batch_function
from keras_bigdata.loading.order.balanced_plan import BalancedPlan
from keras_bigdata.loading.order.class_rows import ClassRows
from keras_bigdata.loading.order.epoch_plan import Shuffle
from keras_bigdata.loading.order.spawn_keys import SpawnKey
from keras_bigdata.loading.parts.batch_parts import Part
from keras_bigdata.loading.parts.part_weights import PART_WEIGHTS
from keras_bigdata.loading.rows.decode_options import DecodeOptions
from keras_bigdata.loading.rows.row_decoder import Occurrences, RowDecoder
from keras_bigdata.loading.rows.row_reader import Batch, RawBatch, RowReader
from keras_bigdata.loading.rows.unreadable_shard import UnreadableShardError
from keras_bigdata.shards.fields.roles import Roles
from keras_bigdata.shards.index.shard_index import Field, Int64Array, ShardIndex
from keras_bigdata.shards.selecting.selection import Selection

_Read = TypeVar("_Read")

BatchTransform: TypeAlias = Callable[[Batch, np.random.Generator], Batch]

# Maximum size of the batches that are read together. Prefetching holds two such runs: one in use
# and one being read.
MAX_RUN_BYTES = 256 * 2**20

# Maximum average number of shards per batch for which each of several processes reads all offsets,
# to find the longest row of the whole batch. It reads rows of most of these shards anyway. The
# offsets of a shard take about 50 us.
_MAX_SHARDS_OF_LENGTHS = 64

# Maximum number of threads that decode images. Each takes the GIL twice for an image.
MAX_DECODE_THREADS = 16


@dataclass(frozen=True, slots=True)
class LoaderConfig:
    """Everything that a batch depends on; picklable."""

    index: ShardIndex
    fields: Sequence[str]
    # Rows of a batch of all processes together.
    batch_size: int
    shuffle: Shuffle
    window_shards: int
    seed: int
    last_batch: Literal["keep", "drop"]
    transform: BatchTransform | None
    trust: bool
    max_queue_size: int
    on_corrupt: Literal["raise", "skip"] = "raise"
    # The keys that are served. A transform may compute them from the fields that are read.
    roles: Roles = field(default_factory=Roles)
    selection: Selection | None = None
    # The rows of each class, to draw the classes evenly; `None` to draw the rows evenly.
    balance: ClassRows | None = None
    decode: DecodeOptions = field(default_factory=DecodeOptions)
    # Whether the first pass is served every time.
    repeats: bool = False
    # The slice of each batch that this process serves.
    part: Part = field(default_factory=Part)

    @property
    def num_samples(self) -> int:
        """Number of selected rows of one variant."""
        selection = self.selection
        return self.index.num_samples if selection is None else selection.num_samples

    @property
    def part_rows(self) -> int:
        """Number of rows of a batch that this process serves."""
        return self.part.rows_of(self.batch_size)

    @property
    def has_lengths_of_batches(self) -> bool:
        """Whether each of several processes can find the longest row of a whole batch.

        It reads the offsets of all rows of the batch. Rows are padded to the longest of the data
        instead if a batch has rows of many shards, if shards must be downloaded, or if corrupt
        shards may be replaced, which the processes do not find at the same time.
        """
        is_local = isinstance(self.index.directory, Path)
        has_windows = self.shuffle != "global" and self.balance is None
        shards = self.batch_size * len(self.index) / max(1, self.index.num_samples)
        is_near = has_windows and shards <= _MAX_SHARDS_OF_LENGTHS
        return is_local and is_near and self.on_corrupt == "raise"

    @property
    def no_padding(self) -> str:
        """The argument with which no batch is padded to be divided among processes."""
        return 'last_batch="drop"'

    @property
    def indexes(self) -> list[ShardIndex]:
        """The index, or all of a mixture."""
        return [self.index]

    @property
    def parts(self) -> Sequence[LoaderConfig]:
        """The config of each set; this one if there are no sets."""
        return [self]

    @property
    def row_bytes(self) -> int:
        """Number of bytes of a row of a batch."""
        return sum(self.decode.row_bytes(self.index.fields[name]) for name in self.fields)

    @property
    def read_row_bytes(self) -> int:
        """Number of bytes of a row as stored: encoded images have the size of their files."""
        fields = [self.index.fields[name] for name in self.fields]
        size = sum(field.stored_row_bytes for field in fields)
        if any(field.is_varlen for field in fields):
            size += int(self.index.sizes.sum()) // max(1, int(self.index.samples.sum()))
        return size

    @property
    def served_fields(self) -> Mapping[str, Field]:
        """The fields that are served, by name."""
        return self.index.fields

    @property
    def ragged_fields(self) -> frozenset[str]:
        """The fields whose rows are padded to the longest of a batch."""
        return frozenset(name for name in self.fields if self.index.fields[name].is_ragged)

    def loader(self, corrupt_shards: CorruptShards | None = None) -> BatchLoader:
        """Returns a new loader."""
        return BatchLoader(self, corrupt_shards)


def checked_options(**options: Any) -> dict[str, Any]:
    """Checks the options of a `LoaderConfig`.

    Raises:
        TypeError, ValueError: if an option has a wrong type or value.
    """
    for name in ("batch_size", "window_shards", "max_queue_size"):
        options[name] = checked_int(options[name], name, 1)
    for name, choices in (
        ("shuffle", ("window", "shards", "global", None)),
        ("last_batch", ("keep", "drop")),
        ("on_corrupt", ("raise", "skip")),
    ):
        options[name] = checked_choice(options[name], name, choices)
    options["seed"] = checked_seed(options["seed"])
    options["trust"] = checked_bool(options["trust"], "trust")
    transform = options["transform"]
    if transform is not None and not callable(transform):
        raise TypeError(
            f"`transform` must be a function of (batch, rng). Received: transform={transform!r}"
        )
    return options


class BatchLoader(BatchRows):
    """Loads any batch of the endless stream of passes over the data.

    Position p is batch `p % num_batches` of pass `p // num_batches`; pass e reads variant
    `e % variants`. Thread-safe if the transform is.

    Args:
        config: what to load.
        corrupt_shards: records corrupt shards, with `on_corrupt="skip"`. Defaults to `None`: a
            new record for this object.
    """

    def __init__(self, config: LoaderConfig, corrupt_shards: CorruptShards | None = None) -> None:
        super().__init__(config, corrupt_shards, self._lengths_of)
        self.times = StageTimes()
        index = config.index
        batch_bytes = config.part_rows * config.read_row_bytes
        self._max_run = max(1, MAX_RUN_BYTES // max(1, batch_bytes))
        window = (
            config.window_shards * int(self._selected.counts.max(initial=0)) // config.batch_size
        )
        # Number of batches in a typical run.
        self.window_batches = min(window + 1, self._max_run)
        self.reader = RowReader(
            index,
            config.fields,
            config.part_rows,
            local=config.shuffle != "global" and config.balance is None,
            cached_shards=2 * config.window_shards + 2,
            # In use at the same time: two runs, the queue, and the batches that the backend
            # prefetches.
            max_free_buffers=2 * self.window_batches + config.max_queue_size + 8,
            trust=config.trust,
            spans=self._selected.spans,
        )
        # Remote shards are fetched in the order of the plan.
        self.remote = remote_rows(
            config, self.reader, self._plans, self._variants, pass_rows=self._pass_rows
        )
        self._decoder = RowDecoder(
            index,
            self.reader.fields,
            config.decode,
            seed=config.seed,
            batch_size=config.part_rows,
            max_free_buffers=config.max_queue_size + MAX_DECODE_THREADS + 8,
        )
        self._transform = batch_function(config.transform)
        self._transformed = TransformedBatches(config.fields, config.roles, config.ragged_fields)

    @property
    def needs_decoding(self) -> bool:
        """Whether rows have to be decoded or padded after they are read."""
        return self._decoder.is_needed

    @property
    def is_finished_when_read(self) -> bool:
        """Whether a batch is complete once its rows are read."""
        is_padded = self.weights(self.num_batches - 1) is not None
        return not self._decoder.is_needed and self._transform is None and not is_padded

    @property
    def first_batch_is_apart(self) -> bool:
        """Whether the first batch is read by itself, before the shards of its run have arrived."""
        return self.remote is not None and not self.remote.is_begun

    def load(self, position: int) -> Batch:
        """Returns the batch at a position: a dict of arrays of shape `(rows, ...)`."""
        return self.transformed(position, self.read(range(position, position + 1))[0])

    def run_at(self, position: int) -> range:
        """Returns the positions that should be read together with this one."""
        epoch, batch = divmod(position, self.num_batches)
        run = self._plans[epoch % len(self._plans)].run_at(epoch, batch, self._max_run)
        start = epoch * self.num_batches
        return range(start + run.start, start + run.stop)

    def read(self, positions: range) -> list[RawBatch]:
        """Returns the batches at some positions of one epoch, before decoding and transform."""
        return self._read(positions, lambda reader, s, rows: reader.read(s, rows), apart=True)

    def read_joined(self, positions: range) -> RawBatch:
        """Returns the batches that `read` returns, joined into one."""
        joined = self._read(positions, lambda reader, s, rows: reader.read(s, rows, len(rows)))[0]
        weights = [each for each in map(self.weights, positions) if each is not None]
        if weights:
            joined[PART_WEIGHTS] = np.concatenate(weights)
        return joined

    def _read(self, positions: range, read: ReadRows[_Read], *, apart: bool = False) -> _Read:
        """Calls a function that reads the rows of some batches, with corrupt shards replaced.

        `apart`: whether a single batch may be requested out of order.
        """
        if self.remote is not None:
            bounds, is_single = self._row_bounds(positions), len(positions) == 1
            read = self.remote.arranged(read, bounds, single=is_single, apart=apart)
        shards, rows = self._served_rows(positions)
        with self.times.measured("read", len(rows) * self.config.read_row_bytes):
            return self._read_rows(positions, shards, rows, read)

    def _read_rows(
        self, positions: range, shards: Int64Array, rows: Int64Array, read: ReadRows[_Read]
    ) -> _Read:
        while self.config.on_corrupt == "skip":
            if self.corrupt_shards:
                shards, rows = self._substituted(positions, *self._served_rows(positions))
            try:
                return read(self.reader, shards, rows)
            except UnreadableShardError as error:
                self.corrupt_shards.add(error.shard, str(error))
        return read(self.reader, shards, rows)

    def holding(self, position: int) -> AbstractContextManager[object]:
        """Returns a context in which the copies of the remote shards of a batch are kept."""
        # With buckets, finding the rows of a batch may need shards that have not arrived yet.
        if self.remote is None or self.remote.coming.needs_lengths:
            return nullcontext()
        positions = range(position, position + 1)
        rows = sum(self._lengths(positions))  # one of several processes may serve none of a set
        return self.remote.holding(self._served_rows(positions)[0]) if rows else nullcontext()

    def use_times(self, times: StageTimes) -> None:
        """Records the time of the stages in another object from now on."""
        self.times = times

    def stop_fetching(self) -> None:
        """Stops fetching remote shards in advance, and drops those that are held."""
        if self.remote is not None:
            self.remote.close()

    def longest_rows(self) -> dict[str, int]:
        """Returns the length of the longest row of each field of rows of any length."""
        corrupt = self.corrupt_shards if self.config.on_corrupt == "skip" else None
        shards = np.flatnonzero(self._selected.counts)
        return longest_rows(self.reader, sorted(self.config.ragged_fields), shards, corrupt)

    def _lengths_of(self, shards: Int64Array, rows: Int64Array) -> Int64Array:
        """Returns the lengths of rows of the field whose lengths form the buckets."""
        assert self.config.decode.bucket is not None
        return lengths_of_rows(self.reader, self.config.decode.bucket, shards, rows)

    def batch_lengths(self, position: int) -> dict[str, int]:
        """Returns the minimum length that rows of any length are padded to, by field.

        It is the same in all processes that serve parts of the batch.
        """
        config = self.config
        lengths = dict(config.decode.min_lengths)
        if lengths or config.part.size == 1 or not config.has_lengths_of_batches:
            return lengths
        positions = range(position, position + 1)
        if config.ragged_fields and sum(self._global_lengths(positions)):
            rows = self._rows(positions)
            for name in config.ragged_fields:
                lengths[name] = int(lengths_of_rows(self.reader, name, *rows).max(initial=0))
        return lengths

    def _decoded(self, position: int, batch: RawBatch) -> Batch:
        """Returns the arrays of a batch that was read."""
        if not self._decoder.is_needed:
            return batch
        while True:
            try:
                occurrences, lengths = self._occurrences(position), self.batch_lengths(position)
                with self.times.measured("decode"):
                    return self._decoder.decode(batch, occurrences, lengths)
            except UnreadableShardError as error:
                if self.config.on_corrupt != "skip":
                    raise
                self.corrupt_shards.add(error.shard, str(error))
                (batch,) = self.read(range(position, position + 1))

    def _occurrences(self, position: int) -> Occurrences | None:
        """Returns how often each row of a batch was served before, if random crops depend on it."""
        if not self._decoder.is_random:
            return None
        epoch, number = divmod(position, self.num_batches)
        (rows,) = self._lengths(range(position, position + 1))
        counts = np.zeros(rows, np.int64)
        if self.config.balance is not None:
            (plan,) = self._plans
            assert isinstance(plan, BalancedPlan)
            counts = plan.passes(epoch, number)
            places = self.config.part.places(self._global_lengths(range(position, position + 1)))
            counts = counts[places]
        return Occurrences(np.full(rows, epoch), counts)

    def transformed(self, position: int, read: RawBatch) -> Batch:
        """Decodes a batch that was read, applies the transform, and returns the result."""
        batch = self._transformed_rows(position, read)
        weights = self.weights(position)
        return batch if weights is None else {**batch, PART_WEIGHTS: weights}

    def _transformed_rows(self, position: int, read: RawBatch) -> Batch:
        batch = self._decoded(position, read)
        if self._transform is None:
            return batch
        epoch, number = divmod(position, self.num_batches)
        seed = np.random.SeedSequence(
            self.config.seed, spawn_key=(SpawnKey.TRANSFORM, epoch, number, *self._offset)
        )
        rng = np.random.Generator(np.random.PCG64(seed))
        rows = len(next(iter(batch.values())))
        try:
            with self.times.measured("transform"):
                result = self._transform(batch, rng)
            return self._transformed.check(result, rows, f"epoch {epoch}, batch {number}")
        except StopIteration as error:
            # The consumer would take it for the end of the data.
            failure = RuntimeError("`transform` raised StopIteration.")
            failure.add_note(self._describe_origin(position))
            raise failure from error
        except Exception as error:
            error.add_note(self._describe_origin(position))
            raise
