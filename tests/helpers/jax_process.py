"""One of several processes that JAX connects: `python -m tests.helpers.jax_process RANK SIZE PORT
DIRECTORY OUT TASK...`. Each task writes its results to `OUT/TASK.RANK.npz` or prints them.
"""

# ruff: noqa: E402

from __future__ import annotations

import faulthandler
import os
import re
import sys
import time
import warnings
from pathlib import Path

import jax

RANK, SIZE, PORT = (int(argument) for argument in sys.argv[1:4])
DIRECTORY, OUT = sys.argv[4], Path(sys.argv[5])
TASKS = sys.argv[6:]

jax.config.update("jax_disable_most_optimizations", True)  # compiles faster
if SIZE > 1:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{PORT}", num_processes=SIZE, process_id=RANK)

import keras
import numpy as np
import pytest

from keras_bigdata import (
    BestWeightsEarlyStopping,
    InputReport,
    ResumeTraining,
    ScoreLog,
    Shards,
    ShardSequence,
    WeightedValidation,
)

VALIDATION_ROWS = 45  # 45 % 16 = 13 rows in the last batch, 45 % 4 = 1 row that remains


def use(distribution=None):
    if SIZE > 1 and distribution is None:
        distribution = keras.distribution.DataParallel(auto_shard_dataset=False)
    keras.distribution.set_distribution(distribution)


def new_model(**options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Input((3,)),
            keras.layers.Rescaling(0.01),
            keras.layers.Dense(8, "relu", name="divided"),
            keras.layers.Dense(3),
        ]
    )
    options.setdefault("weighted_metrics", ["accuracy"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, **options)
    return model


def save(task, model=None, **arrays):
    if model is not None:
        arrays |= {f"w{i}": np.asarray(w) for i, w in enumerate(model.get_weights())}
    np.savez(OUT / f"{task}.{RANK}.npz", **arrays)


class Seen(ShardSequence):
    """Remembers the rows that it served, and their weights."""

    def on_epoch_begin(self):
        super().on_epoch_begin()
        self.served = []

    def __getitem__(self, index):
        batch = super().__getitem__(index)
        self.served.append([np.array(each) for each in batch])
        return batch


def train():
    """Trains on an uneven set with `part="auto"`; `fit` keeps `shuffle=True`, its default."""
    use()
    sequence = Seen(DIRECTORY, 16, seed=3, part="auto")
    model = new_model()
    history = model.fit(sequence, epochs=3, verbose=0).history
    x = np.concatenate([batch[0][:, 0] for batch in sequence.served])
    weights = [batch[2] for batch in sequence.served if len(batch) == 3]
    is_real = np.concatenate(weights) > 0 if weights else np.ones(len(x), bool)
    assert repr(sequence.part) in repr(sequence) or SIZE == 1
    save("train", model, ids=x[is_real], loss=history["loss"], epoch=sequence.epoch)


def drop():
    """Trains on full batches only, in the order of the files, which `fit` may shuffle."""
    use()
    sequence = ShardSequence(DIRECTORY, 16, seed=3, shuffle=None, last_batch="drop", part="auto")
    model = new_model(metrics=["accuracy"])
    # Several processes keep the order of the plan by themselves.
    history = model.fit(sequence, epochs=2, verbose=0, shuffle=SIZE > 1).history
    save("drop", model, **history)


def validation_sets():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(VALIDATION_ROWS, 3)).astype("float32") * 100
    y = rng.integers(0, 3, VALIDATION_ROWS)
    return {
        "arrays": (x, y),
        "scaled": (x, y, np.linspace(0, 2, VALIDATION_ROWS).astype("float32")),
        "shards": ShardSequence(DIRECTORY, 16, seed=1, part="auto"),
    }


class Wrong(keras.callbacks.Callback):
    """Writes other figures to the logs of each process."""

    def on_epoch_end(self, epoch, logs=None):
        logs["score"] = [1.0, 3.0, 2.0][epoch] if RANK == 0 else float(epoch)
        logs["val_score"] = logs["score"] + RANK


