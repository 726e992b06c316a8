"""A classifier of two classes, and data and batches for it."""

from __future__ import annotations

import itertools

import keras
import numpy as np

_RNG = np.random.default_rng(0)
X, Y = _RNG.random((8, 3), np.float32), _RNG.integers(0, 2, 8)


def batches():
    """Yields the same batch `(X, Y)` without end."""
    return itertools.repeat((X, Y))


def classifier(metric="accuracy", optimizer="sgd", **arguments):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    loss = "sparse_categorical_crossentropy"
    model.compile(optimizer, loss, metrics=[metric], **arguments)
    return model
