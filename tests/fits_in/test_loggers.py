"""Callbacks that log: TensorBoard, and those in the form of MLflow's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest

from keras_bigdata import BestWeightsEarlyStopping, WeightedValidation
from tests.fits_in.in_memory import classifier, in_order, pack_rows


class Tracker(keras.callbacks.Callback):
    """Sends the metrics of each epoch to a store, with their names and the step."""

    def __init__(self) -> None:
        super().__init__()
        self.params_logged: dict[str, Any] = {}
        self.metrics: list[tuple[int, dict[str, float]]] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.params_logged = {"epochs": self.params["epochs"], "steps": self.params["steps"]}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.metrics.append((epoch, {name: float(value) for name, value in logs.items()}))


def callbacks_around(directory: Path, logger: keras.callbacks.Callback) -> list[Any]:
    best = BestWeightsEarlyStopping(directory / "best.weights.h5")
    return [WeightedValidation(directory / "train"), logger, best]


@pytest.mark.slow
def test_a_tracker_receives_what_the_validation_writes(tmp_path: Path):
    train = in_order(pack_rows(tmp_path / "train"))
    tracker = Tracker()
    history = classifier(run_eagerly=True).fit(
        train, epochs=2, shuffle=False, verbose=0, callbacks=callbacks_around(tmp_path, tracker)
    )
    assert tracker.params_logged == {"epochs": 2, "steps": 5}
    assert [epoch for epoch, _ in tracker.metrics] == [0, 1]
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= tracker.metrics[0][1].keys()
    for name, values in history.history.items():
        assert [metrics[name] for _, metrics in tracker.metrics] == pytest.approx(values)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    mlflow = pytest.importorskip("mlflow", reason="pip install mlflow, or mlflow-skinny")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    train = in_order(pack_rows(tmp_path / "train"))
    with mlflow.start_run() as run:
        logger = mlflow.keras.MlflowCallback(run)
        history = classifier(run_eagerly=True).fit(
            train, epochs=2, shuffle=False, verbose=0, callbacks=callbacks_around(tmp_path, logger)
        )
    logged = mlflow.get_run(run.info.run_id).data.metrics
    for name in ("loss", "val_loss", "val_accuracy"):
        assert logged[name] == pytest.approx(history.history[name][-1])


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorBoard loads TensorFlow")
def test_tensorboard(tmp_path: Path):
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    train = in_order(pack_rows(tmp_path / "train"))
    board = keras.callbacks.TensorBoard(tmp_path / "logs")
    history = classifier(run_eagerly=True).fit(
        train, epochs=2, shuffle=False, verbose=0, callbacks=callbacks_around(tmp_path, board)
    )
    events = EventAccumulator(str(tmp_path / "logs" / "validation"))
    events.Reload()
    logged = events.Tensors("epoch_loss")
    assert [event.step for event in logged] == [0, 1]
    values = [float(tensor_util.make_ndarray(event.tensor_proto)) for event in logged]
    assert values == pytest.approx(history.history["val_loss"])
