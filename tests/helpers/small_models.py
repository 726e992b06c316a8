"""Models, data and reference evaluations for the tests of the callbacks."""

from __future__ import annotations

import h5py
import keras
import numpy as np

from keras_bigdata import BestWeightsEarlyStopping, WeightedValidation
from tests.helpers.reused import reused, with_variables


def make_data(rows, seed=0, classes=4, weights=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 6)).astype("float32")
    y = rng.integers(0, classes, rows)
    y = np.eye(classes, dtype="float32")[y]
    if weights:
        return x, y, rng.uniform(0.1, 3, rows).astype("float32")
    return x, y


def classifier(metrics=("accuracy",), classes=4, seed=0, **arguments):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, activation="tanh"),
            keras.layers.Dense(classes, activation="softmax"),
        ]
    )
    model.compile("sgd", "categorical_crossentropy", metrics=list(metrics), **arguments)
    return model


def classifier_with_variables(metrics=("accuracy",), **arguments):
    return with_variables(classifier(metrics, **arguments), *make_data(2))


def two_outputs(loss, metrics, **arguments):
    keras.utils.set_random_seed(3)
    x = keras.Input((6,), name="x")
    a = keras.layers.Dense(4, activation="softmax", name="a")(x)
    b = keras.layers.Dense(1, name="b")(x)
    model = keras.Model(x, [a, b])
    model.compile("sgd", loss=loss, metrics=metrics, **arguments)
    return model


def dropout_model(seed=0, rate=0.01):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(rate)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    return model


def dropout_model_with_variables(**arguments):
    return with_variables(dropout_model(**arguments), *make_data(2))


shared_classifier = reused(classifier_with_variables)
shared_dropout_model = reused(dropout_model_with_variables)


def fit(model, callbacks, epochs=4, **arguments):
    """Trains epochs of four batches. Returns the history."""
    return model.fit(
        *make_data(60), epochs=epochs, batch_size=16, verbose=0, callbacks=callbacks, **arguments
    ).history


class AddValidation(keras.callbacks.Callback):
    """A validation of the user's, which writes to the logs."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_accuracy"] = 0.5


class RecordWeights(keras.callbacks.Callback):
    """Records the weights at the end of every epoch."""

    def on_train_begin(self, logs=None):
        self.epochs = []

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(self.model.get_weights())


def assert_equal(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


class LargestError(keras.metrics.Metric):
    """A metric whose states cannot be added."""

    def __init__(self, name="largest_error", **kwargs):
        super().__init__(name=name, **kwargs)
        self.largest = self.add_weight(shape=(), initializer="zeros", name="largest")

    def update_state(self, y_true, y_pred, sample_weight=None):
        errors = keras.ops.abs(keras.ops.cast(y_true, "float32") - y_pred)
        self.largest.assign(keras.ops.maximum(self.largest, keras.ops.max(errors)))

    def result(self):
        return keras.ops.convert_to_tensor(self.largest)


class Chain(keras.utils.PyDataset):
    """The batches of several sets, one set after the other."""

    def __init__(self, sets, batch_size=32):
        super().__init__()
        self.batches = []
        for arrays in sets:
            rows = len(keras.tree.flatten(arrays)[0])
            for start in range(0, rows, batch_size):
                part = slice(start, start + batch_size)
                self.batches.append(keras.tree.map_structure(lambda a, rows=part: a[rows], arrays))

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def evaluate(model, sets, batch_size=32):
    """Returns the results of one `evaluate`, with the losses of several outputs as on JAX.

    On TensorFlow, `evaluate` averages them over batches, without the number of rows.
    """
    chain = Chain(sets, batch_size)
    results = model.evaluate(chain, verbose=0, return_dict=True)
    losses = [name for name in results if name.endswith("_loss")]
    if losses:
        rows = [len(keras.tree.flatten(batch)[0]) for batch in chain.batches]
        parts = [
            model.evaluate(Chain([batch], batch_size), verbose=0, return_dict=True)
            for batch in chain.batches
        ]
        for name in losses:
            results[name] = np.average([part[name] for part in parts], weights=rows)
    return results


def validate(model, sets, **arguments):
    """Returns what WeightedValidation writes to the logs of an epoch."""
    validation = WeightedValidation(sets, **arguments)
    validation.set_model(model)
    validation.on_train_begin()
    logs = {"loss": 0.5}
    validation.on_epoch_end(0, logs)
    assert logs.pop("loss") == 0.5
    return logs


def assert_results(logs, reference, prefix="val_"):
    for name, value in reference.items():
        np.testing.assert_allclose(logs[prefix + name], value, err_msg=name, rtol=1e-6, atol=1e-7)


class TinyModel:
    """The methods of a model that callbacks call. Its one weight is the number of the epoch."""

    def __init__(self):
        self.stop_training = False
        self.weight = -1.0

    def get_weights(self):
        return [np.array(self.weight)]

    def set_weights(self, weights):
        self.weight = float(weights[0])

    def save_weights(self, path):
        with h5py.File(path, "w") as file:
            file["weight"] = self.weight

    def load_weights(self, path):
        with h5py.File(path) as file:
            self.weight = float(file["weight"][()])


def run_epochs(callback, scores, first_epoch=0, model=None, name="val_score"):
    """Calls the hooks as `fit` does. Returns the model and the number of epochs that ran."""
    model = model or TinyModel()
    model.stop_training = False
    callback.set_model(model)
    callback.set_params({"verbose": 0})
    callback.on_train_begin()
    epochs = 0
    for epoch, score in enumerate(scores, first_epoch):
        callback.on_epoch_begin(epoch)
        model.weight = float(epoch)
        logs = {"loss": 1.0} if score is None else {"loss": 1.0, name: score}
        callback.on_epoch_end(epoch, logs)
        epochs += 1
        if model.stop_training:
            break
    callback.on_train_end({"loss": 1.0})
    return model, epochs


def best_callback(directory, monitor="val_score", **arguments):
    arguments = {"mode": "max", **arguments}
    return BestWeightsEarlyStopping(directory / "best.weights.h5", monitor, **arguments)


def attributes(directory):
    with h5py.File(directory / "best.weights.h5") as file:
        return dict(file.attrs), float(file["weight"][()])
