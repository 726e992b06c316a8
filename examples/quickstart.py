"""From image files, texts and labels to a trained model, in one `fit`.

    python examples/quickstart.py [FOLDER]

Pieces are cut out of the photographs and textures that come with scikit-image and written as
image files, with a CSV of file, text and label. They are packed once; a model of two inputs
(image and words) is trained from the shards, with validation over two sets, early stopping and
the best weights on disk. Nothing is downloaded. Takes about half a minute on two cores.
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
PIECE = 64  # pixels of a piece before it is resized

# Words that fit several of the images: they help, but do not tell the label.
WORDS = {
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


def cut_images(folder: Path, pieces: int = 260) -> None:
    """Writes train/, val/ and a CSV of file, text and label for each.

    Training pieces come from the left three quarters of each image and validation pieces
    from the rest, so that no pixel is in both.
    """
    rng = np.random.default_rng(0)
    for part, share in (("train", (0.0, 0.75)), ("val", (0.75, 1.0))):
        (folder / part).mkdir(parents=True, exist_ok=True)
        rows = []
        for label, words in WORDS.items():
            image = getattr(data, label)()
            if image.ndim == 2:
                image = util.img_as_ubyte(color.gray2rgb(image))
            height, width = image.shape[:2]
            left, right = int(share[0] * width), int(share[1] * width)
            for number in range(pieces if part == "train" else pieces // 4):
                y = rng.integers(0, height - PIECE)
                x = rng.integers(left, max(right - PIECE, left + 1))
                file = f"{label}_{number:04d}.{'jpg' if number % 2 else 'png'}"
                piece = image[y : y + PIECE, x : x + PIECE]
                io.imsave(folder / part / file, piece, check_contrast=False)
                rows.append((file, str(rng.choice(words)), label))
        with open(folder / f"{part}.csv", "w", newline="", encoding="utf-8") as table:
            csv.writer(table).writerows([("file", "text", "label"), *rows])


def build_model(train: ShardSequence, words: int) -> keras.Model:
    """A small convolutional network beside a bag of words."""
    image = keras.Input(train.fields["images"].shape, dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 255)(image)
    for filters in (16, 32, 64):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)

    text = keras.Input(train.fields["texts"].shape, dtype="int32", name="text")
    t = keras.layers.Embedding(words, 16)(text)
    t = keras.layers.GlobalAveragePooling1D()(t)

    joined = keras.layers.Concatenate()([x, t])
    joined = keras.layers.Dropout(0.2)(keras.layers.Dense(64, activation="relu")(joined))
    outputs = keras.layers.Dense(len(train.classes), activation="softmax")(joined)
    model = keras.Model([image, text], outputs)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(folder: Path) -> None:
    keras.utils.set_random_seed(1)
    cut_images(folder)

    start = time.perf_counter()
    columns = {"image": "file", "text": "text", "label": "label"}
    source = ImageTable(folder / "train.csv", root=folder / "train", size=SIZE, **columns)
    index = pack(source, folder / "shards/train", shard_samples=256)
    held_out = ImageTable(
        folder / "val.csv",
        root=folder / "val",
        size=SIZE,
        classes=source,
        vocabulary=source,
        **columns,
    )
    pack(held_out, folder / "shards/val", shard_samples=256)
    seconds = time.perf_counter() - start
    print(f"packed {index.num_samples} samples into {len(index)} shards in {seconds:.1f} s")

    train = ShardSequence(folder / "shards/train", batch_size=64)
    clean = ShardSequence(folder / "shards/val", batch_size=64, shuffle=None)
    # The same images as a bad camera would see them, held in memory.
    images, texts, labels = (np.concatenate(p) for p in zip(*unpacked(clean), strict=True))
    noise = np.random.default_rng(1).normal(0, 12, images.shape)
    noisy = np.clip(images + noise, 0, 255).astype(np.uint8)

    model = build_model(train, words=len(train.index.vocabulary))
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
    print(f"chance would be {1 / len(train.classes):.3f}")
    print(f"the best weights are in {folder / 'models/best.weights.h5'}")


def unpacked(sequence: ShardSequence):
    """Batches as (images, texts, labels)."""
    for (images, texts), labels in sequence:
        yield images, texts, labels


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="quickstart-")))
