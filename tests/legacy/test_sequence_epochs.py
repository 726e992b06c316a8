"""The epochs of sequences: of changing length, of `ShardSequence`, and resumed ones."""

from __future__ import annotations

import contextlib

import keras
import numpy as np
import pytest

from keras_bigdata import (
    BestWeightsEarlyStopping,
    ResumeTraining,
    ShardSequence,
    WeightedValidation,
    legacy,
)
from tests.helpers.tiny_training import Kill, Killed, tiny, values
from tests.helpers.unindexed_pickles import ROLES
from tests.legacy.numbered_batches import EveryEpoch, OldSequence, batch
from tests.legacy.small_classifier import X, Y, classifier


class ChangingLength(OldSequence):
    """Has the batches 0, 1, ... and another number of them in each epoch."""

    def __init__(self, lengths):
        super().__init__(max(lengths))
        self.lengths = list(lengths)

    def __len__(self):
        return self.lengths[min(self.ended, len(self.lengths) - 1)]

    def __getitem__(self, index):
        self.indices.append(index)
        return batch(index)

    def on_epoch_end(self):
        self.ended += 1


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("lengths", [[2, 3, 4], [4, 3, 2]])
@pytest.mark.parametrize(
    "reading",
    [
        {"workers": 0},
        {"workers": 1},
        {"workers": 2},
        {"workers": 2, "use_multiprocessing": True},
    ],
)
def test_epochs_have_the_length_that_a_sequence_has_by_then(model, lengths, reading):
    seen, train, val = EveryEpoch(), ChangingLength(lengths), ChangingLength(lengths[::-1])
    legacy.fit_generator(
        model, train, epochs=3, verbose=0, callbacks=[seen], validation_data=val, shuffle=False,
        **reading,
    )  # fmt: skip
    assert seen.trained == [list(range(length)) for length in lengths]
    assert seen.tested == [list(range(length)) for length in lengths[::-1]]
    # No batch was read that was not trained on.
    assert sorted(train.indices) == sorted(i for length in lengths for i in range(length))
    assert seen.params["steps"] == lengths[0]  # what the progress bar shows


def test_steps_that_are_passed_hold_whatever_the_length(model):
    seen, train = EveryEpoch(), ChangingLength([2, 3, 4])
    legacy.fit_generator(model, train, 3, 3, 0, [seen], shuffle=False)
    assert seen.trained == [[0, 1, 0], [1, 2, 0], [1, 2, 3]]


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_shard_sequence_serves_its_own_epochs(model, shards, workers):
    def sequence():
        return ShardSequence(shards([5, 4, 6]), 4, seed=3, workers=0, **ROLES)

    class Ids(keras.callbacks.Callback):
        epochs = ()

        def on_epoch_end(self, epoch, logs=None):
            self.epochs = [*self.epochs, [i for ids in self.model.take() for i in ids]]

    expected = [[int(i) for _, ids in epoch for i in ids] for epoch in sequence().epochs(3)]
    assert len({tuple(ids) for ids in expected}) == 3
    ids, train = Ids(), sequence()
    legacy.fit_generator(model, train, epochs=2, verbose=0, callbacks=[ids], workers=workers)
    legacy.fit_generator(model, train, epochs=1, verbose=0, callbacks=[ids], workers=workers)
    assert ids.epochs == expected


@pytest.mark.slow
def test_results_of_weighted_validation_have_both_names(tmp_path):
    model = classifier()
    stop = keras.callbacks.EarlyStopping("val_acc", patience=5)
    best = BestWeightsEarlyStopping(tmp_path / "best.weights.h5", "val_clean_acc", mode="max")
    callbacks = [
        WeightedValidation({"clean": (X, Y), "noisy": (X[:4], Y[:4])}),
        stop,
        best,
        keras.callbacks.ReduceLROnPlateau("val_noisy_acc", patience=1),
        legacy.ModelCheckpoint(str(tmp_path / "{epoch}-{val_clean_acc:.2f}.hdf5"), "val_acc"),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
    ]
    data = [(X, Y)] * 2
    history = legacy.fit_generator(model, data, epochs=2, verbose=0, callbacks=callbacks).history
    for name in ("val", "val_clean", "val_noisy"):
        assert history[f"{name}_acc"] == history[f"{name}_accuracy"]
    assert stop.best == max(history["val_acc"])
    assert stop.mode == "auto"
    assert (tmp_path / "best.weights.h5").exists()
    names = [f"{e + 1}-{value:.2f}.hdf5" for e, value in enumerate(history["val_clean_acc"])]
    assert sorted(path.name for path in tmp_path.glob("*.hdf5")) == sorted(names)
    assert "val_clean_acc" in (tmp_path / "log.csv").read_text().splitlines()[0].split(",")


# ---- ResumeTraining


def train_resumably(folder, data, more, **arguments):
    model = tiny()
    train = ShardSequence(data, 8, seed=1, workers=0, **ROLES)
    resume = ResumeTraining(folder, train, every=0)
    history = legacy.fit_generator(
        model, train, epochs=3, verbose=0, callbacks=resume.around(more), **arguments
    )
    return values(model), history.history


@pytest.mark.slow
def test_a_killed_training_continues_with_the_same_result(tmp_path, shards):
    data = shards([20, 12])
    x = np.ones((4, 3), np.float32)
    arguments = {"validation_data": (x, x[:, :1]), "workers": 2, "steps_per_epoch": 4}
    expected = train_resumably(tmp_path / "whole", data, [Kill(1000)], **arguments)
    with pytest.raises(Killed):
        train_resumably(tmp_path / "killed", data, [Kill(7)], **arguments)
    found = train_resumably(tmp_path / "killed", data, [Kill(1000)], **arguments)
    assert found == expected
    assert len(expected[1]["val_loss"]) == 3


def test_what_cannot_be_continued_is_refused(tmp_path, shards):
    data = shards([20, 12])
    model = tiny()
    train = ShardSequence(data, 8, seed=1, **ROLES)
    x = np.ones((4, 3), np.float32)

    @contextlib.contextmanager
    def refused(match):
        with pytest.raises(ValueError, match=match):
            yield ResumeTraining(tmp_path / "new", train).around([])

    with refused("batches of a list.*Pass a ShardSequence") as callbacks:
        legacy.fit_generator(model, [(x, x[:, :1])], callbacks=callbacks)
    with refused("which has 4 batches.*Received: 3 batches") as callbacks:
        legacy.fit_generator(model, train, steps_per_epoch=3, callbacks=callbacks)
    with refused("Received: 32 samples") as callbacks:
        legacy.fit_generator(model, train, samples_per_epoch=32, nb_epoch=1, callbacks=callbacks)
    with refused("a validation on a list_iterator") as callbacks:
        val = iter([(x, x[:, :1])])
        legacy.fit_generator(
            model, train, callbacks=callbacks, validation_data=val, validation_steps=1
        )
    with refused("`class_weight` must be a dict") as callbacks:
        legacy.fit_generator(model, train, callbacks=callbacks, class_weight=[1, 2])
    assert not (tmp_path / "new").exists()
