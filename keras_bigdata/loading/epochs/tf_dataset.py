"""A `ShardSequence` or `Mixture` as a `tf.data.Dataset`."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import keras
import numpy as np

from keras_bigdata.keras_internals.distribution import refuse_automatic_sharding
from keras_bigdata.keras_internals.fit import (
    datasets_of_builds,
    running_epoch_iterators,
    tf_dataset_of,
)
from keras_bigdata.loading.epochs.dataset_origin import dataset_origin, remember_origin
from keras_bigdata.shards.fields.roles import map_structure

if TYPE_CHECKING:
    from keras_bigdata.loading.epochs.epoch_dataset import EpochDataset
    from keras_bigdata.loading.epochs.epoch_server import EpochServer
    from keras_bigdata.permutation import Int64Array

# Number of batches that are cut or loaded before they are requested.
_PREFETCH = 4

Scope: TypeAlias = Callable[[], contextlib.AbstractContextManager[Any]]


def as_dataset(sequence: EpochDataset, custom: bool) -> Any:
    """Returns the batches of a sequence in order, as a `tf.data.Dataset`.

    Each iteration is an epoch: the next one if all batches of the last one were requested. It
    begins at the batch of a loaded state; the number of batches that Keras sees is that of a whole
    epoch.

    Args:
        sequence: the `ShardSequence` or `Mixture`.
        custom: whether its class makes its own batches, so that each is requested from it.
    """
    import tensorflow as tf

    refuse_automatic_sharding()
    server = sequence.server
    first = sequence[0] if custom else server.example()
    dtypes = [tf.as_dtype(array.dtype) for array in keras.tree.flatten(first)]
    # Python is called once for a whole run of batches, which TensorFlow cuts without copying: 1.5
    # to 2 times as fast as a call for each batch, which needs the GIL each time.
    numeric = all(dtype.is_numeric for dtype in dtypes)
    by_run = numeric and not custom and server.prefetcher.loader.is_finished_when_read
    build = _by_run if by_run else _by_batch
    # Keras keeps the active distribution for each thread, and a thread of TensorFlow has none.
    active = keras.distribution.distribution()
    scope = contextlib.nullcontext if active is None else active.scope
    options = tf.data.Options()
    # Autotuning runs in a thread that TensorFlow waits for at the end of an epoch, sometimes for as
    # long as the epoch took. Without it, AUTOTUNE means all cores.
    options.autotune.enabled = False
    batches = build(sequence, first, dtypes, scope)
    # `assert_cardinality` would raise at the end of an epoch that began in its middle. What follows
    # the batches is empty, but TensorFlow takes it for infinite, so the cardinality is the length.
    follows = batches.take(0).repeat()
    dataset = (
        batches.concatenate(follows).take(server.length).prefetch(_PREFETCH).with_options(options)
    )
    remember_origin(dataset, sequence)
    return dataset


def _by_run(sequence: EpochDataset, first: Any, dtypes: list[Any], scope: Scope) -> Any:
    import tensorflow as tf

    server = sequence.server
    shapes = [(None, *shape) for shape in _shapes(server, first)]

    def begin() -> list[Any]:
        with scope():
            place = _begin_epoch(sequence)
        runs = sequence.server.runs(int(place[0]), int(place[1]))
        starts = np.array([run.start for run in runs], np.int64)
        stops = np.array([run.stop for run in runs], np.int64)
        return [place, starts, stops]

    def load(place: Int64Array, start: np.int64, stop: np.int64) -> list[Any]:
        joined = sequence.server.read_run(int(place[0]), range(int(start), int(stop)))
        if stop == server.length:
            _end_epoch(sequence, place)
        return list(keras.tree.flatten(joined))

    def cut(*tensors: Any) -> Any:
        return tf.data.Dataset.from_tensor_slices(keras.tree.pack_sequence_as(first, tensors))

    def iteration(_: Any) -> Any:
        place, starts, stops = tf.numpy_function(begin, [], [tf.int64] * 3)
        for vector in (starts, stops):
            vector.set_shape((None,))

        def loaded(start: Any, stop: Any) -> Any:
            tensors = tf.numpy_function(load, [place, start, stop], dtypes)
            for tensor, shape in zip(tensors, shapes, strict=True):
                tensor.set_shape(shape)
            return tuple(tensors)

        # The server prefetches the next run meanwhile, also across the end of an epoch.
        return tf.data.Dataset.from_tensor_slices((starts, stops)).map(loaded).flat_map(cut)

    return tf.data.Dataset.range(1).flat_map(iteration)


def _by_batch(sequence: EpochDataset, first: Any, dtypes: list[Any], scope: Scope) -> Any:
    import tensorflow as tf

    server = sequence.server
    shapes = _shapes(server, first)

    def begin() -> Int64Array:
        with scope():
            return _begin_epoch(sequence)

    def load(place: Int64Array, index: np.int64) -> list[Any]:
        epoch, start, _ = place.tolist()
        state = sequence.server.state
        if (state.epoch, state.start) == (epoch, start):
            batch = sequence[int(index) - start]
        else:
            batch = sequence.batch_of(epoch, int(index))
        return list(keras.tree.flatten(batch))

    def end(place: Int64Array) -> Int64Array:
        _end_epoch(sequence, place)
        return place

    def iteration(_: Any) -> Any:
        place = tf.numpy_function(begin, [], tf.int64)
        place.set_shape((3,))

        def loaded(index: Any) -> Any:
            tensors = tf.numpy_function(load, [place, index], dtypes)
            for tensor, shape in zip(tensors, shapes, strict=True):
                tensor.set_shape(shape)
            return keras.tree.pack_sequence_as(first, tensors)

        def mark(index: Any) -> Any:
            is_last = tf.equal(index, server.length - 1)
            return tf.cond(
                is_last, lambda: tf.numpy_function(end, [place], tf.int64), lambda: place
            )

        indices = tf.data.Dataset.range(place[1], server.length)
        calls = max(1, server.workers)
        batches = indices.map(loaded, num_parallel_calls=calls, deterministic=True)
        # `zip` requests a batch first and its mark then, so the epoch ends when all are loaded.
        return tf.data.Dataset.zip((batches, indices.map(mark))).map(lambda batch, mark: batch)

    return tf.data.Dataset.range(1).flat_map(iteration)


def _begin_epoch(sequence: EpochDataset) -> Int64Array:
    """Begins an epoch, the next one if the last one is complete.

    Returns:
        Its number, its first batch, and the number of this iteration: 0 if it is not an epoch.
    """
    origins = [dataset_origin(dataset) for dataset in datasets_of_builds()]
    if any(origin is not None and origin.sequence is sequence for origin in origins):
        return np.array([sequence.epoch, 0, 0], np.int64)
    _refuse_second_division(sequence)
    if sequence.server.state.begun:
        sequence.on_epoch_end()
    sequence.on_epoch_begin()
    state = sequence.server.state
    return np.array([state.epoch, state.start, state.iteration], np.int64)


def _refuse_second_division(sequence: EpochDataset) -> None:
    """Refuses to serve a part of each batch if the reading `fit` receives a part of that.

    Raises:
        ValueError: if so. Keras divides a dataset if a distribution with `auto_shard_dataset=True`
            is set after `as_dataset()` was called; before, that is refused there.
    """
    part = sequence.part_of_batches
    if part.size == 1:
        return
    for iterator in running_epoch_iterators():
        dataset = tf_dataset_of(getattr(iterator, "data_adapter", None))
        origin = None if dataset is None else dataset_origin(dataset)
        change = "" if origin is None or origin.sequence is not sequence else origin.change or ""
        if change in ("shard", "rebatch"):
            raise ValueError(
                f"This dataset serves part {(part.rank, part.size)} of each batch, and what `fit` "
                f"receives is divided again, by `{change}`. Leave that out; if Keras does it, set "
                "a distribution with auto_shard_dataset=False, before `as_dataset()` is called."
            )


def _is_current(sequence: EpochDataset, place: Int64Array) -> bool:
    """Returns whether an iteration is the last one that began; TensorFlow may load for others."""
    epoch, _, iteration = place.tolist()
    state = sequence.server.state
    return bool(state.epoch == epoch and state.iteration == iteration)


def _end_epoch(sequence: EpochDataset, place: Int64Array) -> None:
    """Ends an epoch, unless it is the epoch of an iterator that was dropped.

    Called before the last batch is delivered. Keras never requests the end of a dataset whose
    cardinality is known: if the epoch ended there, a thread of TensorFlow would end it, possibly
    after `fit` has returned.
    """
    if _is_current(sequence, place):
        sequence.server.state.mark_requested(sequence.epoch, slice(None))
        sequence.on_epoch_end()


def _shapes(server: EpochServer, first: Any) -> list[tuple[int | None, ...]]:
    # The number of rows is static unless a smaller batch ends each pass.
    config = server.config
    static = config.last_batch == "drop" or server.num_samples % config.batch_size == 0
    rows = config.part_rows if static else None
    ragged = server.ragged_fields
    roles = (server.roles.inputs, server.roles.targets, server.roles.sample_weights)
    names = [map_structure(role, ragged.__contains__) for role in roles if role is not None]
    # Sample weights that are made of the classes come last.
    flags = itertools.chain(keras.tree.flatten(names), itertools.repeat(False))
    return [
        (rows, *((None, *array.shape[2:]) if is_ragged else array.shape[1:]))
        for array, is_ragged in zip(keras.tree.flatten(first), flags, strict=False)
    ]
