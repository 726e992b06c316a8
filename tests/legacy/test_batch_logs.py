"""The logs of `on_batch_begin` and `on_batch_end`, after `install()`."""

from __future__ import annotations

import os

import keras
import numpy as np
import pytest

from keras_bigdata.legacy.training import batch_logs

X = np.arange(20.0).reshape(10, 2) / 20
Y = np.arange(10.0) / 10
# (batch, size): those of two epochs of 10 rows.
BATCHES = [(0, 4), (1, 4), (2, 2)] * 2


class Sizes(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.begun, self.ended, self.losses = [], [], []

    def on_batch_begin(self, batch, logs=None):
        self.begun.append((logs["batch"], logs.get("size")))

    def on_batch_end(self, batch, logs=None):
        self.ended.append((logs["batch"], logs.get("size")))
        self.losses.append(logs["loss"])


class TrainSizes(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.ended = []

    def on_train_batch_end(self, batch, logs=None):
        self.ended.append((logs["batch"], logs["size"]))


@pytest.fixture
def model(installed):
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    made.compile("sgd", "mse", run_eagerly=True)
    return made


def batches(count=3):
    while True:
        for start in range(0, 4 * count, 4):
            yield X[start : start + 4], Y[start : start + 4]


class Batches(keras.utils.PyDataset):
    def __init__(self):  # as a Sequence for Keras 2
        pass

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return X[4 * index : 4 * index + 4], Y[4 * index : 4 * index + 4]


def trained(model, how, callbacks):
    shared = {"epochs": 2, "verbose": 0, "callbacks": callbacks}
    if how == "arrays":
        model.fit(X, Y, batch_size=4, **shared)
    elif how == "split":
        x, y = np.concatenate([X, X]), np.concatenate([Y, Y])
        model.fit(x, y, batch_size=4, validation_split=0.5, **shared)
    elif how == "generator":
        model.fit_generator(batches(), 3, validation_data=(X, Y), **shared)
    elif how == "samples":
        model.fit_generator(
            batches(), samples_per_epoch=10, nb_epoch=2, verbose=0, callbacks=callbacks
        )
    else:
        model.fit(Batches(), shuffle=False, **shared)


@pytest.mark.parametrize("how", ["arrays", "split", "generator", "samples", "sequence"])
def test_the_logs_of_a_batch_have_its_number_and_its_size(how, model):
    sizes, others = Sizes(), TrainSizes()
    seen = []
    function = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append((logs["batch"], logs["size"]))
    )
    trained(model, how, [sizes, others, function])
    assert sizes.begun == sizes.ended == others.ended == seen == BATCHES
    assert len(sizes.losses) == 6
    assert "size" not in model.history.history


@pytest.mark.parametrize("how", ["arrays", "generator", "sequence"])
def test_the_loss_of_a_batch_is_that_of_the_batch(how, model, monkeypatch):
    # It was the mean since the begin of the epoch, as in Keras 3.
    monkeypatch.setattr(batch_logs, "keras_root", lambda: "keras")
    kernel = [np.array([[2.0], [1.0]]), np.zeros(1)]
    model.set_weights(kernel)
    model.compile(keras.optimizers.SGD(0.0), "mse", metrics=["accuracy"], run_eagerly=True)
    sizes, means = Sizes(), keras.callbacks.CSVLogger(os.devnull)
    error = ((X @ kernel[0])[:, 0] - Y) ** 2
    expected = [error[:4].mean(), error[4:8].mean(), error[8:].mean()]
    if how == "arrays":
        model.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0, callbacks=[sizes, means])
    else:
        trained(model, how, [sizes])
    assert sizes.losses == pytest.approx(expected * 2, rel=1e-4)
    assert model.history.history["loss"] == pytest.approx([error.mean()] * 2, rel=1e-5)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_the_size_is_missing_where_it_is_not_known(model, monkeypatch):
    sizes = Sizes()
    data = ((x[None], y[None]) for x, y in zip(X[:2], Y[:2], strict=True))
    monkeypatch.setattr(batch_logs, "keras_root", lambda: "keras")
    with pytest.warns(UserWarning, match="the mean since the begin of the epoch"):
        model.fit(data, shuffle=False, verbose=0, callbacks=[sizes])
    assert sizes.begun[:2] == sizes.ended == [(0, None), (1, None)]


def test_callbacks_of_keras_see_metrics_only(model, capsys):
    bar = keras.callbacks.ProgbarLogger()
    model.fit(X, Y, batch_size=4, verbose=1, callbacks=[Sizes(), bar])
    printed = capsys.readouterr().out
    assert "loss" in printed
    assert "size" not in printed
