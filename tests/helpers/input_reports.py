"""Fits of all kinds with `InputReport`, on one backend; run by `test_input_on_backends.py`.

KERAS_BACKEND=jax python -m tests.helpers.input_reports FOLDER [NAME ...]
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import warnings
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["JAX_PLATFORMS"] = "cpu"

import keras
import numpy as np

from keras_bigdata import (
    InputReport,
    Mixture,
    ResumeTraining,
    ShardSequence,
    ShardWriter,
    WeightedValidation,
)

BACKEND = keras.backend.backend()
ROWS, BATCH, BATCHES = 60, 8, 8


class Stop(keras.callbacks.Callback):
    """Stops, or fails, in a batch of an epoch."""

    def __init__(self, epoch, batch, error=None):
        super().__init__()
        self.place, self.error = (epoch, batch), error

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.place:
            if self.error is not None:
                raise self.error
            self.model.stop_training = True


class Press(Stop):
    """Presses Ctrl-C in a batch of an epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.place:
            signal.raise_signal(signal.SIGINT)


class Text(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["note"] = "a text"


class Adversarial(keras.Model):
    """Two models and a loop of its own, as in a GAN."""

    def __init__(self):
        super().__init__()
        self.one, self.other = keras.layers.Dense(1), keras.layers.Dense(1)
        self.other.trainable = False

    def call(self, inputs):
        return self.other(self.one(inputs))


def write(folder):
    rng = np.random.default_rng(0)
    with ShardWriter(folder / "shards", inputs="x", targets="y") as writer:
        for _ in range(3):
            writer.write({"x": rng.random((20, 4), np.float32), "y": rng.random(20)})
    return folder / "shards"


def compiled(layer=None, **options):
    model = keras.Sequential([layer or keras.layers.Dense(1)])
    model.compile("sgd", "mse", **options)
    return model


def double(batch, rng):
    return {**batch, "x": batch["x"] * 2}


def fit(data, *callbacks, model=None, report=None, **options):
    """Returns the report, and checks what holds for every fit."""
    report = report or InputReport(verbose=0)
    options = {"epochs": 2, "shuffle": False, "verbose": 0, **options}
    history = (model or compiled()).fit(data, callbacks=[report, *callbacks], **options).history
    waits = [np.nan if each["wait"] is None else each["wait"] for each in report.epochs]
    np.testing.assert_array_equal(waits[-len(history["input_wait"]) :], history["input_wait"])
    assert all(np.isnan(wait) or 0 <= wait <= 1 for wait in waits), waits
    assert probes() == []
    return report


def counts(report):
    return [(each["rows"], each["batches"], each["wait"] is not None) for each in report.epochs]


def probes():
    return [each for each in threading.enumerate() if each.name == "keras_bigdata-gil-probe"]


def check_data(shards):
    whole = [(ROWS, BATCHES, True)] * 2
    for workers in (0, 1, 3):
        train = ShardSequence(shards, BATCH, workers=workers, transform=double)
        assert counts(fit(train)) == whole, workers
    train = ShardSequence(shards, BATCH)
    assert counts(fit(train, shuffle=True)) == whole
    assert counts(fit(train, validation_data=ShardSequence(shards, 16))) == whole
    assert counts(fit(train, validation_data=train)) == whole
    sets = {"a": ShardSequence(shards, BATCH, transform=double), "b": ShardSequence(shards, BATCH)}
    mixture = Mixture(sets, weights=(1, 1), batch_size=BATCH)
    assert counts(fit(mixture)) == [(2 * ROWS, 15, True)] * 2
    part = ShardSequence(shards, BATCH, part=(1, 2), seed=1, last_batch="drop")
    assert counts(fit(part)) == [(28, 7, True)] * 2


def check_datasets(shards):
    whole, unknown = [(ROWS, BATCHES, True)] * 2, [(ROWS, BATCHES, False)] * 2
    for options in ({}, {"transform": double}):
        dataset = ShardSequence(shards, BATCH, **options).as_dataset()
        assert counts(fit(dataset)) == whole
        assert counts(fit(dataset.prefetch(2))) == whole
        # One in a thread that runs ahead could be slow, and it could not be seen.
        assert counts(fit(dataset.map(lambda x, y: (x, y)))) == unknown
    waits = [each["wait"] for each in fit(dataset.unbatch().batch(4)).epochs]
    assert waits == [None] * 2
    assert counts(fit(dataset, class_weight={0: 1.0, 1: 1.0})) == whole
    assert counts(fit(dataset, model=compiled(), epochs=3, steps_per_epoch=BATCHES))[0] == whole[0]


def check_steps_per_epoch(shards):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for steps in (3, BATCHES):
            train = ShardSequence(shards, BATCH, last_batch="drop")
            found = counts(fit(train, epochs=3, steps_per_epoch=steps))
            assert all(known for _, _, known in found), found
            assert found[0] == (steps * BATCH if steps == 3 else 56, min(steps, 7), True), found


def check_models(shards):
    whole = [(ROWS, BATCHES, True)] * 2
    train = ShardSequence(shards, BATCH)
    if BACKEND != "torch":
        options = {"steps_per_execution": 3, "jit_compile": True}
        assert counts(fit(train, model=compiled(**options))) == whole
    assert counts(fit(train, model=compiled(run_eagerly=True))) == whole
    model = Adversarial()
    model.compile("sgd", "mse")
    assert counts(fit(train, model=model)) == whole
    if BACKEND == "tensorflow":
        frozen = compiled(keras.layers.Lambda(lambda x: x[:, :1]))
        assert counts(fit(train, model=frozen)) == whole


def check_stops(shards):
    train = ShardSequence(shards, BATCH, transform=double)
    for data in (train, train.as_dataset()):
        assert counts(fit(data, Stop(1, 4))) == [(ROWS, BATCHES, True), (5 * BATCH, 5, True)]
        assert counts(fit(data)) == [(ROWS, BATCHES, True)] * 2
    report = InputReport(verbose=0)
    for again in (train, train.as_dataset()):
        with contextlib.suppress(KeyError):
            fit(again, Stop(0, 4, KeyError("stop")), report=report)
        assert counts(fit(train, report=report)) == [(ROWS, BATCHES, True)] * 2
        assert train.server.deliveries is None
    try:
        fit(train, Stop(0, 4, KeyError("stop")), report=report)
    except KeyError:
        gc.collect()
    for thread in probes():
        thread.join(5)
    assert probes() == []
    compiled().fit(train, verbose=0)
    assert train.server.deliveries is None


def check_resuming(shards, folder):
    for kind in ("sequence", "dataset"):
        reports = []
        for stop in (Press(1, 3), keras.callbacks.Callback()):
            train = ShardSequence(shards, BATCH, seed=1)
            used = train if kind == "sequence" else train.as_dataset()
            resume = ResumeTraining(folder / f"resume-{kind}", train, every=1000)
            reports.append(InputReport(verbose=0))
            callbacks = resume.around([reports[-1], stop])
            options = {"shuffle": False, "verbose": 0, "epochs": 3}
            with contextlib.suppress(KeyboardInterrupt):
                compiled().fit(used, callbacks=callbacks, **options)
        found = counts(reports[1])
        # The second epoch goes on in its middle, and ends by running out of data.
        assert found[0] == found[2] == (ROWS, BATCHES, True), found
        assert found[1] == (28, 4, True), found


def check_validation(shards):
    for order in (0, 1):
        report = InputReport(verbose=0)
        slow = ShardSequence(shards, BATCH, transform=wait)
        validation = WeightedValidation({"a": slow}, verbose=0)
        callbacks = [report, validation] if order else [validation, report]
        compiled().fit(
            ShardSequence(shards, BATCH), epochs=2, callbacks=callbacks, verbose=0, shuffle=False
        )
        # The validation takes 8 * 0.3 s.
        assert report.epochs[1]["seconds"] < 1.2, (order, report.epochs[1])


def wait(batch, rng):
    threading.Event().wait(0.3)
    return batch


def check_logs(shards, folder):
    train = ShardSequence(shards, BATCH)
    csv = keras.callbacks.CSVLogger(str(folder / "log.csv"))
    report = InputReport(folder / "run", verbose=0)
    model = compiled()
    history = model.fit(train, epochs=2, callbacks=[Text(), report, csv], verbose=0)
    assert "input_wait" in (folder / "log.csv").read_text().splitlines()[0]
    assert set(history.history) == {"loss", "note", "input_wait"}
    assert set(report.epochs[0]["logs"]) == {"loss", "input_wait"}


def check_threads(shards):
    results, errors = {}, []

    def train(name):
        try:
            report = InputReport(verbose=0)
            data = ShardSequence(shards, BATCH, transform=double)
            compiled().fit(data, epochs=3, callbacks=[report], verbose=0, shuffle=False)
            results[name] = counts(report)
        except Exception as error:  # of another thread
            errors.append(error)

    threads = [threading.Thread(target=train, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    assert results == {name: [(ROWS, BATCHES, True)] * 3 for name in "ab"}


def main(folder, names):
    shards = write(folder)
    checks = {
        "data": lambda: check_data(shards),
        "models": lambda: check_models(shards),
        "stops": lambda: check_stops(shards),
        "steps_per_epoch": lambda: check_steps_per_epoch(shards),
        "logs": lambda: check_logs(shards, folder),
        "validation": lambda: check_validation(shards),
        "datasets": lambda: check_datasets(shards),
        "resuming": lambda: check_resuming(shards, folder),
        "threads": lambda: check_threads(shards),
    }
    for name in names or checks:
        checks[name]()
        print("checked", name, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
