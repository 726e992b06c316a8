"""`InputReport` in real calls of `fit`."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

from keras_bigdata import InputReport, Mixture, ShardSequence, ShardWriter

STAGES = {"read", "decode", "transform"}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    directory = tmp_path_factory.mktemp("input") / "shards"
    rng = np.random.default_rng(0)
    with ShardWriter(directory, inputs="x", targets="y") as writer:
        for _ in range(3):
            writer.write({"x": rng.random((20, 4), np.float32), "y": rng.random(20)})
    return directory


def compiled(**options):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse", **options)
    return model


def double(batch, rng):
    return {**batch, "x": batch["x"] * 2}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sequence", "dataset", "processes", "mixture"])
def test_every_epoch_is_measured(shards, tmp_path, capsys, kind):
    options = {"transform": double} if kind != "dataset" else {}
    sequence = ShardSequence(shards, 8, use_multiprocessing=kind == "processes", **options)
    if kind == "mixture":
        sets = {"a": ShardSequence(shards, 8, transform=double), "b": ShardSequence(shards, 8)}
        sequence = Mixture(sets, weights=(1, 1), batch_size=8)
    report = InputReport(tmp_path / "run")
    log = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    history = compiled().fit(
        sequence.as_dataset() if kind == "dataset" else sequence,
        epochs=2,
        callbacks=[report, log],
        verbose=0,
        shuffle=False,
    )
    waits = history.history["input_wait"]
    assert [record["wait"] for record in report.epochs] == waits
    assert all(0 <= wait <= 1 for wait in waits)
    assert "input_wait" in (tmp_path / "log.csv").read_text()
    rows, batches = (120, 15) if kind == "mixture" else (60, 8)
    for record in report.epochs:
        assert (record["rows"], record["batches"]) == (rows, batches)
        assert record["peak_memory"] > 10**7
    total = {name: sum(each[name] for each in report.epochs) for name in STAGES}
    assert total["read"] > 0
    assert (total["transform"] > 0) == (kind != "dataset")
    assert capsys.readouterr().out.startswith("InputReport, epoch 1: waited ")
    document = json.loads((tmp_path / "run/run.json").read_text())
    assert [each["epoch"] for each in document["epochs"]] == [0, 1]
    assert document["epochs"][1]["logs"]["loss"] == pytest.approx(history.history["loss"][1])
    assert document["model"]["parameters"] == 5
    assert sequence.server.deliveries is None


def test_calls_of_several_steps_are_counted(shards):
    report = InputReport(verbose=0)
    model = compiled(steps_per_execution=3)
    model.fit(ShardSequence(shards, 8), epochs=2, callbacks=[report], verbose=0)
    assert [record["batches"] for record in report.epochs] == [8, 8]
    assert [record["rows"] for record in report.epochs] == [60, 60]


def test_other_data_are_refused(shards):
    with pytest.raises(ValueError, match="measures a ShardSequence or a Mixture"):
        compiled().fit(np.zeros((8, 4)), np.zeros(8), callbacks=[InputReport()], verbose=0)


def test_fit_generator_is_refused(shards):
    from keras_bigdata.legacy import fit_generator

    with pytest.raises(ValueError, match="fit_generator` passes a generator"):
        fit_generator(
            compiled(), ShardSequence(shards, 8), epochs=1, verbose=0, callbacks=[InputReport()]
        )


def test_the_record_of_a_training_continues():
    report = InputReport(verbose=0)
    report.epochs = [{"epoch": 0}]
    other = InputReport(verbose=0)
    other.load_state_dict(report.state_dict())
    assert other.epochs == [{"epoch": 0}]
    with pytest.raises(ValueError, match="version"):
        other.load_state_dict({"version": 99, "epochs": []})


def test_wrong_arguments_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`verbose`"):
        InputReport(verbose=2)
    with pytest.raises(TypeError, match="`directory`"):
        InputReport(5)
