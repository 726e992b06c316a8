"""A hand-written loop and `fit` with callbacks: same data, seed, file order; same results."""

from __future__ import annotations

import pickle

import joblib
import keras
import numpy as np
import pytest

from keras_bigdata import BestWeightsEarlyStopping, ScoreLog, ShardSequence, WeightedValidation

BATCH = 16
EPOCHS = 8
PATIENCE = 5
CLASS_WEIGHT = {0: 0.7, 1: 1.9, 2: 1.1}


def samples(count, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count).astype(np.int32)
    images = rng.integers(0, 90, (count, 8, 8, 1)) + labels[:, None, None, None] * 70
    texts = rng.integers(0, 20, (count, 5)).astype(np.int32)
    return {"images": images.astype(np.uint8), "texts": texts, "labels": labels}


@pytest.fixture
def megabatches(tmp_path):
    """Files of 16, 48 and 32 rows in turn, protocols 2 to 5."""
    folder = tmp_path / "megabatches"
    folder.mkdir()
    for number in range(8):
        with open(folder / f"{number}.pkl", "wb") as file:
            rows = (16, 48, 32)[number % 3]
            pickle.dump(samples(rows, seed=number), file, protocol=2 + number % 4)
    return folder


def build_model():
    keras.utils.set_random_seed(3)
    texts = keras.Input((5,), dtype="int32", name="texts")
    images = keras.Input((8, 8, 1), dtype="uint8", name="images")
    t = keras.layers.Flatten()(keras.layers.Embedding(20, 4)(texts))
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
    x = keras.layers.Dense(16, activation="relu")(keras.layers.Concatenate()([t, x]))
    model = keras.Model([texts, images], keras.layers.Dense(3, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def hand_written(folder, sets, scores_file):
    model = build_model()
    scores = {"train": [], "val": []}
    best, waited, best_weights = -1.0, 0, None
    for _ in range(EPOCHS):
        correct = seen = 0
        for path in sorted(folder.glob("*.pkl")):
            with open(path, "rb") as file:
                mega = pickle.load(file)
            for start in range(0, len(mega["labels"]), BATCH):
                part = slice(start, start + BATCH)
                model.reset_metrics()  # which newer releases of Keras do in `train_on_batch`
                _, accuracy = model.train_on_batch(
                    [mega["texts"][part], mega["images"][part]],
                    mega["labels"][part],
                    class_weight=CLASS_WEIGHT,
                )
                size = len(mega["labels"][part])
                correct += float(accuracy) * size
                seen += size
        scores["train"].append(correct / seen)
        total = weight = 0
        for data in sets:
            _, accuracy = model.evaluate(
                [data["texts"], data["images"]], data["labels"], batch_size=BATCH, verbose=0
            )
            total += float(accuracy) * len(data["labels"])
            weight += len(data["labels"])
        scores["val"].append(total / weight)
        joblib.dump(scores, scores_file)
        if scores["val"][-1] > best:
            best, waited, best_weights = scores["val"][-1], 0, model.get_weights()
        else:
            waited += 1
            if waited >= PATIENCE:
                break
    model.set_weights(best_weights)
    return model, best


def ours(folder, sets, scores_file, best_file):
    model = build_model()
    train = ShardSequence(
        folder, BATCH, inputs=("texts", "images"), targets="labels", shuffle=None, window_shards=6
    )
    best = BestWeightsEarlyStopping(best_file, patience=PATIENCE, verbose=1)
    model.fit(
        train,
        epochs=EPOCHS,
        shuffle=False,
        verbose=0,
        class_weight=CLASS_WEIGHT,
        callbacks=[
            WeightedValidation(sets, batch_size=BATCH, inputs=("texts", "images")),
            best,
            ScoreLog(scores_file),
        ],
    )
    return model, best.best


@pytest.mark.slow
def test_same_scores_and_same_weights_as_the_loop(megabatches, tmp_path, capsys):
    sets = [samples(90, seed=50), samples(7, seed=51)]
    loop_model, loop_best = hand_written(megabatches, sets, tmp_path / "loop.joblib")
    model, best = ours(megabatches, sets, tmp_path / "ours.joblib", tmp_path / "a.weights.h5")

    exact = keras.backend.backend() == "jax"
    for one, other in zip(model.get_weights(), loop_model.get_weights(), strict=True):
        if exact:
            np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)
    theirs, scores = joblib.load(tmp_path / "loop.joblib"), joblib.load(tmp_path / "ours.joblib")
    assert len(scores["train"]) == len(theirs["train"])
    np.testing.assert_allclose(scores["train"], theirs["train"], rtol=1e-6)
    np.testing.assert_allclose(scores["val"], theirs["val"], rtol=1e-6)
    assert best == pytest.approx(loop_best, rel=1e-6)

    printed = capsys.readouterr().out
    assert "is the best so far" in printed
    assert "did not improve" in printed

    # The file holds the same weights.
    fresh = keras.models.clone_model(model)
    fresh.load_weights(tmp_path / "a.weights.h5")
    for one, other in zip(model.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
