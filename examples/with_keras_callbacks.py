"""Combines the callbacks of this package with those of Keras.

    python examples/with_keras_callbacks.py [FOLDER]

`WeightedValidation` comes first: it adds `val_loss` and `val_accuracy` to the logs, and the
callbacks after it use them as if `fit` had validated. The script needs `pip install tensorboard`
and takes about 15 seconds on two cores. Its files are removed at the end, unless FOLDER is passed.
"""

import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
from skimage import data

from keras_bigdata import Arrays, ShardSequence, WeightedValidation, pack

CROP = 24


def random_crops(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns crops of two textures, bricks and grass, and their labels."""
    rng = np.random.default_rng(seed)
    textures = [data.brick(), data.grass()]
    labels = rng.integers(0, 2, count).astype(np.int32)
    corners = rng.integers(0, 512 - CROP, (count, 2))
    images = [
        textures[label][y : y + CROP, x : x + CROP, None]
        for label, (y, x) in zip(labels, corners, strict=True)
    ]
    return np.stack(images), labels


def build_model() -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((CROP, CROP, 1), dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def warm_up(epoch: int, rate: float) -> float:
    return 0.002 if epoch == 0 else 0.01 if epoch == 1 else rate


def main(folder: Path) -> None:
    keras.utils.set_random_seed(1)
    images, labels = random_crops(2000, seed=0)
    pack(Arrays(images=images, labels=labels), folder / "shards", shard_samples=250)

    train = ShardSequence(folder / "shards", batch_size=50)
    validation = {"large": random_crops(400, seed=1), "small": random_crops(40, seed=2)}
    model = build_model()
    history = model.fit(
        train,
        epochs=12,
        shuffle=False,
        verbose=0,
        callbacks=[
            WeightedValidation(validation),
            keras.callbacks.LearningRateScheduler(warm_up),
            keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=2),
            keras.callbacks.ModelCheckpoint(
                folder / "{epoch:02d}-{val_accuracy:.2f}.keras",
                monitor="val_accuracy",
                save_best_only=True,
            ),
            keras.callbacks.CSVLogger(folder / "log.csv"),
            keras.callbacks.TensorBoard(folder / "tensorboard"),
            keras.callbacks.EarlyStopping(monitor="val_loss", patience=4),
        ],
    ).history
    for name in ("val_accuracy", "val_large_accuracy", "val_small_accuracy", "learning_rate"):
        print(f"{name}:", " ".join(f"{value:.3f}" for value in history[name]))
    print("columns of log.csv:", (folder / "log.csv").read_text().splitlines()[0])
    print("checkpoints:", " ".join(sorted(path.name for path in folder.glob("*.keras"))))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory(prefix="callbacks-") as temporary:
            main(Path(temporary))
