"""Generators that tests capture, and what a capture has stored."""

from __future__ import annotations

import itertools

import keras
import numpy as np

from keras_bigdata import ShardSequence
from tests.helpers.unindexed_pickles import rows_of

SIZES = [5, 1, 9, 4, 16, 3]  # batches of any size


TOTAL = sum(SIZES)


def batches(sizes=SIZES, start=0):
    for size in sizes:
        ids = np.arange(start, start + size)
        yield rows_of(ids), ids
        start += size


def stored(directory, variant=0, batch_size=7):
    """Returns all batches of one variant, in the order of the files."""
    sequence = ShardSequence(directory, batch_size, shuffle=None)
    return [sequence.batch_of(variant, index) for index in range(len(sequence))]


def stored_ids(directory, variant=0):
    return [int(id_) for batch in stored(directory, variant) for id_ in batch[1]]


def is_empty(directory):
    return not directory.exists() or not list(directory.iterdir())


class OldSequence(keras.utils.PyDataset):
    """A sequence as written for Keras 2, without `super().__init__()`."""

    def __init__(self, sizes, shuffled=False):
        self.sizes = sizes
        self.shuffled = shuffled
        self.epoch = 0

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, index):
        x, ids = next(itertools.islice(batches(self.sizes), index, None))
        return [x, ids + 1000 * self.epoch]

    def on_epoch_end(self):
        self.epoch += 1


class Locked:
    """The thread-safe wrapper of many scripts, an iterator without a length."""

    def __init__(self, iterator):
        self.iterator = iterator

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.iterator)


def endless():
    for number in itertools.count():
        yield from batches(start=number * TOTAL)


X, Y, W = np.ones((6, 3), np.float32), np.arange(6), np.full(6, 0.5)
