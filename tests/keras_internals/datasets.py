"""A dataset that records what Keras asks it for, and a model to train on it."""

from __future__ import annotations

import keras
import numpy as np

from tests.helpers.reused import reused


class Calls(keras.utils.PyDataset):
    """Records what Keras asks a dataset for."""

    def __init__(self, batches: int = 4) -> None:
        super().__init__()
        self.batches = batches
        self.calls: list[str] = []

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int):
        self.calls.append(str(index))
        return np.full((2, 1), index, np.float32), np.zeros((2, 1), np.float32)

    def on_epoch_begin(self) -> None:
        self.calls.append("begin")

    def on_epoch_end(self) -> None:
        self.calls.append("end")


def model(built: bool = True) -> keras.Model:
    layers = [keras.Input((1,))] if built else []
    made = keras.Sequential([*layers, keras.layers.Dense(1)])
    made.compile("sgd", "mse")
    return made


shared_model = reused(model)


def call_on_train_begin(function):
    """Returns a callback that calls a function with itself in `on_train_begin`."""

    class OnTrainBegin(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            function(self)

    return OnTrainBegin()
