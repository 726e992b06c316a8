"""KerasTuner: trials on shards, with checkpoints and best weights of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from keras_bigdata import BestWeightsEarlyStopping, ResumeTraining, ShardSequence
from tests.fits_in.in_memory import ROWS, classifier, in_order, pack_rows, rows_seen

keras_tuner = pytest.importorskip("keras_tuner", reason="pip install keras-tuner")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer:UserWarning"),
]
OBJECTIVE = keras_tuner.Objective("val_loss", "min")


class Recorded(ShardSequence):
    """Records the rows of the batches that `fit` receives."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.rows: list[int] = []

    def __getitem__(self, index: int) -> Any:
        batch = super().__getitem__(index)
        self.rows += rows_seen(batch[0])
        return batch


def build(hp: Any) -> keras.Model:
    rate = hp.Float("rate", 0.01, 0.5)
    return classifier(optimizer=keras.optimizers.SGD(rate), run_eagerly=True)


def own_files(tuner_class: type, train: ShardSequence) -> type:
    """Returns a tuner whose trials have a directory each."""

    class Tuner(tuner_class):  # type: ignore[misc]
        def run_trial(self, trial: Any, *arguments: Any, **named: Any) -> Any:
            directory = Path(self.get_trial_dir(trial.trial_id))
            resume = ResumeTraining(directory / "resume", train)
            best = BestWeightsEarlyStopping(directory / "best.weights.h5", monitor="val_loss")
            return super().run_trial(trial, *arguments, **named, callbacks=resume.around([best]))

    return Tuner


def check_files(tuner: Any) -> None:
    """Every trial has checkpoints, and best weights with its own score that can be loaded."""
    trials = tuner.oracle.trials
    for trial_id, trial in trials.items():
        assert trial.status == "COMPLETED", trial.message
        directory = Path(tuner.get_trial_dir(trial_id))
        assert list((directory / "resume").glob("*.npz"))
        with h5py.File(directory / "best.weights.h5") as file:
            assert file.attrs["value"] == pytest.approx(trial.score)
        model = build(trial.hyperparameters)
        model.load_weights(directory / "best.weights.h5")
        assert len(trial.hyperparameters.values) >= 1
    assert len({trial.score for trial in trials.values()}) == len(trials)


def test_random_search(tmp_path: Path):
    train = Recorded(pack_rows(tmp_path / "train"), 8, seed=1)
    tuner = own_files(keras_tuner.RandomSearch, train)(
        build, OBJECTIVE, max_trials=2, directory=tmp_path / "tuner", seed=0
    )
    validation = in_order(tmp_path / "train", 16)
    tuner.search(train, validation_data=validation, epochs=2, shuffle=False, verbose=0)
    check_files(tuner)
    assert train.epoch == 4
    if keras.backend.backend() == "tensorflow":  # others request one batch more
        counts = np.bincount(train.rows, minlength=ROWS)
        assert counts.min() >= 4  # each row once in each of the epochs, and those of the spec
    assert len(tuner.get_best_models(2)) == 2


def test_hyperband_continues_trials_in_later_rounds(tmp_path: Path):
    train = ShardSequence(pack_rows(tmp_path / "train"), 8, seed=1)
    tuner = own_files(keras_tuner.Hyperband, train)(
        build, OBJECTIVE, max_epochs=2, factor=2, directory=tmp_path / "tuner", seed=0
    )
    validation = in_order(tmp_path / "train", 16)
    tuner.search(train, validation_data=validation, shuffle=False, verbose=0)
    trials = tuner.oracle.trials.values()
    assert any("tuner/trial_id" in trial.hyperparameters.values for trial in trials)
    epochs = sum(
        trial.hyperparameters.values["tuner/epochs"]
        - trial.hyperparameters.values["tuner/initial_epoch"]
        for trial in trials
    )
    assert train.epoch == epochs
    check_files(tuner)


def test_one_directory_for_all_trials_is_refused(tmp_path: Path):
    """The second trial would end with the score of the first one, without training."""
    train = ShardSequence(pack_rows(tmp_path / "train"), 8, seed=1)
    shared = ResumeTraining(tmp_path / "resume", train).around([])
    tuner = keras_tuner.RandomSearch(
        build, keras_tuner.Objective("loss", "min"), max_trials=2, directory=tmp_path / "tuner"
    )
    tuner.search(train, epochs=1, shuffle=False, verbose=0, callbacks=shared)
    first, second = (tuner.oracle.trials[trial_id] for trial_id in tuner.oracle.end_order)
    assert (first.status, second.status) == ("COMPLETED", "FAILED")
    assert "another copy of this ResumeTraining" in second.message
    assert "get_trial_dir" in second.message
