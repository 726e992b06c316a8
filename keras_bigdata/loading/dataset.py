"""A ShardSequence as a `tf.data.Dataset`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    from keras_bigdata.loading.sequence import ShardSequence


def as_dataset(sequence: ShardSequence) -> Any:
    """Batches in order; each iteration begins the next epoch if the last was asked for whole."""
    import tensorflow as tf

    length = len(sequence)
    first = sequence[0]
    flat = keras.tree.flatten(first)
    # The rows of a batch are always the same unless a smaller one ends each pass.
    steady = (
        sequence._config.last_batch == "drop" or sequence.num_samples % sequence.batch_size == 0
    )
    rows = sequence.batch_size if steady else None
    shapes = [(rows, *array.shape[1:]) for array in flat]
    dtypes = [tf.as_dtype(array.dtype) for array in flat]

    def begin() -> np.int64:
        sequence.on_epoch_end()
        sequence.on_epoch_begin()
        return np.int64(sequence.epoch)

    def end() -> np.int64:
        sequence.on_epoch_end()
        return np.int64(0)

    def load(epoch: np.int64, index: np.int64) -> list[Any]:
        return list(keras.tree.flatten(sequence.batch_of(int(epoch), int(index))))

    def arranged(epoch: Any, index: Any) -> Any:
        tensors = tf.numpy_function(load, [epoch, index], dtypes)
        for tensor, shape in zip(tensors, shapes, strict=True):
            tensor.set_shape(shape)
        return keras.tree.pack_sequence_as(first, tensors)

    def indices(epoch: Any, count: Any) -> Any:
        return tf.data.Dataset.range(count).map(lambda index: (epoch, index))

    once = tf.data.Dataset.range(1)
    epoch = once.flat_map(lambda _: indices(tf.numpy_function(begin, [], tf.int64), length))
    # Nothing comes of it, but it is asked for after the last batch.
    ending = once.flat_map(lambda zero: indices(zero, tf.numpy_function(end, [], tf.int64)))
    return (
        epoch.concatenate(ending)
        .map(arranged, num_parallel_calls=max(1, sequence.read_workers), deterministic=True)
        .apply(tf.data.experimental.assert_cardinality(length))
        .prefetch(tf.data.AUTOTUNE)
    )
