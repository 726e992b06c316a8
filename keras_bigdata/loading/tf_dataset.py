"""A ShardSequence as a `tf.data.Dataset`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    from keras_bigdata.loading.sequence import ShardSequence

# Batches cut or loaded before they are asked for.
_PREFETCH = 4


def as_dataset(sequence: ShardSequence) -> Any:
    """Batches in order; each iteration begins the next epoch if the last was asked for whole."""
    import tensorflow as tf

    first = sequence.example()
    dtypes = [tf.as_dtype(array.dtype) for array in keras.tree.flatten(first)]
    # Python is asked for a whole run of batches at a time, which TensorFlow cuts without copying:
    # 1.5 to 2 times as fast as a call for each batch, which has to have the GIL each time.
    by_run = sequence._config.transform is None and all(dtype.is_numeric for dtype in dtypes)
    batches = _runs(sequence, first, dtypes) if by_run else _singles(sequence, first, dtypes)
    options = tf.data.Options()
    # Autotuning runs in a thread for which TensorFlow waits at the end of an epoch, now and then
    # for as long as the epoch took. Without it AUTOTUNE stands for all cores.
    options.autotune.enabled = False
    return (
        batches.apply(tf.data.experimental.assert_cardinality(len(sequence)))
        .prefetch(_PREFETCH)
        .with_options(options)
    )


def _runs(sequence: ShardSequence, first: Any, dtypes: list[Any]) -> Any:
    import tensorflow as tf

    shapes = [(None, *shape) for shape in _shapes(sequence, first)]

    def begin() -> list[Any]:
        epoch, ends = _begun(sequence), [0]
        while ends[-1] < len(sequence):
            ends.append(_run_at(sequence, epoch, ends[-1]).stop)
        bounds = np.array(ends, np.int64)
        return [np.int64(epoch), bounds[:-1], bounds[1:]]

    def load(epoch: np.int64, start: np.int64, stop: np.int64) -> list[Any]:
        # A run that is loaded has not been asked for: only those before it have, for sure.
        sequence._progress.ask(int(epoch), slice(int(start)))
        return list(keras.tree.flatten(_joined(sequence, int(epoch), range(int(start), int(stop)))))

    def cut(*tensors: Any) -> Any:
        return tf.data.Dataset.from_tensor_slices(keras.tree.pack_sequence_as(first, tensors))

    def iteration(_: Any) -> Any:
        epoch, starts, stops = tf.numpy_function(begin, [], [tf.int64] * 3)
        epoch.set_shape(())
        for vector in (starts, stops):
            vector.set_shape((None,))

        def loaded(start: Any, stop: Any) -> Any:
            tensors = tf.numpy_function(load, [epoch, start, stop], dtypes)
            for tensor, shape in zip(tensors, shapes, strict=True):
                tensor.set_shape(shape)
            return tuple(tensors)

        # The next run is read by the sequence meanwhile, over the end of an epoch too.
        runs = tf.data.Dataset.from_tensor_slices((starts, stops)).map(loaded).flat_map(cut)
        return runs.concatenate(_ending(sequence, epoch, first, dtypes))

    return tf.data.Dataset.range(1).flat_map(iteration)


def _run_at(sequence: ShardSequence, epoch: int, index: int) -> range:
    """The batches from this one on that are best read together; a smaller one is alone."""
    loader = sequence._feed.loader
    start = epoch * len(sequence)
    stop = min(start + len(sequence), loader.run(start + index).stop)
    if stop - start - index > 1 and loader.short(stop - 1):
        stop -= 1
    return range(index, stop - start)


def _joined(sequence: ShardSequence, epoch: int, run: range) -> Any:
    """Such batches in one: arrays of shape `(batches, rows, ...)`."""
    positions = range(epoch * len(sequence) + run.start, epoch * len(sequence) + run.stop)
    with sequence._hold:
        sequence._feed.go_on()
        joined = sequence._feed.joined(positions, _following(sequence, epoch, run))
    cut = {
        name: array.reshape(len(run), len(array) // len(run), *array.shape[1:])
        for name, array in joined.items()
    }
    return sequence._arranged(cut)


def _following(sequence: ShardSequence, epoch: int, run: range) -> Iterator[range]:
    """The positions of the next run, and of another where that is a short one."""
    batches = 0
    while 2 * batches < sequence._feed.loader.window_batches:
        if run.stop == len(sequence):
            epoch += not sequence._progress.fixed
            run = _run_at(sequence, epoch, 0)
        else:
            run = _run_at(sequence, epoch, run.stop)
        batches += len(run)
        yield range(epoch * len(sequence) + run.start, epoch * len(sequence) + run.stop)


def _singles(sequence: ShardSequence, first: Any, dtypes: list[Any]) -> Any:
    import tensorflow as tf

    shapes = _shapes(sequence, first)
    calls = max(1, sequence.read_workers)

    def begin() -> np.int64:
        return np.int64(_begun(sequence))

    def load(epoch: np.int64, index: np.int64) -> list[Any]:
        return list(keras.tree.flatten(sequence.batch_of(int(epoch), int(index))))

    def iteration(_: Any) -> Any:
        epoch = tf.numpy_function(begin, [], tf.int64)
        epoch.set_shape(())

        def loaded(index: Any) -> Any:
            tensors = tf.numpy_function(load, [epoch, index], dtypes)
            for tensor, shape in zip(tensors, shapes, strict=True):
                tensor.set_shape(shape)
            return keras.tree.pack_sequence_as(first, tensors)

        indices = tf.data.Dataset.range(len(sequence))
        batches = indices.map(loaded, num_parallel_calls=calls, deterministic=True)
        return batches.concatenate(_ending(sequence, epoch, first, dtypes))

    return tf.data.Dataset.range(1).flat_map(iteration)


def _begun(sequence: ShardSequence) -> int:
    """Begins an epoch: the next one, if the last was asked for whole."""
    sequence.on_epoch_end()
    sequence.on_epoch_begin()
    return sequence.epoch


def _ending(sequence: ShardSequence, epoch: Any, first: Any, dtypes: list[Any]) -> Any:
    """A dataset of nothing, which is asked for after the last batch of an epoch."""
    import tensorflow as tf

    def end(ended: np.int64) -> np.int64:
        if sequence.epoch == ended:  # not that of an iterator that somebody forgot
            sequence._progress.ask(int(ended), slice(None))
            sequence.on_epoch_end()
        return np.int64(0)

    def nothing(_: Any) -> Any:
        shapes = [(shape[0] or 1, *shape[1:]) for shape in _shapes(sequence, first)]
        tensors = [tf.zeros(*spec) for spec in zip(shapes, dtypes, strict=True)]
        return keras.tree.pack_sequence_as(first, tensors)

    def none(ended: Any) -> Any:
        return tf.data.Dataset.range(tf.numpy_function(end, [ended], tf.int64)).map(nothing)

    return tf.data.Dataset.from_tensors(epoch).flat_map(none)


def _shapes(sequence: ShardSequence, first: Any) -> list[tuple[int | None, ...]]:
    # The rows of a batch are always the same unless a smaller one ends each pass.
    steady = (
        sequence._config.last_batch == "drop" or sequence.num_samples % sequence.batch_size == 0
    )
    rows = sequence.batch_size if steady else None
    return [(rows, *array.shape[1:]) for array in keras.tree.flatten(first)]
