"""Copies of one `ResumeTraining`, as tuners make: only one may train with the directory."""

from __future__ import annotations

import copy

import keras
import pytest

from keras_bigdata import ResumeTraining, ShardSequence
from tests.helpers.unindexed_pickles import ROLES


def model():
    built = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    built.compile("sgd", "mse", run_eagerly=True)
    return built


@pytest.mark.slow
def test_a_second_copy_would_end_with_the_training_of_the_first(tmp_path, shards):
    train = ShardSequence(shards([20]), 10, seed=1, **ROLES)
    shared = ResumeTraining(tmp_path / "checkpoints", train).around([])
    first, second = copy.deepcopy(shared), copy.deepcopy(shared)
    same = model()
    same.fit(train, shuffle=False, verbose=0, callbacks=first)
    same.fit(train, epochs=2, shuffle=False, verbose=0, callbacks=first)  # continues
    assert train.epoch == 2
    other = model()
    for callbacks in (second, shared, copy.deepcopy(first)):
        with pytest.raises(ValueError, match=r"another copy of this ResumeTraining .*`run_trial"):
            other.fit(train, shuffle=False, verbose=0, callbacks=callbacks)
    own = ResumeTraining(tmp_path / "own", train).around([])
    other.fit(train, shuffle=False, verbose=0, callbacks=copy.deepcopy(own))
    assert train.epoch == 3
