"""Replaces a hand-written `train_on_batch` loop over pickled megabatches by `fit`.

    python examples/replace_training_loop.py [FOLDER]

What the loop did, and what replaces it:

    load six pickles at a time in threads, mix them    ShardSequence(..., window_shards=6)
    model.train_on_batch(..., class_weight=...)        model.fit(train, class_weight=...)
    training accuracy weighted by batch size           the "accuracy" of fit
    evaluate each validation dict, weighted by size    WeightedValidation
    keep the best weights, stop after 5 bad epochs     BestWeightsEarlyStopping(patience=5)
    joblib.dump({"train": [...], "val": [...]})        ScoreLog

The pickles need no conversion: they are read as other code wrote them. The script takes about 10
seconds on two cores. Its files are removed at the end, unless FOLDER is passed.
"""

import pickle
import sys
import tempfile
from pathlib import Path

import joblib
import keras
import numpy as np
from skimage import data

from keras_bigdata import BestWeightsEarlyStopping, ScoreLog, ShardSequence, WeightedValidation

CROP = 32
VOCABULARY_SIZE = 50


def samples(count: int, seed: int) -> dict[str, np.ndarray]:
    """Returns crops of three textures, and token ids, some of which depend on the texture."""
    rng = np.random.default_rng(seed)
    textures = [data.brick(), data.grass(), data.gravel()]
    labels = rng.choice(3, count, p=[0.6, 0.3, 0.1]).astype(np.int32)
    images = np.empty((count, CROP, CROP, 1), np.uint8)
    for image, label in zip(images, labels, strict=True):
        y, x = rng.integers(0, 512 - CROP, 2)
        image[..., 0] = textures[label][y : y + CROP, x : x + CROP]
    texts = rng.integers(1, VOCABULARY_SIZE, (count, 8)).astype(np.int32)
    hints = rng.random(count) < 0.3
    texts[hints, 0] = labels[hints] + 1
    return {"images": images, "texts": texts, "labels": labels}


def write_megabatches(folder: Path, files: int = 12, rows: int = 128) -> None:
    """Writes pickles as an old preprocessing script would: one dict per file, any protocol."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        with open(folder / f"megabatch_{number:03d}.pickle", "wb") as file:
            pickle.dump(samples(rows, seed=number), file, protocol=2 + number % 4)


def build_model() -> keras.Model:
    texts = keras.Input((8,), dtype="int32", name="texts")
    images = keras.Input((CROP, CROP, 1), dtype="uint8", name="images")
    t = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(VOCABULARY_SIZE, 8)(texts))
    x = keras.layers.Rescaling(1 / 255)(images)
    for filters in (8, 16):
        x = keras.layers.Conv2D(filters, 3, strides=2, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(3, activation="softmax")(keras.layers.Concatenate()([t, x]))
    model = keras.Model([texts, images], outputs)
    model.compile(
        keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def main(folder: Path) -> None:
    keras.utils.set_random_seed(1)
    write_megabatches(folder / "megabatches")
    validation = {"first": samples(300, seed=100), "second": samples(50, seed=101)}

    train = ShardSequence(
        folder / "megabatches",
        batch_size=32,
        inputs=("texts", "images"),
        targets="labels",
        window_shards=6,
    )
    model = build_model()
    model.fit(
        train,
        epochs=12,
        shuffle=False,
        verbose=0,
        class_weight=train.class_weight(),
        callbacks=[
            WeightedValidation(validation, inputs=("texts", "images"), targets="labels"),
            BestWeightsEarlyStopping(folder / "best.weights.h5", patience=5, verbose=1),
            ScoreLog(folder / "scores.joblib"),
        ],
    )
    scores = joblib.load(folder / "scores.joblib")
    print("training scores:", " ".join(f"{score:.3f}" for score in scores["train"]))
    print("validation scores:", " ".join(f"{score:.3f}" for score in scores["val"]))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory(prefix="training-loop-") as temporary:
            main(Path(temporary))
