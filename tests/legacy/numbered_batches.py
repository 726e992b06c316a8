"""Batches that know their number, and a model that records which it was given."""

from __future__ import annotations

import itertools
import time

import keras
import numpy as np

from tests.helpers.recording import Recording


class RecordingTests(Recording):
    """Also records the ids of the batches that it is evaluated on."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.tested = []

    def test_step(self, *arguments):
        ids = arguments[-1][1]
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.numpy_function(self.record_test, [ids], [])
        elif keras.backend.backend() == "jax":
            import jax

            jax.debug.callback(self.record_test, ids, ordered=True)
        else:
            self.record_test(ids.detach().cpu())
        return super().test_step(*arguments)

    def record_test(self, ids):
        self.tested.append(np.asarray(ids).reshape(-1).tolist())

    def take_tested(self):
        if keras.backend.backend() == "jax":
            import jax

            jax.effects_barrier()
        tested, self.tested = self.tested, []
        return tested


def batch(number, rows=2):
    return np.full((rows, 3), number * 1e-3, np.float32), np.full((rows, 1), number, np.float32)


def numbered(log=None, end=None, rows=2):
    """Yields batches whose targets are their number. The arrays are the same ones, refilled."""
    x, y = batch(0, rows)
    for number in itertools.count() if end is None else range(end):
        x[:], y[:] = batch(number, rows)
        if log is not None:
            log.append(number)
        yield x, y


def numbers(batches):
    return [int(ids[0]) for ids in batches]


class EveryEpoch(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.trained, self.tested = [], []

    def on_epoch_end(self, epoch, logs=None):
        self.trained.append(numbers(self.model.take()))
        self.tested.append(numbers(self.model.take_tested()))


class OldSequence(keras.utils.Sequence):
    """A Sequence as in tutorials: no `super().__init__`, and data shuffled in place."""

    def __init__(self, count, length=None):
        self.count = count
        self.length = count if length is None else length
        self.ids = np.arange(count)
        self.indices = []
        self.ended = 0

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        self.indices.append(index)
        time.sleep(0.002 * (index % 3))  # so that threads overtake one another
        return batch(self.ids[index])

    def on_epoch_end(self):
        self.ended += 1
        self.ids[:] = (self.ids + 1) % self.count
