"""Trains with `tf.distribute.MirroredStrategy` over two devices of one process, and without:
`python -m tests.helpers.mirrored_strategy DIRECTORY`.
"""

from __future__ import annotations

import contextlib
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_bigdata import ShardSequence


def train(strategy, last_batch, as_dataset):
    keras.utils.set_random_seed(0)
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = keras.Sequential(
            [
                keras.layers.Input((3,)),
                keras.layers.Rescaling(0.01),
                keras.layers.Dense(8, "relu"),
                keras.layers.Dense(3),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, weighted_metrics=["accuracy"])
    sequence = ShardSequence(sys.argv[1], 16, seed=3, last_batch=last_batch)
    data = sequence.as_dataset() if as_dataset else sequence
    model.fit(data, epochs=3, verbose=0, shuffle=False)
    return model.get_weights(), sequence.epoch


def main():
    cpus = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert strategy.num_replicas_in_sync == 2
    theirs, _ = train(None, "drop", as_dataset=True)
    for as_dataset in (True, False):
        ours, epoch = train(strategy, "drop", as_dataset)
        difference = max(np.abs(a - b).max() for a, b in zip(ours, theirs, strict=True))
        print("as_dataset()" if as_dataset else "sequence", "epoch", epoch, difference)
        assert epoch == 3
        assert difference < 1e-5


main()
