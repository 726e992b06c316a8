"""The training that `test_resume.py` kills. It contains everything that has a state."""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import h5py
import keras
import numpy as np

from keras_bigdata import (
    Arrays,
    BestWeightsEarlyStopping,
    ResumeTraining,
    ScoreLog,
    ShardSequence,
    WeightedValidation,
    pack,
)
from tests.helpers.transforms import add_noise

ROWS = 90
EPOCHS = 5
BATCH = 10


class CountRows(keras.layers.Layer):
    """Returns its first input, and counts by the second which rows it was trained on."""

    def build(self, *shapes):
        self.counts = self.add_weight(
            shape=(ROWS,), initializer="zeros", trainable=False, name="counts"
        )

    def call(self, x, ids, training=False):
        if training:
            rows = keras.ops.one_hot(keras.ops.cast(ids, "int32"), ROWS)
            self.counts.assign(self.counts + keras.ops.sum(rows, axis=0))
        return x


def data(rows, seed):
    rng = np.random.default_rng(seed)
    x = rng.random((rows, 6, 6, 1)).astype("float32")
    return x, np.arange(rows, dtype="int32"), rng.integers(0, 3, rows).astype("int32")


def prepare(folder: Path) -> None:
    x, ids, labels = data(ROWS, 0)
    source = Arrays(x=x, id=ids, labels=labels)
    pack(source, folder / "shards", shard_samples=17, workers=1)


def sequence(folder: Path, workers=0, processes=False, **arguments):
    arguments = {"batch_size": BATCH, "transform": add_noise, **arguments}
    return ShardSequence(
        folder / "shards",
        inputs=("x", "id"),
        targets="labels",
        workers=workers,
        use_multiprocessing=processes,
        **arguments,
    )


def build_model(rate=0.01, use_ema=False, **arguments):
    x, ids = keras.Input((6, 6, 1)), keras.Input((), dtype="int32")
    y = CountRows()(x, ids)
    y = keras.layers.RandomFlip()(y)
    # With a layer that Keras does not compile for JAX, like RandomTranslation, a run takes 18 s.
    y = keras.layers.GaussianNoise(0.1)(y)
    y = keras.layers.Flatten()(y)
    y = keras.layers.Dense(8, activation="relu")(y)
    y = keras.layers.BatchNormalization()(y)
    y = keras.layers.Dropout(0.4)(y)
    model = keras.Model([x, ids], keras.layers.Dense(3, activation="softmax")(y))
    model.compile(
        keras.optimizers.Adam(
            rate, use_ema=use_ema, ema_overwrite_frequency=4 if use_ema else None
        ),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        **arguments,
    )
    return model


def callbacks(folder: Path, rate=0.01, validation=False):
    x, ids, labels = data(40, 1)
    sets = {"a": ((x, ids), labels), "b": ((x[:7], ids[:7]), labels[:7])}
    monitor = "loss" if validation is None else "val_loss"
    listed = [
        *([WeightedValidation(sets)] if validation is False else []),
        BestWeightsEarlyStopping(folder / "best.weights.h5", monitor, patience=50),
        *([] if validation is None else [ScoreLog(folder / "scores.pkl")]),
        keras.callbacks.CSVLogger(folder / "log.csv"),
    ]
    if isinstance(rate, float):
        listed += [
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
            keras.callbacks.ReduceLROnPlateau(monitor=monitor, factor=0.5, patience=1),
        ]
    return listed


class ExactlyOnce(keras.callbacks.Callback):
    """Checks that every row was trained once in every epoch."""

    def on_epoch_end(self, epoch, logs=None):
        assert set(row_counts(self.model)) == {epoch + 1}, row_counts(self.model)


def row_counts(model):
    counts = next(layer for layer in model.layers if isinstance(layer, CountRows)).counts
    return keras.ops.convert_to_numpy(counts).tolist()


def run(
    folder: Path,
    more=(),
    epochs=EPOCHS,
    every=0,
    rate=0.01,
    use_ema=False,
    compiled=None,
    validation=False,
    feed="sequence",
    **arguments,
):
    """Runs the training that is resumed. Returns the state that must be the same after any kills.

    `validation`: by `WeightedValidation` if `False`, by `fit` if `True`, none if `None`.
    `feed`: whether `fit` receives the sequence or its `as_dataset()`: "sequence" or "dataset".
    """
    keras.utils.clear_session()  # numbers in names start at 0 again, as in a new process
    keras.utils.set_random_seed(7)
    model = build_model(rate, use_ema, **(compiled or {}))
    train = sequence(folder, **arguments)
    saved = [*callbacks(folder, rate, validation), ExactlyOnce(), *more]
    resume = ResumeTraining(folder / "checkpoints", train, every=every)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "ResumeTraining cannot save the state of .*")
        listed = resume.around(saved)
    x, ids, labels = data(40, 1)
    keywords = {"validation_data": ((x, ids), labels)} if validation else {}
    try:
        history = model.fit(
            train.as_dataset() if feed == "dataset" else train,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=listed,
            **keywords,
        )
    finally:
        for callback in saved:
            # Keras leaves the file open after an exception.
            if isinstance(callback, keras.callbacks.CSVLogger) and callback.csv_file:
                callback.csv_file.close()
    return digest(model, history, folder, saved)


def digest(model, history, folder, saved):
    states = [c.state_dict() for c in saved if hasattr(c, "state_dict")]
    return {
        "weights": _hash(model.variables),
        "optimizer": _hash(model.optimizer.variables),
        "metrics": _hash(model.metrics_variables),
        "iterations": int(model.optimizer.iterations),
        "history": {
            name: list(map(float.hex, map(float, v))) for name, v in history.history.items()
        },
        "epochs": history.epoch,
        "csv": (folder / "log.csv").read_text(),
        "best": read_best_file(folder / "best.weights.h5"),
        "scores": [hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.glob("scores.pkl")],
        "states": _hash_tree(states),
    }


def read_best_file(path):
    items = {}

    def visit(name, item):
        items[name] = {k: str(v) for k, v in item.attrs.items()}
        if isinstance(item, h5py.Dataset):
            items[name]["value"] = hashlib.sha256(np.asarray(item).tobytes()).hexdigest()

    with h5py.File(path) as file:
        visit("/", file)
        file.visititems(visit)
    return items


def _hash(variables):
    digest = hashlib.sha256()
    for variable in variables:
        value = np.asarray(keras.ops.convert_to_numpy(variable))
        digest.update(f"{value.dtype}{value.shape}".encode() + value.tobytes())
    return digest.hexdigest()


def _hash_tree(value):
    digest = hashlib.sha256()
    for leaf in keras.tree.flatten(value):
        text = leaf.tobytes() if isinstance(leaf, np.ndarray) else repr(leaf).encode()
        digest.update(text)
    return digest.hexdigest()
