"""NumPy integers as sizes of layers, which Keras 1 and 2 took."""

from __future__ import annotations

import keras
import numpy as np


def test_sizes_of_layers_may_be_numpy_integers(installed):
    three = np.int64(3)
    layers = keras.layers
    for layer, inputs, outputs in (
        (layers.Dense(three), (2, 4), (2, 3)),
        (layers.Embedding(np.int32(7), three), (2, 4), (2, 4, 3)),
        (layers.RepeatVector(three), (2, 4), (2, 3, 4)),
        (layers.Reshape((three, np.int64(2))), (2, 6), (2, 3, 2)),
        (layers.Conv2D(three, three, strides=np.int64(2)), (2, 9, 9, 1), (2, 4, 4, 3)),
        (layers.MaxPooling2D(three), (2, 9, 9, 1), (2, 3, 3, 1)),
        (layers.SimpleRNN(three), (2, 4, 1), (2, 3)),
        (layers.ZeroPadding2D(np.int64(1)), (2, 3, 3, 1), (2, 5, 5, 1)),
    ):
        assert layer(np.zeros(inputs, np.float32)).shape == outputs
        copy = type(layer).from_config(layer.get_config())
        assert copy(np.zeros(inputs, np.float32)).shape == outputs
