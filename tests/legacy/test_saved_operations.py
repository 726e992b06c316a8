"""`load_model` of HDF5 files of models that contain operations, after `install()`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

WORDS = np.array([[1, 2, 0, 0], [3, 4, 1, 0]])


def embedded(words):
    return keras.layers.Embedding(5, 3, mask_zero=True)(words)


def mean(words):
    return keras.layers.LSTM(2, recurrent_activation="sigmoid")(embedded(words))


def added(words):
    merged = keras.layers.add([embedded(words), embedded(words)])
    return keras.layers.LSTM(2, recurrent_activation="sigmoid")(merged)


def concatenated(words):
    hidden = keras.layers.Dense(3)(keras.layers.RepeatVector(4)(keras.ops.cast(words, "float32")))
    merged = keras.layers.concatenate([hidden, embedded(words)])
    return keras.layers.LSTM(2, recurrent_activation="sigmoid")(merged)


def nested(words):
    inputs = keras.Input((4,))
    return keras.Model(inputs, mean(inputs))(words)


@pytest.mark.parametrize("suffix", [".h5", ""])
@pytest.mark.parametrize("outputs", [mean, added, concatenated, nested])
def test_a_model_with_masked_words_is_loaded_from_hdf5(outputs, suffix, tmp_path, installed):
    words = keras.Input((4,))
    model = keras.Model(words, keras.layers.Dense(1)(outputs(words)))
    model.compile("sgd", "mse")
    path = tmp_path / f"model{suffix}"
    model.save(path, save_format="h5")
    loaded = keras.models.load_model(path)
    np.testing.assert_allclose(loaded.predict(WORDS), model.predict(WORDS), rtol=1e-6)
    classes = [type(each).__name__ for each in model.operations]
    assert [type(each).__name__ for each in loaded.operations] == classes
