"""`CuDNNLSTM` and `CuDNNGRU` as `LSTM` and `GRU`, which use cuDNN themselves where they can."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


class CuDNNLSTM(keras.layers.LSTM):
    """An `LSTM`; takes weights of Keras 2's `CuDNNLSTM`, whose bias had two halves."""

    def __init__(self, units: Any, **options: Any) -> None:
        super().__init__(units, **{"recurrent_activation": "sigmoid", **options})

    def set_weights(self, weights: Any) -> None:
        """Sets the weights; two biases for the inputs and the state are added up."""
        weights = [np.asarray(array) for array in weights]
        if len(weights) == 3 and weights[2].shape == (8 * self.units,):
            weights[2] = weights[2].reshape(2, -1).sum(axis=0)
        super().set_weights(weights)


class CuDNNGRU(keras.layers.GRU):
    """A `GRU` with `reset_after=True`; takes weights of Keras 2's `CuDNNGRU`."""

    def __init__(self, units: Any, **options: Any) -> None:
        given = {"recurrent_activation": "sigmoid", "reset_after": True, **options}
        super().__init__(units, **given)

    def set_weights(self, weights: Any) -> None:
        """Sets the weights; the bias may be one row."""
        weights = [np.asarray(array) for array in weights]
        if len(weights) == 3 and weights[2].shape == (6 * self.units,):
            weights[2] = weights[2].reshape(2, -1)
        super().set_weights(weights)
