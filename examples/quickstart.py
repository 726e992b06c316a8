"""Trains a model on image files, texts and labels with one call of `fit`.

    python examples/quickstart.py [FOLDER]

The script writes crops of the photographs and textures in scikit-image as image files, with a CSV
file of names, texts and labels. It packs them once. Then it trains a model with two inputs (image
and text) from the shards, with validation on two sets, early stopping, and the best weights on
disk. It downloads nothing and takes about 40 seconds on two cores.
"""

import csv
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
from skimage import color, data, io, util

from keras_bigdata import (
    BestWeightsEarlyStopping,
    ImageTable,
    ShardSequence,
    WeightedValidation,
    pack,
)

SIZE = (48, 48)
CROP = 64  # pixels of a crop before it is resized

# Each text fits several of the labels: it helps, but does not determine the label.
TEXTS = {
    "astronaut": ["a smiling woman", "a person", "part of a photograph", "bright colours"],
    "camera": ["a man outdoors", "a person", "part of a photograph", "black and white"],
    "coffee": ["a cup on a table", "warm colours", "part of a photograph"],
    "cat": ["fur and whiskers", "warm colours", "part of a photograph", "an animal"],
    "rocket": ["a launch at dusk", "dark sky", "part of a photograph"],
    "coins": ["old and round", "black and white", "many small things"],
    "moon": ["craters", "black and white", "dark sky"],
    "brick": ["a wall", "black and white", "a rough surface"],
    "grass": ["a meadow", "black and white", "a rough surface"],
    "gravel": ["small stones", "black and white", "a rough surface", "many small things"],
}


def write_images(folder: Path, crops: int = 260) -> None:
    """Writes train/ and val/, and for each a CSV file of names, texts and labels.

    Training crops come from the left three quarters of each image and validation crops from the
    rest, so no pixel is in both.
    """
    rng = np.random.default_rng(0)
    for part, share in (("train", (0.0, 0.75)), ("val", (0.75, 1.0))):
        (folder / part).mkdir(parents=True, exist_ok=True)
        rows = []
        for label, texts in TEXTS.items():
            image = getattr(data, label)()
            if image.ndim == 2:
                image = util.img_as_ubyte(color.gray2rgb(image))
            height, width = image.shape[:2]
            left, right = int(share[0] * width), int(share[1] * width)
            for number in range(crops if part == "train" else crops // 4):
                y = rng.integers(0, height - CROP)
                x = rng.integers(left, max(right - CROP, left + 1))
                file = f"{label}_{number:04d}.{'jpg' if number % 2 else 'png'}"
                crop = image[y : y + CROP, x : x + CROP]
                io.imsave(folder / part / file, crop, check_contrast=False)
                rows.append((file, str(rng.choice(texts)), label))
        with open(folder / f"{part}.csv", "w", newline="", encoding="utf-8") as table:
            csv.writer(table).writerows([("file", "text", "label"), *rows])


def build_model(train: ShardSequence, vocabulary_size: int) -> keras.Model:
    """A small convolutional network for the image and a bag of words for the text."""
    image = keras.Input(train.fields["images"].shape, dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 255)(image)
    for filters in (16, 32, 64):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)

    text = keras.Input(train.fields["texts"].shape, dtype="int32", name="text")
    t = keras.layers.Embedding(vocabulary_size, 16)(text)
    t = keras.layers.GlobalAveragePooling1D()(t)

    joined = keras.layers.Concatenate()([x, t])
    joined = keras.layers.Dropout(0.2)(keras.layers.Dense(64, activation="relu")(joined))
    outputs = keras.layers.Dense(len(train.classes), activation="softmax")(joined)
    model = keras.Model([image, text], outputs)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(folder: Path) -> None:
    keras.utils.set_random_seed(1)
    write_images(folder)

    start = time.perf_counter()
    columns = {"image": "file", "text": "text", "label": "label"}
    source = ImageTable(folder / "train.csv", root=folder / "train", size=SIZE, **columns)
    index = pack(source, folder / "shards/train", shard_samples=256)
    val_source = ImageTable(
        folder / "val.csv",
        root=folder / "val",
        size=SIZE,
        classes=source,
        vocabulary=source,
        **columns,
    )
    pack(val_source, folder / "shards/val", shard_samples=256)
    seconds = time.perf_counter() - start
    print(f"packed {index.num_samples} samples into {len(index)} shards in {seconds:.1f} s")

    train = ShardSequence(folder / "shards/train", batch_size=64)
    clean = ShardSequence(folder / "shards/val", batch_size=64, shuffle=None)
    # The same images with the noise of a bad camera, as arrays in memory.
    batches = [(images, texts, labels) for (images, texts), labels in clean]
    images, texts, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    noise = np.random.default_rng(1).normal(0, 12, images.shape)
    noisy = np.clip(images + noise, 0, 255).astype(np.uint8)

    model = build_model(train, vocabulary_size=len(train.index.vocabulary))
    best = BestWeightsEarlyStopping(folder / "models/best.weights.h5", patience=4)
    history = model.fit(
        train,
        epochs=15,
        shuffle=False,
        verbose=0,
        callbacks=[
            WeightedValidation({"clean": clean, "noisy": ((noisy, texts), labels)}),
            best,
        ],
    ).history
    for epoch in range(len(history["loss"])):
        print(
            f"epoch {epoch + 1}: accuracy {history['accuracy'][epoch]:.3f}, "
            f"validation {history['val_accuracy'][epoch]:.3f} "
            f"(clean {history['val_clean_accuracy'][epoch]:.3f}, "
            f"noisy {history['val_noisy_accuracy'][epoch]:.3f})"
        )
    print(f"best epoch {best.best_epoch + 1}: validation accuracy {best.best:.3f}")
    print(f"accuracy by chance: {1 / len(train.classes):.3f}")
    print(f"the best weights are in {folder / 'models/best.weights.h5'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="quickstart-")))
