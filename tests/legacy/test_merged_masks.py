"""Masks of merging layers, after `install()`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata.keras_internals.legacy import merging_method

WORDS = np.array([[1, 2, 0, 0], [3, 4, 1, 0]])
OTHER_WORDS = np.array([[1, 0, 0, 0], [3, 4, 1, 2]])
VALUES = np.arange(24.0).reshape(2, 4, 3) / 24
FUNCTIONS = ["add", "multiply", "average", "maximum", "minimum", "subtract"]


def lstm(units, **kwargs):
    return keras.layers.LSTM(units, recurrent_activation="sigmoid", **kwargs)


def embedded(words, seed=0):
    initializer = keras.initializers.RandomUniform(seed=seed)
    return keras.layers.Embedding(5, 3, initializer, mask_zero=True)(words)


def test_the_loss_after_concatenate_with_an_input_without_a_mask_is_the_masked_mean(installed):
    words = keras.Input((4,))
    hidden = lstm(3, return_sequences=True)(embedded(words))
    scores = keras.layers.Activation("softmax")(keras.layers.dot([hidden, hidden], axes=[2, 2]))
    context = keras.layers.dot([scores, hidden], axes=[2, 1])
    merged = keras.layers.concatenate([context, hidden])
    model = keras.Model(words, keras.layers.Dense(2, "softmax")(merged))
    model.compile("sgd", "categorical_crossentropy", run_eagerly=True)
    weights = model.get_weights()
    model.set_weights([np.sin(np.arange(one.size)).reshape(one.shape) for one in weights])
    targets = np.eye(2)[[[0, 1, 0, 1], [1, 1, 0, 0]]]
    crossentropy = -np.log((model.predict(WORDS) * targets).sum(-1))
    loss = model.evaluate(WORDS, targets, verbose=0)
    assert loss == pytest.approx(crossentropy[WORDS != 0].mean(), rel=1e-5)
    assert loss != pytest.approx(crossentropy.mean(), rel=1e-3)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_lstm_after_add_skips_the_steps_that_one_input_masks(name, installed):
    words, values = keras.Input((4,)), keras.Input((4, 3))
    merged = getattr(keras.layers, name)([embedded(words), values])
    model = keras.Model([words, values], lstm(1)(merged))
    before = model.predict([WORDS, VALUES])
    changed = np.where((WORDS == 0)[..., None], 9.0, VALUES)
    np.testing.assert_array_equal(model.predict([WORDS, changed]), before)


@pytest.mark.parametrize("name", [*FUNCTIONS, "concatenate"])
def test_a_step_counts_if_it_counts_in_both_inputs(name, installed):
    tensor = getattr(keras.layers, name)([embedded(WORDS), embedded(OTHER_WORDS, seed=1)])
    np.testing.assert_array_equal(tensor._keras_mask, (WORDS != 0) & (OTHER_WORDS != 0))


def test_concatenated_steps_keep_the_masks_of_their_inputs(installed):
    tensor = keras.layers.Concatenate(axis=1)([embedded(WORDS), VALUES.astype("float32")])
    expected = np.concatenate([WORDS != 0, np.ones((2, 4), bool)], axis=1)
    np.testing.assert_array_equal(tensor._keras_mask, expected)
    images = [np.ones((2, 4, 3, 1), "float32")] * 2
    mask = keras.layers.Concatenate().compute_mask(images, [WORDS != 0, OTHER_WORDS != 0])
    np.testing.assert_array_equal(mask, (WORDS != 0) & (OTHER_WORDS != 0))


@pytest.mark.parametrize(
    ("name", "join"), [("multiply", np.multiply), ("maximum", np.maximum), ("minimum", np.minimum)]
)
def test_masked_values_are_merged_as_the_others(name, join, installed):
    left, right = embedded(WORDS), embedded(OTHER_WORDS, seed=1)
    merged = getattr(keras.layers, name)([left, right])
    assert merging_method(keras.layers.Multiply) == "_merge_function"
    arrays = [keras.ops.convert_to_numpy(tensor) for tensor in (merged, left, right)]
    np.testing.assert_allclose(arrays[0], join(*arrays[1:]))


def test_inputs_without_masks_have_none(installed):
    values = keras.ops.convert_to_tensor(VALUES)
    for name in (*FUNCTIONS, "concatenate"):
        tensor = getattr(keras.layers, name)([values, values])
        assert getattr(tensor, "_keras_mask", None) is None
    with pytest.raises(ValueError, match="should be a list"):
        keras.layers.Add().compute_mask([values, values], values)
