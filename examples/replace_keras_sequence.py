"""A `keras.utils.Sequence` that reads image files in every epoch, replaced.

    python examples/replace_keras_sequence.py [FOLDER]

Before: a class over a table of image names and labels, with `imread` and `/ 255` in
`__getitem__`, `mode="train"` to shuffle at the end of an epoch (which `fit` may never have called),
`workers` and `use_multiprocessing` given to `fit_generator`, and the labels left out for `predict`.

Now: the files are decoded once; scaling is a layer of the model, so that it is saved with it; the
training set is shuffled anew each epoch and the others are not; `workers` belong to the sequence.
"""

import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from skimage import data, io

from keras_bigdata import ImageTable, ShardSequence, pack

PIECE = 28


def write_images(folder: Path, count: int, seed: int) -> pd.DataFrame:
    """Writes grayscale images of two kinds of stone. Returns a table of their names and labels."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    kinds = {"brick": data.brick(), "gravel": data.gravel()}
    rows = []
    for number in range(count):
        label = str(rng.choice(list(kinds)))
        y, x = rng.integers(0, 512 - PIECE, 2)
        name = f"{number:05d}.png"
        io.imsave(folder / name, kinds[label][y : y + PIECE, x : x + PIECE], check_contrast=False)
        rows.append((name, label))
    return pd.DataFrame(rows, columns=["image_name", "label"])


def build_model() -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((PIECE, PIECE, 1), dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(16, 3, strides=2, activation="relu"),
            keras.layers.Conv2D(32, 3, strides=2, activation="relu"),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def main(folder: Path) -> None:
    keras.utils.set_random_seed(1)
    columns = {
        "image": "image_name",
        "label": "label",
        "size": (PIECE, PIECE),
        "color": "grayscale",
    }

    labels = write_images(folder / "train", 1500, seed=0)  # a DataFrame, in memory
    source = ImageTable(labels, root=folder / "train", **columns)
    pack(source, folder / "shards/train", shard_samples=256)

    write_images(folder / "test", 300, seed=1).to_csv(folder / "test.csv", index=False)
    held_out = ImageTable(folder / "test.csv", root=folder / "test", classes=source, **columns)
    pack(held_out, folder / "shards/test", shard_samples=256)

    train = ShardSequence(folder / "shards/train", batch_size=32, workers=2)
    test = ShardSequence(folder / "shards/test", batch_size=32, shuffle=None)
    model = build_model()
    model.fit(train, epochs=5, shuffle=False, verbose=2)
    print("loss and accuracy on the test set:", model.evaluate(test, verbose=0))

    # The same shards without the targets.
    images = ShardSequence(folder / "shards/test", 32, inputs="images", shuffle=None)
    predicted = model.predict(images, verbose=0).argmax(axis=1)
    truth = np.concatenate([y for _, y in test])
    print(f"predicted {len(predicted)} images, {np.mean(predicted == truth):.3f} of them right")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="keras-sequence-")))
