"""What Keras would do with a dataset when several processes train together."""

from __future__ import annotations

import keras


def refuse_automatic_sharding() -> None:
    """Raises an error if Keras would divide the batches of a dataset among processes by itself.

    Keras 3.16 serves only every k-th batch to each of k processes
    (https://github.com/keras-team/keras/pull/23044): no epoch would ever be complete, and the same
    epoch would be served forever. There, Keras 3.15 refuses every dataset except `tf.data`.

    Raises:
        ValueError: if so; the message contains the two lines to write instead.
    """
    distribution = keras.distribution.distribution()
    if distribution is None or not getattr(distribution, "auto_shard_dataset", False):
        return
    processes = getattr(distribution, "num_processes", 1)
    if processes > 1:
        name = type(distribution).__name__
        raise ValueError(
            f"Keras would divide the batches of this ShardSequence among {processes} processes, "
            "and no process would serve a whole epoch. Divide each batch instead, by two lines:\n"
            f"  keras.distribution.set_distribution(keras.distribution.{name}(..., "
            "auto_shard_dataset=False))\n"
            "  x, y = (part[rank * rows : (rank + 1) * rows] for part in sequence[index])  # in "
            "`__getitem__` of a PyDataset that calls both epoch hooks of the sequence\n"
            f"Received: the active {name} with auto_shard_dataset=True"
        )