def callbacks():
    """All callbacks with several sets; the figures, the files and the decisions are kept."""
    use()
    sequence = ShardSequence(DIRECTORY, 16, seed=3, part="auto")
    model = new_model(
        metrics=["accuracy", keras.metrics.MeanIoU(3, sparse_y_pred=False, name="iou")]
    )
    best = BestWeightsEarlyStopping(
        OUT / f"files{SIZE}" / "best.weights.h5", "score", mode="max", patience=1
    )
    all_of_them = [
        WeightedValidation(validation_sets(), batch_size=16),
        Wrong(),
        best,
        ScoreLog(OUT / f"files{SIZE}" / "scores.pkl", "score"),
    ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = model.fit(sequence, epochs=9, verbose=0, callbacks=all_of_them).history
    texts = [str(each.message) for each in caught if "padded" in str(each.message)]
    print("WARNED", len(texts), texts)
    figures = {name: history[name] for name in history if name.startswith("val_")}
    save("callbacks", model, stopped=best.stopped_epoch, epochs=len(history["loss"]), **figures)


class Slow(keras.callbacks.Callback):
    """Marks the batches that were trained, and gives a test the time to kill the process."""

    def on_train_batch_end(self, batch, logs=None):
        with open(OUT / f"batches.{RANK}", "a") as file:
            file.write(".")
        time.sleep(0.1)


def resume():
    """Trains with checkpoints; the random numbers of the processes are different."""
    use()
    sequence = ShardSequence(DIRECTORY, 16, seed=3, part="auto")
    model = new_model()
    np.random.seed(RANK + 10 * int(os.environ.get("ATTEMPT", "0")))
    resume = ResumeTraining(OUT / "checkpoints", sequence, every=0)
    own = [keras.callbacks.CSVLogger(OUT / "log.csv")] if RANK == 0 else []
    slow = [] if os.environ.get("FAST") else [Slow()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        around = resume.around([*own])
    history = model.fit(
        sequence, epochs=3, verbose=0, shuffle=False, callbacks=[*around, *slow]
    ).history
    save("resume", model, loss=history["loss"], drawn=np.random.rand(2))


def expected(*texts):
    return pytest.raises(ValueError, match="(.|\\n)*".join(map(re.escape, texts)))


def refuse():
    """What would train on a wrong epoch is refused, with the lines to write."""
    keras.distribution.set_distribution(None)
    two_lines = ("auto_shard_dataset=False", "part='auto'")
    early = ShardSequence(DIRECTORY, 16, part=(0, 1))
    data_parallel = keras.distribution.DataParallel
    keras.distribution.set_distribution(data_parallel(auto_shard_dataset=False))
    with expected("part='auto'", "part=(0, 1)"):
        ShardSequence(DIRECTORY, 16)
    model = new_model()
    keras.distribution.set_distribution(data_parallel(auto_shard_dataset=True))
    # Keras 3.15 refuses every dataset but `tf.data` before its first hook is called.
    with expected():
        model.fit(ShardSequence(DIRECTORY, 16, seed=1, part="auto"), verbose=0)
    with expected(*two_lines):
        early.on_epoch_begin()
    use()
    with expected("Keras cannot return the predictions of several processes"):
        model.predict(
            ShardSequence(DIRECTORY, 8, inputs="x", seed=1, part="auto", last_batch="drop"),
            verbose=0,
        )
    print("REFUSED")


def differ():
    """Processes that differ are refused in all of them, so that none waits for the others."""
    use()

    def fit(*texts, part="auto", seed=1, shards=DIRECTORY, callbacks=()):
        sequence = ShardSequence(shards, 16, seed=seed, part=part)
        with expected("The processes that train together differ", *texts, "process 1"):
            new_model().fit(sequence, verbose=0, callbacks=list(callbacks))

    fit('seed is "0"', 'and "1"', seed=RANK)
    fit("num_samples is", shards=Shards(DIRECTORY).rows(range(60 + 16 * RANK)))
    fit("part is", "(0, 2) instead of (1, 2)", part=(0, 2))
    log = [ScoreLog(OUT / "never.pkl")]
    fit('callbacks of keras_bigdata is ["ScoreLog"]', "and []", callbacks=log[RANK:])
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=True))
    with expected("auto_shard_dataset=False", "part='auto'"):
        ShardSequence(DIRECTORY, 16, seed=1, part="auto").as_dataset()
    print("DIFFER")


