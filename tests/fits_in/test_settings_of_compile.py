"""Settings of `compile` and of Keras: a fit on shards learns what a fit in memory learns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import pytest

from keras_bigdata import BestWeightsEarlyStopping, ShardSequence
from tests.fits_in.in_memory import (
    ROWS,
    X,
    Y,
    classifier,
    compare_with_memory,
    in_order,
    pack_rows,
    rows_seen,
)
from tests.helpers.small_models import assert_equal

BACKEND = keras.backend.backend()

SETTINGS = [
    {"run_eagerly": True},
    pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
    pytest.param({"steps_per_execution": 2}, marks=pytest.mark.slow),
]


@pytest.fixture
def policy_afterwards() -> Iterator[None]:
    before = keras.mixed_precision.dtype_policy()
    yield
    keras.mixed_precision.set_dtype_policy(before)


def fit_both(directory: Path, build: Any, callbacks: Any = list, **arguments: Any) -> keras.Model:
    """Trains in memory and on shards, which are also the validation data."""
    sequence = in_order(pack_rows(directory))
    arguments = {"epochs": 2, "verbose": 0, "shuffle": False, **arguments}
    return compare_with_memory(
        build,
        lambda model: model.fit(
            X, Y, batch_size=8, validation_data=(X, Y), callbacks=callbacks(), **arguments
        ),
        lambda model: model.fit(
            sequence, validation_data=in_order(directory, 16), callbacks=callbacks(), **arguments
        ),
        exact=BACKEND == "tensorflow",
    )


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_a_setting_of_compile(tmp_path: Path, setting: dict[str, Any]):
    if BACKEND == "torch" and "jit_compile" in setting:
        pytest.skip("torch compiles with a C++ compiler, for a minute")
    fit_both(tmp_path / "train", lambda: classifier(**setting))


@pytest.mark.slow
def test_steps_per_execution_that_does_not_divide_the_batches(tmp_path: Path):
    """Five batches in executions of two: each row once, as in memory."""
    assert ROWS // 8 == 5
    model = fit_both(tmp_path / "train", lambda: classifier(steps_per_execution=2), epochs=3)
    assert int(model.optimizer.iterations) == 15


@pytest.mark.slow
@pytest.mark.usefixtures("policy_afterwards")
def test_mixed_float16(tmp_path: Path):
    def build() -> keras.Model:
        keras.mixed_precision.set_dtype_policy("mixed_float16")  # `clear_session` resets it
        return classifier(optimizer=keras.optimizers.Adam(0.01))

    model = fit_both(tmp_path / "train", build)
    assert model.layers[0].compute_dtype == "float16"
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*held weights of another training:UserWarning")
def test_averaged_weights_are_the_best_weights(tmp_path: Path):
    """`SwapEMAWeights` before the callback that saves: the file holds the averaged weights."""
    path = tmp_path / "best.weights.h5"
    best = BestWeightsEarlyStopping(path, monitor="val_loss")
    weights: dict[str, list[Any]] = {"plain": [], "averaged": []}

    class Record(keras.callbacks.Callback):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            weights[self.name].append(self.model.get_weights())

    def build() -> keras.Model:
        optimizer = keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5)
        model = classifier(optimizer=optimizer, run_eagerly=True)
        optimizer.build(model.trainable_variables)  # SwapEMAWeights expects it
        return model

    def callbacks() -> list[Any]:
        swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        return [Record("plain"), swap, Record("averaged"), best]

    model = fit_both(tmp_path / "train", build, callbacks=callbacks)
    model.load_weights(path)
    saved = -2 + best.best_epoch  # of the second training, two epochs
    assert_equal(model.get_weights(), weights["averaged"][saved])
    assert (model.get_weights()[0] != weights["plain"][saved][0]).any()


def test_set_random_seed_decides_the_order(tmp_path: Path):
    directory = pack_rows(tmp_path / "train")

    def order(seed: int) -> list[int]:
        keras.utils.set_random_seed(seed)
        sequence = ShardSequence(directory, 8)
        return [row for x, _ in sequence for row in rows_seen(x)]

    first = order(1)
    assert sorted(first) == list(range(ROWS))
    assert order(1) == first
    assert order(2) != first
