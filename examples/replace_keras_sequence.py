"""Replaces a `keras.utils.Sequence` that reads image files in every epoch.

    python examples/replace_keras_sequence.py [FOLDER]

Before: a class over a table of image names and labels, with `imread` and `/ 255` in `__getitem__`,
`mode="train"` to shuffle at the end of an epoch (which `fit` may never have called), `workers` and
`use_multiprocessing` passed to `fit_generator`, and a mode without labels for `predict`.

After: the files are decoded once. Scaling is a layer of the model, so it is saved with the model.
The training set is shuffled in every epoch, the test set is not. `workers` is an argument of the
sequence. The script takes about 10 seconds on two cores. Its files are removed at the end, unless
FOLDER is passed.
"""

import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from skimage import data, io

from keras_bigdata import ImageTable, ShardSequence, pack

CROP = 28


def write_images(folder: Path, count: int, seed: int) -> pd.DataFrame:
    """Writes grayscale crops of two textures. Returns their file names and labels."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    textures = {"brick": data.brick(), "gravel": data.gravel()}
    rows = []
    for number in range(count):
        label = str(rng.choice(list(textures)))
        y, x = rng.integers(0, 512 - CROP, 2)
        name = f"{number:05d}.png"
        crop = textures[label][y : y + CROP, x : x + CROP]
        io.imsave(folder / name, crop, check_contrast=False)
        rows.append((name, label))
    return pd.DataFrame(rows, columns=["image_name", "label"])


def build_model() -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((CROP, CROP, 1), dtype="uint8"),
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
    columns = {"image": "image_name", "label": "label", "size": (CROP, CROP), "color": "grayscale"}

    labels = write_images(folder / "train", 1500, seed=0)  # a DataFrame, in memory
    source = ImageTable(labels, root=folder / "train", **columns)
    pack(source, folder / "shards/train", shard_samples=256)

    write_images(folder / "test", 300, seed=1).to_csv(folder / "test.csv", index=False)
    test_source = ImageTable(folder / "test.csv", root=folder / "test", classes=source, **columns)
    pack(test_source, folder / "shards/test", shard_samples=256)

    train = ShardSequence(folder / "shards/train", batch_size=32, workers=2)
    test = ShardSequence(folder / "shards/test", batch_size=32, shuffle=None)
    model = build_model()
    model.fit(train, epochs=5, shuffle=False, verbose=2)
    loss, accuracy = model.evaluate(test, verbose=0)
    print(f"test set: loss {loss:.3f}, accuracy {accuracy:.3f}")

    # The same shards without the targets.
    images = ShardSequence(folder / "shards/test", 32, inputs="images", shuffle=None)
    predicted = model.predict(images, verbose=0).argmax(axis=1)
    expected = np.concatenate([y for _, y in test])
    correct = np.mean(predicted == expected)
    print(f"predicted {len(predicted)} images: accuracy {correct:.3f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory(prefix="keras-sequence-") as temporary:
            main(Path(temporary))
