"""Serves the batches of epochs, with the plan, the reader and the position in the stream.

`EpochDataset` and its `tf.data` view are both thin users of `EpochServer`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from keras_bigdata.arguments import checked_int
from keras_bigdata.keras_internals.fit import calling_model, is_called_by_predict
from keras_bigdata.keras_internals.iterator_guard import IteratorGuard
from keras_bigdata.loading.batches.batch_loader import LoaderConfig
from keras_bigdata.loading.batches.corrupt_shards import CorruptShards
from keras_bigdata.loading.batches.remote_room import check_room
from keras_bigdata.loading.classes.class_sample_weights import ClassSampleWeights
from keras_bigdata.loading.classes.trained_classes import compare_classes
from keras_bigdata.loading.epochs import epoch_warnings
from keras_bigdata.loading.epochs.deliveries import Deliveries
from keras_bigdata.loading.epochs.epoch_state import EpochState
from keras_bigdata.loading.epochs.model_outputs import check_outputs
from keras_bigdata.loading.epochs.open_servers import register_server
from keras_bigdata.loading.epochs.server_state import STATE_VERSION, checked_state, identity_of
from keras_bigdata.loading.epochs.static_shapes import OpenLengths
from keras_bigdata.loading.order.selected_rows import SelectedRows
from keras_bigdata.loading.parts.part_weights import PART_WEIGHTS, apply_weights
from keras_bigdata.loading.prefetching.prefetcher import Prefetcher
from keras_bigdata.loading.rows.row_reader import Batch
from keras_bigdata.shards.fields.roles import Roles, map_structure

# From the beginning of an epoch until this many of its batches were requested, TensorFlow destroys
# the iterator of the last epoch and waits for its autotuning thread, which it wakes before the
# thread is marked as cancelled. If the thread checks the mark too early it sleeps again, for as
# long as the epoch took (60 s at most), and `fit` waits for it. This happens if all cores are busy,
# so nothing is read meanwhile: on 2 cores one epoch in three begins late instead of one in two.
# (With a dataset that reads nothing at all it is one in seven.)
PAUSED_BATCHES = 2


class EpochServer:
    """Serves any batch of any epoch, and advances when an epoch is complete.

    Thread-safe. Batches are in the structure that Keras expects: `(x, y)`, `(x, y, sample_weight)`
    or `(x,)`.

    Args:
        config: what to load.
        roles: which fields are inputs, targets and sample weights.
        workers: number of threads or processes that prefetch; 0 for none.
        use_processes: whether the transform runs in processes.
        steps_per_epoch: number of batches in an epoch, if it is not a pass over the data. Defaults
            to `None`.
        fixed: whether the same epoch is served every time. Defaults to `False`.
        corrupt_shards: a record of corrupt shards to share. Defaults to `None`: a new one.

    Attributes:
        class_weights: makes sample weights of the classes; `None` to serve no class weights.
        compares_classes: whether `evaluate` compares the classes with those of the training.
        deliveries: records the batches that are delivered; `None` if nothing measures them.
        is_first_of_fit: whether the next epoch is the first one of a `fit`.
        last_request: when a batch was requested last, by `time.monotonic()`.

    Raises:
        ValueError: if an epoch has no batch.
    """

    def __init__(
        self,
        config: LoaderConfig,
        roles: Roles,
        workers: int,
        use_processes: bool,
        *,
        steps_per_epoch: int | None = None,
        fixed: bool = False,
        corrupt_shards: CorruptShards | None = None,
    ) -> None:
        self.config = replace(config, repeats=True) if fixed else config
        check_room(config.parts, workers if use_processes and config.transform is not None else 1)
        self.roles = roles
        self.workers = workers
        self.use_processes = use_processes
        self.steps_per_epoch = steps_per_epoch
        self.corrupt_shards = (
            CorruptShards(config.index, SelectedRows(config.index, config.selection).counts)
            if corrupt_shards is None
            else corrupt_shards
        )
        self.class_weights: ClassSampleWeights | None = None
        self.deliveries: Deliveries | None = None
        self.last_request = -math.inf
        self._warned_of_predict = self._warned_of_metrics = False
        self.compares_classes = True
        # The model is looked up for that epoch only: see `calling_model`.
        self.is_first_of_fit = True
        self._open(fixed=fixed)
        is_divided = config.part.size > 1 and not config.has_lengths_of_batches
        needs_one_length = self.length == 1 or is_divided
        if needs_one_length and config.ragged_fields and not config.decode.min_lengths:
            # Keras takes the length of the one batch for that of all; parts must have equal ones.
            self._pad_to_longest()
        self._open_lengths = OpenLengths(self._ragged_lengths())
        if not self.prefetcher.loader.num_batches:
            raise ValueError(
                f'With `last_batch="drop"` there is no batch: {self.num_samples} samples are fewer '
                f"than one batch. Received: batch_size={config.batch_size}"
            )

    def _open(self, epoch: int = 0, start: int = 0, *, fixed: bool) -> None:
        self._new_prefetcher()
        length = self.steps_per_epoch or self.prefetcher.loader.num_batches
        self.state = EpochState(length, epoch, start, fixed=fixed)
        self._guard = IteratorGuard()
        register_server(self)

    def _new_prefetcher(self) -> None:
        workers = self.workers, self.use_processes
        self.prefetcher = Prefetcher(self.config, self.corrupt_shards, *workers)

    def _pad_to_longest(self) -> None:
        """Pads all batches to the longest row of the data."""
        lengths = self.prefetcher.loader.longest_rows()
        decode = replace(self.config.decode, min_lengths=lengths)
        self.config = replace(self.config, decode=decode)
        self._new_prefetcher()

    @property
    def ragged_fields(self) -> frozenset[str]:
        """The served names whose length, the second dimension, differs from batch to batch."""
        return self.config.ragged_fields

    def _ragged_lengths(self) -> dict[str, tuple[int, float]]:
        fields, pad_to = self.config.served_fields, self.config.decode.pad_to
        return {name: (pad_to, fields[name].padding) for name in self.ragged_fields}

    @property
    def length(self) -> int:
        """Number of batches in an epoch."""
        return self.state.length

    @property
    def num_samples(self) -> int:
        """Number of rows in one pass over the data."""
        return self.prefetcher.loader.num_samples

    @property
    def sources(self) -> dict[str, tuple[LoaderConfig, Roles]]:
        """The config and the roles of each set, by name; the name is empty if there is one set."""
        return {"": (self.config, self.roles)}

    # ---- Epochs

    def begin(self, *, on_tensorflow: bool) -> None:
        """Begins an epoch.

        Args:
            on_tensorflow: whether a thread of TensorFlow may request its batches.

        Raises:
            ValueError: if `fit` trains a model that lacks an output for a class.
        """
        if is_called_by_predict():
            self._warn_of_predict()
        if self.is_first_of_fit:
            self.is_first_of_fit = False
            self._check_model(calling_model())
        if on_tensorflow:
            self._guard.hold()
            if self.length - self.state.next_start > PAUSED_BATCHES:
                self.prefetcher.pause()
        if self.deliveries is not None:
            self.deliveries.begin()
        self.state.begin()

    def end(self, *, is_reset: bool = False) -> None:
        """Ends the current epoch; advances if all of its batches were requested.

        Args:
            is_reset: whether Keras calls the hook to prepare a `fit`, so that no epoch has ended.
                Defaults to `False`.
        """
        completed = self.state.end(stopped=is_reset)
        self.prefetcher.resume()
        if is_reset:
            self.is_first_of_fit = True
            # Keras calls no hook when a `fit` ends with an exception, so the record of that `fit`
            # is still here.
            self.deliveries = None
            self._guard.destroy()
        else:
            self._guard.drop()
        if completed is not None:
            self.corrupt_shards.warn_after_epoch(completed)

    def advance(self) -> int:
        """Moves on if a loop has consumed the current epoch. Returns the epoch to serve next."""
        consumed = self.state.advance()
        if consumed is not None:
            self.corrupt_shards.warn_after_epoch(consumed)
        return self.state.epoch

    # ---- Batches

    def batch(self, epoch: int, index: int) -> Any:
        """Returns batch `index` of an epoch."""
        requested = self.last_request = time.monotonic()
        with self._guard:
            if self.state.mark_requested(epoch, index):
                epoch_warnings.warn_of_same_epoch(self.config, epoch, fixed=self.state.fixed)
            if index == self.state.start + PAUSED_BATCHES:
                self.prefetcher.resume()
            length = self.length if self.state.fixed else None
            batch = self.prefetcher.batch(epoch * self.length + index, length)
            batch = self._open_lengths.of_signature(batch, index)
            arranged = self.arrange(batch, f"epoch {epoch}, batch {index}")
        self._record(requested, 1, batch)
        return arranged

    def _record(self, requested: float, batches: int, delivered: Batch) -> None:
        if self.deliveries is not None:
            self.deliveries.add(requested, batches, len(next(iter(delivered.values()))))

    def _check_model(self, model: Any) -> None:
        if self.config.transform is None and self.config.selection is None:
            check_outputs(model, self.config.index, self.roles.targets)
        if model is not None and not self.state.fixed and not self._warned_of_metrics:
            warned = epoch_warnings.warn_of_unweighted_metrics(model, self.roles)
            self._warned_of_metrics = warned
        if self.compares_classes:
            compare_classes(model, self.sources)

    def _warn_of_predict(self) -> None:
        """Warns once that predictions would not be those of the rows, or not in their order."""
        config = self.config
        if self._warned_of_predict:
            return
        if config.decode.is_random:
            self._warned_of_predict = True
            epoch_warnings.warn_of_random_crops(config)
        if self.state.fixed or (config.shuffle is None and config.last_batch == "keep"):
            return
        self._warned_of_predict = True
        epoch_warnings.warn_of_predict(config)

    def example(self) -> Any:
        """Returns the first batch of the current epoch, without starting to prefetch."""
        batch = self.prefetcher.loader.load(self.state.epoch * self.length)
        return self.arrange(batch, f"epoch {self.state.epoch}, batch 0")

    def runs(self, epoch: int, start: int = 0) -> list[range]:
        """Returns the runs of an epoch from a batch on: batches of equal size to read together.

        The last batch forms a separate run, so that the epoch can end when it is read. The first
        batch of a remote set does so too, because its rows arrive before the shards of a whole run.
        """
        apart = self.length - start > 1 and self.prefetcher.loader.first_batch_is_apart
        stop = start + apart
        runs = [range(start, stop)] if apart else []
        while stop < self.length:
            runs.append(self._run_at(epoch, stop))
            stop = runs[-1].stop
        return runs

    def read_run(self, epoch: int, run: range) -> Any:
        """Returns the batches of a run, joined: arrays of shape `(batches, rows, ...)`.

        The transform is not applied.
        """
        requested = self.last_request = time.monotonic()
        with self._guard:
            # The batches of this run are not delivered yet, but all batches before it are.
            self.state.mark_requested(epoch, slice(run.start))
            self.prefetcher.resume()
            joined = self.prefetcher.joined(
                self._positions(epoch, run), self._following_runs(epoch, run)
            )
        batches = len(run)
        self._record(requested, batches, joined)
        return self.arrange(
            {
                name: array.reshape(batches, len(array) // batches, *array.shape[1:])
                for name, array in joined.items()
            },
            f"epoch {epoch}, batches {run.start} to {run.stop - 1}",
            leading=2,
        )

    def arrange(self, batch: Batch, where: str, leading: int = 1) -> Any:
        """Returns a batch, or several joined ones, in the structure that Keras expects."""
        roles = (self.roles.inputs, self.roles.targets, self.roles.sample_weights)
        parts = [map_structure(role, batch.__getitem__) for role in roles if role is not None]
        if self.class_weights is not None:
            parts[2:] = [self.class_weights.of_batch(batch, leading, where)]
        if PART_WEIGHTS in batch:
            parts = apply_weights(parts, batch, self.roles.targets, leading)
        return tuple(parts)

    def _run_at(self, epoch: int, index: int) -> range:
        loader = self.prefetcher.loader
        start = epoch * self.length
        stop = min(start + self.length, loader.run_at(start + index).stop)
        is_separate = stop == start + self.length or loader.is_short(stop - 1)
        if stop - start - index > 1 and is_separate:
            stop -= 1
        return range(index, stop - start)

    def _following_runs(self, epoch: int, run: range) -> Iterator[range]:
        """Yields the positions of the next run, and of further runs if it is short."""
        batches = 0
        while 2 * batches < self.prefetcher.loader.window_batches:
            if run.stop == self.length:
                epoch += not self.state.fixed
                run = self._run_at(epoch, 0)
            else:
                run = self._run_at(epoch, run.stop)
            batches += len(run)
            yield self._positions(epoch, run)

    def _positions(self, epoch: int, run: range) -> range:
        return range(epoch * self.length + run.start, epoch * self.length + run.stop)

    # ---- State

    def state_dict(self) -> dict[str, Any]:
        """Returns the position in the stream and the settings of the order, as plain values."""
        return {
            "version": STATE_VERSION,
            "epoch": self.state.epoch,
            "batch": self.state.next_start,
            **self._identity(),
        }

    def resumed(self, state: Mapping[str, Any]) -> EpochServer:
        """Returns a server that continues from a state: this one, unless the seed is different.

        Raises:
            ValueError: if the state belongs to other data or other settings.
        """
        epoch, batch = checked_state(state, self._identity(), self.length)
        server = self._with_seed(state["seed"])
        server.state.seek(epoch, batch)
        return server

    def _with_seed(self, seed: Any) -> EpochServer:
        """Returns a server with the seed of a state: this one, if it is the same."""
        seed = checked_int(seed, "seed", 0)
        if seed == self.config.seed:
            return self
        config = replace(self.config, seed=seed)
        return self._copy(config, self.steps_per_epoch, self.state.fixed)

    def _identity(self) -> dict[str, Any]:
        return identity_of(self.config, self.num_samples, self.steps_per_epoch)

    # ---- Copies

    def unshuffled(self, **changes: Any) -> EpochServer:
        """Returns a server whose every epoch is one pass in file order, with changes."""
        decode = replace(self.config.decode, bucket=None, min_lengths={})
        config = replace(self.config, shuffle=None, last_batch="keep", balance=None, decode=decode)
        return self._copy(replace(config, **changes), None, True)

    def _copy(self, config: LoaderConfig, steps_per_epoch: int | None, fixed: bool) -> EpochServer:
        copy = type(self)(
            config,
            self.roles,
            self.workers,
            self.use_processes,
            steps_per_epoch=steps_per_epoch,
            fixed=fixed,
            corrupt_shards=self.corrupt_shards,
        )
        # Class weights are for training, and a fixed epoch is for evaluation.
        copy.class_weights = None if fixed else self.class_weights
        return copy

    def __getstate__(self) -> dict[str, Any]:
        # Threads, files and caches are created again by the copy.
        created = ("prefetcher", "state", "_guard", "deliveries")
        kept = {key: value for key, value in self.__dict__.items() if key not in created}
        state = self.state
        place = {"epoch": state.epoch, "start": state.next_start, "fixed": state.fixed}
        return {**kept, "_place": place}

    def __setstate__(self, state: dict[str, Any]) -> None:
        kept = dict(state)
        place = kept.pop("_place")
        self.__dict__.update(kept, deliveries=None)
        self._open(**place)

    def reset_after_fork(self) -> None:
        """Resets a forked child: threads exist in the parent only, and may hold locks there."""
        self.corrupt_shards.reset_after_fork()
        self.state.reset_after_fork()
        self._guard.reset_after_fork()
        self._new_prefetcher()
