"""A set that numbers its classes differently from the training data is warned of by Keras's fit."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest

from keras_bigdata import Arrays, ShardSequence, WeightedValidation, pack


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    labels = np.arange(12) % 2
    x = np.arange(24, dtype=np.float32).reshape(12, 2)
    for name, classes in {"abc": "abc", "ac": "ac", "ab": "ab"}.items():
        pack(Arrays(x=x, labels=labels, classes=list(classes)), folder / name, workers=1)
    return folder


def compiled():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def warnings_of_classes(function):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return [str(w.message) for w in caught if "does not number its classes" in str(w.message)]


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("view", ["as it is", "unshuffled"])
def test_validation_data_with_other_class_numbers_is_warned_of_once(sets, view):
    train, other = ShardSequence(sets / "abc", 4), ShardSequence(sets / "ac", 4)
    other = other.unshuffled() if view == "unshuffled" else other
    model = compiled()
    found = warnings_of_classes(
        lambda: model.fit(train, validation_data=other, epochs=2, verbose=0)
    )
    assert len(found) == 1
    assert "class 1 is 'b'" in found[0]
    assert "[a, b, c] and [a, c]" in found[0]


def test_evaluate_after_training_is_warned_of(sets):
    model = compiled()
    model.fit(ShardSequence(sets / "abc", 4), verbose=0)
    data = ShardSequence(sets / "ac", 4).unshuffled()
    assert len(warnings_of_classes(lambda: model.evaluate(data, verbose=0))) == 1
    untrained = compiled()
    assert not warnings_of_classes(lambda: untrained.evaluate(data, verbose=0))


@pytest.mark.slow
def test_equal_class_numbers_and_sets_that_were_accepted_are_not_warned_of(sets):
    train = ShardSequence(sets / "abc", 4)
    same = ShardSequence(sets / "ab", 4).unshuffled()
    accepted = WeightedValidation(str(sets / "ac"), check_classes=False)
    found = warnings_of_classes(
        lambda: compiled().fit(train, validation_data=same, epochs=2, verbose=0)
    )
    found += warnings_of_classes(lambda: compiled().fit(train, verbose=0, callbacks=[accepted]))
    assert not found


def test_the_other_set_may_be_trained_on(sets):
    model = compiled()
    model.fit(ShardSequence(sets / "abc", 4), verbose=0)
    other = ShardSequence(sets / "ac", 4)
    assert not warnings_of_classes(lambda: model.fit(other, verbose=0))
    assert not warnings_of_classes(lambda: model.evaluate(other, verbose=0))
