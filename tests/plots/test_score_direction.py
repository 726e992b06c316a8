"""The direction of a score by its name."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest

from keras_bigdata import plots
from keras_bigdata.callbacks.shared.monitor import infer_mode
from keras_bigdata.plots.score_direction import direction_of_score


@pytest.mark.slow  # a model for each metric
def test_every_metric_of_keras_has_the_direction_that_keras_infers():
    known = {}
    for name, metric in inspect.getmembers(keras.metrics, inspect.isclass):
        try:
            created = metric()
        except TypeError:  # needs arguments
            continue
        if name in ("Metric", "Mean", "Sum"):
            continue
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, "softmax")])
        model.compile("sgd", "mse", metrics=[created])
        y = np.eye(3, dtype="float32")
        if name.startswith("Sparse"):
            y = np.arange(3)
            model.compile("sgd", "sparse_categorical_crossentropy", metrics=[created])
        try:
            model.train_on_batch(np.ones((3, 3), "float32"), y)
            known[created.name] = infer_mode(model, created.name)
        except ValueError:
            continue
    assert len(known) > 20
    found = {name: direction_of_score(name) for name in known}
    assert {name: (found[name], known[name]) for name in known if found[name] != known[name]} == {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mae", "min"),
        ("val_clean_mean_absolute_error", "min"),
        ("head_mse_1", "min"),
        ("dice_loss", "min"),
        ("false_negatives", "min"),
        ("binary_crossentropy", "min"),
        ("auc_2", "max"),
        ("val_f1_score", "max"),
        ("top_k_categorical_accuracy", "max"),
        ("learning_rate", None),
        ("my_number", None),
    ],
)
def test_names_of_scores(name, expected):
    assert direction_of_score(name) == expected


def test_the_best_epoch_of_an_error_is_the_smallest_and_an_unknown_score_has_none(render):
    """Of "mae", the largest was marked as the best."""
    history = {"mae": [3.0, 1.0, 2.0], "number": [3.0, 1.0, 2.0]}
    marked = [text.get_text() for text in render(plots.training(history, "mae")).texts]
    assert marked == ["best: 1 in epoch 2"]
    assert not plots.training(history, "number").texts
    assert plots.training(history, "number", mode="max").texts[0].get_text() == "best: 3 in epoch 1"
