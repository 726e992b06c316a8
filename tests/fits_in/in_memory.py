"""The same rows packed and in memory, and a comparison of what a model learns from both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_bigdata import Arrays, ShardSequence, pack
from tests.helpers.small_models import assert_equal

ROWS, CLASSES = 40, 3


def make_rows() -> tuple[np.ndarray, np.ndarray]:
    """Returns inputs whose first column is the number of the row, and labels."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 4)).astype("float32")
    x[:, 0] = np.arange(ROWS) / ROWS
    return x, rng.choice(CLASSES, ROWS, p=(0.6, 0.3, 0.1)).astype("int64")


X, Y = make_rows()


def pack_rows(directory: Path) -> Path:
    """Packs the rows in their order, in shards of 7 rows."""
    pack(Arrays(x=X, labels=Y), directory, shuffle=False, shard_samples=7, verbose=0)
    return directory


def in_order(directory: Path, batch_size: int = 8, **arguments: Any) -> ShardSequence:
    """Returns a sequence whose batches are those of `fit(X, Y, shuffle=False)`."""
    return ShardSequence(directory, batch_size, shuffle=None, **arguments)


def classifier(**compile_arguments: Any) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(5, activation="tanh"),
            keras.layers.Dense(CLASSES, activation="softmax", dtype="float32"),
        ]
    )
    arguments = {"optimizer": keras.optimizers.SGD(0.5), "metrics": ["accuracy"]}
    model.compile(loss="sparse_categorical_crossentropy", **{**arguments, **compile_arguments})
    return model


def rows_seen(inputs: Any) -> list[int]:
    """Returns the numbers of the rows that some inputs belong to."""
    return np.rint(np.asarray(inputs)[:, 0] * ROWS).astype(int).tolist()


def compare_with_memory(
    build: Callable[[], keras.Model],
    fit_memory: Callable[[keras.Model], Any],
    fit_shards: Callable[[keras.Model], Any],
    exact: bool = True,
) -> keras.Model:
    """Trains one model twice from the same seed; weights and History must be equal.

    Returns:
        The model as the second training has left it.
    """
    trained = []
    for fit in (fit_memory, fit_shards):
        keras.utils.clear_session()
        keras.utils.set_random_seed(5)
        model = build()
        before = model.get_weights()
        history = fit(model).history
        trained.append((model.get_weights(), history))
        assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    (weights, history), (weights_of_shards, history_of_shards) = trained
    if exact:
        assert_equal(weights, weights_of_shards)
    for a, b in zip(weights, weights_of_shards, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert history.keys() <= history_of_shards.keys()
    for name, values in history.items():
        np.testing.assert_allclose(values, history_of_shards[name], rtol=1e-5, err_msg=name)
    return model
