"""Unweighted metrics count rows that have no number for an output, and the user is told."""

from __future__ import annotations

import warnings

import keras
import pytest

from keras_bigdata import ShardSequence, TextTable, pack
from keras_bigdata.loading.epochs.epoch_warnings import warn_of_unweighted_metrics
from keras_bigdata.shards.fields.roles import Roles


@pytest.fixture
def sequence(tmp_path):
    table = {"t": ["a b"] * 6, "x": [1, 2, None, 4, 5, 6], "y": [1, 2, 3, 4, 5, 6]}
    source = TextTable(table, text="t", target={"x": "x", "y": "y"}, missing="mask", text_length=2)
    pack(source, tmp_path / "s", verbose=0)
    return ShardSequence(tmp_path / "s", 3)


def model_with(**metrics):
    tokens = keras.Input((2,))
    outputs = {name: keras.layers.Dense(1, name=name)(tokens) for name in ("x", "y")}
    model = keras.Model(tokens, outputs)
    model.compile("sgd", {"x": "mse", "y": "mse"}, run_eagerly=True, **metrics)
    return model


@pytest.mark.slow
def test_unweighted_metrics_of_rows_without_a_number_are_warned_of_once(sequence):
    model = model_with(metrics={"x": ["mae"]})
    with pytest.warns(UserWarning, match=r"Rows that have no number of x, y .*weighted_metrics"):
        model.fit(sequence, shuffle=False, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(sequence, shuffle=False, verbose=0)


def test_weighted_metrics_are_not_warned_of(sequence):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model_with(weighted_metrics={"x": ["mae"]}).fit(sequence, shuffle=False, verbose=0)


def test_the_weights_of_masks_do_not_mean_missing_numbers():
    """A mask next to labels has weights of its own shape, and no row without a mask."""
    roles = Roles("images", ("masks", "labels"), ("sample_weight_masks", "sample_weight"))
    model = model_with(metrics={"x": ["mae"]})
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert not warn_of_unweighted_metrics(model, roles)
        # A field of the user's own, whose name only begins in the same way.
        assert not warn_of_unweighted_metrics(model, Roles("a", "b", "sample_weight_of_site"))
