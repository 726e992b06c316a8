"""What a validation must have in common with the training, and with the other callbacks."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata import (
    Arrays,
    BestWeightsEarlyStopping,
    ScoreLog,
    ShardSequence,
    WeightedValidation,
    pack,
)
from tests.helpers.small_models import assert_results, make_data, shared_classifier, validate


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Packed sets: `train` (a, b, c), `val` (a, c), `same` (a, b, c)."""
    path = tmp_path_factory.mktemp("classes")
    x = np.ones((12, 6), "float32")
    numbers = np.arange(12) % 3
    pack(Arrays(x=x, labels=numbers, classes=["a", "b", "c"]), path / "train")
    pack(Arrays(x=x, labels=numbers, classes=["a", "b", "c"]), path / "same")
    pack(Arrays(x=x, labels=numbers % 2, classes=["a", "c"]), path / "val")
    return path


@pytest.fixture(scope="module")
def model():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


# ---- Classes


@pytest.mark.slow
def test_a_set_that_numbers_its_classes_differently_is_refused(directory, model):
    train = ShardSequence(directory / "train", 4)
    for data in (directory / "val", ShardSequence(directory / "val")):
        with pytest.raises(ValueError, match=r"'b' in .*'c' in .*\[a, b, c\] and \[a, c\]"):
            model.fit(train, verbose=0, callbacks=[WeightedValidation(data)])
    model.fit(train, verbose=0, callbacks=[WeightedValidation(directory / "same")])
    allowed = WeightedValidation(directory / "val", check_classes=False)
    model.fit(train, verbose=0, callbacks=[allowed])


def test_the_training_sequence_is_found_in_other_ways_of_training(directory, model):
    def batches(sequence):
        while True:
            yield from sequence

    train = ShardSequence(directory / "train", 4)
    match = "does not number its classes"
    with pytest.raises(ValueError, match=match):  # after the epoch
        model.fit(
            batches(train),
            steps_per_epoch=3,
            shuffle=False,
            verbose=0,
            callbacks=[WeightedValidation(directory / "val")],
        )
    told = WeightedValidation(directory / "val", train=train)
    with pytest.raises(ValueError, match=match):
        model.fit(np.ones((4, 6)), np.zeros(4), verbose=0, callbacks=[told])
    with pytest.raises(TypeError, match="ShardSequence of the training"):
        WeightedValidation(directory / "val", train=str(directory / "train"))


# ---- Transforms


def double(batch, rng):
    return {**batch, "x": batch["x"] * 2}


@pytest.mark.slow
def test_a_directory_is_refused_if_the_training_has_a_transform(directory, model):
    train = ShardSequence(directory / "train", 4, transform=double)
    with pytest.raises(ValueError, match=r"transform=double\) as the set\. If it augments"):
        model.fit(train, verbose=0, callbacks=[WeightedValidation(directory / "same")])
    for transform in (double, None):
        val = ShardSequence(directory / "same", transform=transform)
        model.fit(train, verbose=0, callbacks=[WeightedValidation(val)])


# ---- Roles


@pytest.fixture(scope="module")
def weighted(tmp_path_factory):
    """A packed set with the roles x, y, and a field of weights."""
    path = tmp_path_factory.mktemp("roles") / "packed"
    x, y, w = make_data(20, weights=True)
    pack(Arrays(x=x, y=y, w=w, inputs="x", targets="y"), path)
    return path, (x, y, w)


@pytest.mark.slow
def test_sample_weights_of_a_directory_keep_its_other_roles(weighted):
    path, (x, y, w) = weighted
    model = shared_classifier()
    logs = validate(model, path, sample_weights="w")
    expected = model.evaluate(x, y, sample_weight=w, verbose=0, return_dict=True)
    assert_results(logs, expected)
    unweighted = model.evaluate(x, y, verbose=0, return_dict=True)
    assert expected["loss"] != pytest.approx(unweighted["loss"])
    assert_results(validate(model, path), unweighted)


class LossOfInputs(keras.Model):
    """A model that needs no targets, as an autoencoder."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(6, kernel_initializer="zeros")

    def call(self, x):
        return self.dense(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.mean(keras.ops.square(x - y_pred))


def test_a_model_without_targets_is_evaluated_on_a_tuple_of_one_and_on_a_directory(tmp_path):
    x = make_data(20)[0]
    pack(Arrays(x=x), tmp_path / "packed")
    model = LossOfInputs()
    model.compile("sgd")
    model(x)
    expected = {"loss": np.mean(np.square(x))}
    assert_results(validate(model, (x,)), expected)
    assert_results(validate(model, tmp_path / "packed", targets=None), expected)
    with pytest.raises(ValueError, match=r"the shards have no targets.* targets=None"):
        WeightedValidation(tmp_path / "packed")


def test_roles_that_no_set_uses_are_refused():
    with pytest.raises(ValueError, match=r"none of the sets is one.*sample_weights='w'"):
        WeightedValidation(make_data(9), sample_weights="w")


# ---- The order of the callbacks


EARLY = {
    "BestWeightsEarlyStopping": lambda path: BestWeightsEarlyStopping(path / "a.weights.h5"),
    "ScoreLog": lambda path: ScoreLog(path / "scores.pkl"),
    "CSVLogger": lambda path: keras.callbacks.CSVLogger(str(path / "log.csv")),
    "EarlyStopping": lambda path: keras.callbacks.EarlyStopping("val_loss"),
    "ReduceLROnPlateau": lambda path: keras.callbacks.ReduceLROnPlateau("val_loss"),
    "ModelCheckpoint": lambda path: keras.callbacks.ModelCheckpoint(
        str(path / "m.keras"), "val_loss", save_best_only=True
    ),
    "TensorBoard": lambda path: keras.callbacks.TensorBoard(str(path / "board")),
}


@pytest.mark.parametrize("name", EARLY)
def test_a_callback_before_weighted_validation_that_reads_its_results_is_named(name, tmp_path):
    early = EARLY[name](tmp_path)
    validation = WeightedValidation(make_data(9))
    match = rf"^{name} would read .*List WeightedValidation before {name}"
    with pytest.raises(ValueError, match=match):
        shared_classifier().fit(*make_data(9), verbose=0, callbacks=[early, validation])


def test_callbacks_before_weighted_validation_that_do_not_read_its_results_are_accepted(tmp_path):
    callbacks = keras.callbacks
    history = shared_classifier().fit(
        *make_data(9),
        verbose=0,
        callbacks=[
            callbacks.EarlyStopping("loss"),
            callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras")),
            callbacks.LambdaCallback(),
            WeightedValidation(make_data(9)),
            callbacks.CSVLogger(str(tmp_path / "log.csv")),
        ],
    )
    assert "val_loss" in history.history
    assert "val_loss" in (tmp_path / "log.csv").read_text().splitlines()[0]