def divided():
    """`ModelParallel` divides a kernel; a dataset, whose thread has no distribution, is served."""
    devices = keras.distribution.DeviceMesh((1, SIZE), ["batch", "model"], jax_devices())
    layout = keras.distribution.LayoutMap(devices)
    layout[".*divided/kernel"] = (None, "model")
    use(
        keras.distribution.ModelParallel(
            layout_map=layout, batch_dim_name="batch", auto_shard_dataset=False
        )
    )

    def fit(epochs, callback=None, dataset=True):
        sequence = ShardSequence(DIRECTORY, 16, seed=3, part="auto")
        model = new_model()
        assert SIZE == 1 or not model.layers[1].kernel.value.is_fully_addressable
        resume = ResumeTraining(OUT / f"divided{SIZE}", sequence, every=0)
        callbacks = [callback] if callback else resume.around([])
        data = sequence.as_dataset() if dataset else sequence
        return model.fit(data, epochs=epochs, verbose=0, shuffle=False, callbacks=callbacks).history

    if SIZE > 1:
        with expected("divide 1 variables", "divided/kernel", "ResumeTraining"):
            fit(1, BestWeightsEarlyStopping(OUT / "never.weights.h5"), dataset=False)
    fit(1)
    save("divided", loss=fit(2)["loss"])


def slow_in_the_second(batch, rng):
    if RANK == 1:
        time.sleep(0.06)
    return batch


def input_report():
    """The input of the second process is slow; the record is written by the first one only."""
    use()
    # Without workers: they would have loaded all 7 batches while the last epoch was trained.
    sequence = ShardSequence(
        DIRECTORY, 16, seed=3, part="auto", workers=0, transform=slow_in_the_second
    )
    report = InputReport(OUT / "run" if RANK == 0 else None)
    history = new_model().fit(sequence, epochs=3, verbose=0, callbacks=[report]).history
    assert [each["wait"] for each in report.epochs] == history["input_wait"]
    last = report.epochs[-1]
    save(
        "input_report",
        wait=history["input_wait"],
        process=last["process"],
        limit=last["limit"],
        rows=last["rows"],
    )


def input_report_of_a_divided_model():
    """The smallest variable is divided, so no process can convert it."""
    devices = keras.distribution.DeviceMesh((1, SIZE), ["batch", "model"], jax_devices())
    layout = keras.distribution.LayoutMap(devices)
    layout[".*divided/kernel"] = (None, "model")
    use(
        keras.distribution.ModelParallel(
            layout_map=layout, batch_dim_name="batch", auto_shard_dataset=False
        )
    )
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Input((3,)), keras.layers.Dense(4, use_bias=False, name="divided")]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    assert not model.trainable_variables[0].value.is_fully_addressable
    sequence = ShardSequence(DIRECTORY, 16, seed=3, part="auto")
    report = InputReport(verbose=0)
    history = model.fit(sequence, epochs=2, verbose=0, callbacks=[report]).history
    save("input_report_of_a_divided_model", wait=history["input_wait"])


def refuse316():
    """Keras 3.16 divides the batches of a PyDataset by itself: the first epoch is refused."""
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=True))
    with expected("auto_shard_dataset=False", "part='auto'"):
        new_model().fit(ShardSequence(DIRECTORY, 16, seed=1, part="auto"), verbose=0)
    print("REFUSED", keras.__version__)


def mesh(shape):
    """Trains with a model that is divided over processes: the rows are those of the replicas."""
    devices = keras.distribution.DeviceMesh(shape, ["batch", "model"], jax_devices())
    layout = keras.distribution.LayoutMap(devices)
    distribution = keras.distribution.ModelParallel(
        layout_map=layout, batch_dim_name="batch", auto_shard_dataset=False
    )
    use(distribution)
    sequence = ShardSequence(DIRECTORY, 16, seed=3, part="auto")
    model = new_model()
    model.fit(sequence, epochs=3, verbose=0)
    save("x".join(map(str, shape)), model, part=sequence.part)


def jax_devices():
    return keras.distribution.list_devices()


def main():
    faulthandler.dump_traceback_later(
        int(os.environ.get("LIMIT", "390")), exit=True
    )  # where it hangs
    for task in TASKS:
        start = time.perf_counter()
        if "x" in task and task[0].isdigit():
            mesh(tuple(map(int, task.split("x"))))
        else:
            globals()[task]()
        print(f"{task}: {time.perf_counter() - start:.1f} s")
    sys.stdout.flush()
    if SIZE > 1:
        jax.distributed.shutdown()


main()
