"""A killed `fit` of `as_dataset()` ends as if it had never been killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from unittest.mock import Mock

import keras
import numpy as np
import pytest

from keras_bigdata import Mixture, ResumeTraining, ShardSequence
from keras_bigdata.callbacks.resuming.checkpoint_directory import CheckpointDirectory
from keras_bigdata.callbacks.resuming.short_epoch import ShortEpoch
from tests.helpers.paths import ROOT
from tests.helpers.programs import environment_of
from tests.helpers.resumed_training import prepare, run
from tests.helpers.tiny_training import Kill, Killed, shared_tiny, tiny, tiny_fit, values
from tests.helpers.unindexed_pickles import ROLES

tf = pytest.importorskip("tensorflow")

BACKEND = keras.backend.backend()


def dataset_fit(folder, data, *callbacks, **arguments):
    def feed(train):
        return train.as_dataset()

    return tiny_fit(folder, data, callbacks, **{"feed": feed, **arguments})


def killed_after(batches, *arguments, **keywords):
    with pytest.raises(Killed):
        dataset_fit(*arguments, Kill(batches), **keywords)


def keep(batch, rng):
    return batch


# ---- In one process


@pytest.mark.slow
@pytest.mark.parametrize("last", [27, 24])
def test_killed_twice_in_an_epoch_it_ends_as_a_training_of_the_sequence(tmp_path, shards, last):
    """8 batches of 8 rows, and one of 3; nothing is validated.

    With batches of equal size, the shapes are static, and TensorFlow counts the rows of a batch
    that it does not receive.
    """
    data = shards([20, 20, last])
    expected, whole = tiny_fit(tmp_path / "whole", data)
    # 5 batches of epoch 0, which is prefetched further; none of epoch 0; 4 + 2 of epoch 1.
    killed_after(5, tmp_path / "c", data)
    newest = CheckpointDirectory(tmp_path / "c").read_newest()
    assert newest is None or newest["position"]["batch"] <= 5  # none is written yet, or this one
    killed_after(1, tmp_path / "c", data)
    killed_after(8, tmp_path / "c", data)
    found, history = dataset_fit(tmp_path / "c", data, Kill(1000))
    assert found == expected
    assert history.history == whole.history
    assert history.epoch == whole.epoch == [0, 1]


def test_a_short_epoch_is_ended_without_stopping_the_training():
    model, epoch, data = shared_tiny(), ShortEpoch(), Mock()
    epoch.stop(model)
    assert model.stop_training
    epoch.complete(model, data)
    assert model.stop_training is False
    epoch.complete(model, data)  # after a validation
    data.end_epoch.assert_called_once_with()
    # Another callback stops the training at the same batch, after this one or before.
    epoch.stop(model)
    model.stop_training = True
    epoch.complete(model, data)
    assert model.stop_training is True
    epoch.stop(model)
    epoch.complete(model, data)
    assert model.stop_training is True
    data.end_epoch.assert_called_once_with()
    model.stop_training = False


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        {"transform": keep},
        {"transform": keep, "workers": 2},
        {"workers": 2, "last_batch": "drop", "batch_size": 7},
        {"shuffle": "global"},
        {"seed": None},
    ],
    ids=["transform", "workers", "drop", "global", "seed"],
)
def test_other_orders_end_the_same(tmp_path, shards, arguments):
    data = shards([20, 20, 27])
    if arguments.get("seed", 0) is None:
        # The seed that was drawn is that of the checkpoint.
        killed_after(3, tmp_path / "whole", data, **arguments)
        ignored = shutil.ignore_patterns(".tmp-*")  # a checkpoint that is being written
        shutil.copytree(tmp_path / "whole", tmp_path / "c", ignore=ignored)
    expected, whole = tiny_fit(tmp_path / "whole", data, [Kill(1000)], **arguments)
    for batches in (3, 6, 2, 4):
        with contextlib.suppress(Killed):
            dataset_fit(tmp_path / "c", data, Kill(batches), **arguments)
    found, history = dataset_fit(tmp_path / "c", data, Kill(1000), **arguments)
    assert found == expected
    assert history.history == whole.history


def doubled(train):
    """The rows of each batch are changed, before and after a `prefetch`."""
    dataset = train.as_dataset().map(lambda x, y: (x[:, :2] * 2, y), tf.data.AUTOTUNE)
    return dataset.prefetch(2).map(lambda x, y: (x, y + 1)).with_options(tf.data.Options())


def small_model():
    keras.utils.clear_session()
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(), "mse", metrics=["mae"])
    return model


@pytest.mark.slow
def test_functions_may_be_mapped_over_the_dataset(tmp_path, shards):
    """The model takes other shapes than those of the sequence."""
    data = shards([20, 20, 27])
    expected, whole = dataset_fit(tmp_path / "w", data, model=small_model(), feed=doubled)
    killed_after(4, tmp_path / "c", data, model=small_model(), feed=doubled)
    killed_after(9, tmp_path / "c", data, model=small_model(), feed=doubled)
    for _ in range(2):  # the second time nothing is trained
        model, kill = small_model(), Kill(1000)
        found, history = dataset_fit(tmp_path / "c", data, kill, model=model, feed=doubled)
        assert found == expected
        assert history.history == whole.history


@pytest.mark.slow
def test_class_weights_of_fit_are_applied_after_a_kill(tmp_path, shards):
    data = shards([20, 20, 27])
    results = []
    for name, kills in (("whole", []), ("c", [3, 5])):
        for kill in [*kills, 1000]:
            train = ShardSequence(data, 8, seed=1, workers=0, **ROLES)
            model = tiny()
            callbacks = ResumeTraining(tmp_path / name, train, every=0).around([Kill(kill)])
            weights = {row: 1.0 + row / 10 for row in range(67)}
            with contextlib.suppress(Killed):
                model.fit(
                    train.as_dataset(),
                    epochs=2,
                    shuffle=False,
                    verbose=0,
                    class_weight=weights,
                    callbacks=callbacks,
                )
        results.append(values(model))
    assert results[0] == results[1]


@pytest.mark.slow
def test_a_mixture_ends_the_same(tmp_path, shards):
    data = shards([20, 20, 27]), shards([30])

    def fit(folder, kill):
        sets = [ShardSequence(d, 8, seed=i, workers=0, **ROLES) for i, d in enumerate(data)]
        mixture = Mixture({"a": sets[0], "b": sets[1]}, weights=(3, 1), batch_size=8)
        model = shared_tiny()
        callbacks = ResumeTraining(folder, mixture, every=0).around([Kill(kill)])
        model.fit(mixture.as_dataset(), epochs=2, shuffle=False, verbose=0, callbacks=callbacks)
        return values(model), mixture.epoch

    expected = fit(tmp_path / "whole", 1000)
    for kill in (4, 7):
        with pytest.raises(Killed):
            fit(tmp_path / "c", kill)
    assert fit(tmp_path / "c", 1000) == expected


@pytest.mark.slow
@pytest.mark.skipif(BACKEND == "torch", reason="Keras has no steps_per_execution on torch")
def test_several_steps_at_a_time_end_the_same(tmp_path):
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    prepare(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole" / "shards", tmp_path / "killed" / "shards")
    arguments = {"feed": "dataset", "compiled": {"steps_per_execution": 2}, "epochs": 2}
    expected = run(tmp_path / "whole", more=[Kill(1000)], **arguments)
    for kill in (3, 3):
        with pytest.raises(Killed):
            run(tmp_path / "killed", more=[Kill(kill)], **arguments)
    assert run(tmp_path / "killed", more=[Kill(1000)], **arguments) == expected


@pytest.mark.slow
def test_the_epoch_after_one_that_was_stopped_is_that_of_the_batches_trained(tmp_path, shards):
    """All of them were prefetched: the sequence went on to the next epoch."""
    data = shards([20])
    sequences = []

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    def feed(train):
        sequences.append(train)
        return train.as_dataset().prefetch(10)

    for _ in range(2):  # the second time nothing is trained
        dataset_fit(tmp_path / "c", data, Stop(), feed=feed)
        assert sequences[-1].epoch == 0
        assert CheckpointDirectory(tmp_path / "c").read_newest()["sequence"]["epoch"] == 0


# ---- What is refused


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d, _: d.shuffle(3), r"as_dataset\(\)` of the sequence after 'shuffle'"),
        (lambda d, _: d.map(lambda x, y: (x, y)).take(2).prefetch(1), "after 'take'"),
        (lambda d, _: d.unbatch().batch(8), "after 'unbatch'"),
        (lambda d, _: d.concatenate(d), "after 'concatenate'"),
        (
            lambda d, _: d.map(lambda x, y: (x, y), 2, deterministic=False),
            r"after 'map\(deterministic=False\)'",
        ),
        (lambda d, _: d.with_options(unordered()), r"after 'options\(\)\.deterministic=False'"),
        (lambda _, other: other.as_dataset().prefetch(1), r"`as_dataset\(\)` of another sequence"),
        (lambda *_: tf.data.Dataset.from_tensors((np.ones((8, 3)), np.ones(8))), "not made of"),
        (lambda _, other: other, "Received: another ShardSequence"),
    ],
)
def test_a_dataset_whose_place_is_not_known_is_refused(tmp_path, shards, change, match):
    directory = shards([40])
    train, other = (ShardSequence(directory, 8, **ROLES) for _ in range(2))
    callbacks = ResumeTraining(tmp_path / "c", train).around()
    data = change(train.as_dataset(), other)
    with pytest.raises(ValueError, match=match):
        shared_tiny().fit(data, verbose=0, shuffle=False, callbacks=callbacks)
    assert not (tmp_path / "c").exists()


def unordered():
    options = tf.data.Options()
    options.deterministic = False
    return options


# ---- In processes that are killed


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL")
@pytest.mark.parametrize(
    ("backend", "training", "kills"),
    [
        ("tensorflow", "dataset", 3),
        ("tensorflow", "runs", 4),
        ("tensorflow", "both", 3),
        ("jax", "runs", 2),
        ("torch", "runs", 2),
    ],
)
def test_kills_at_random_moments_change_nothing(tmp_path, backend, training, kills):
    pytest.importorskip(backend)
    result = subprocess.run(
        [
            *(sys.executable, "-m", "tests.helpers.kill_resumed_training"),
            *(str(tmp_path / "run"), str(kills), "1", training),
        ],
        cwd=ROOT,
        env=environment_of(backend, tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert int(result.stdout.split("killed ")[1].split()[0]) >= kills - 1
    assert "the same best weights in the end: True" in result.stdout
