"""Trains a model on image files with texts and labels, and shows what it predicts.

    python examples/quickstart.py [FOLDER]

The images are pieces of the photographs and textures that come with scikit-image, written as JPEG
files with a CSV file of their captions and labels. The script packs the files once, trains with
`fit`, prints a prediction and three mistakes with their files, and compares an epoch that reads the
packed rows with one that decodes all files. It downloads nothing and takes about 30 seconds on two
cores. With FOLDER, its files stay there; else they are removed at the end, after Ctrl-C too.
"""

import csv
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from skimage import data

from keras_bigdata import (
    BestWeightsEarlyStopping,
    ImageTable,
    Shards,
    ShardSequence,
    WeightedValidation,
    pack,
    predict_rows,
)

SIZE = (48, 48)
CROP = 128  # pixels of an image file
CROPS = 160  # image files per photograph

# Each caption fits several of the labels: it helps, but does not determine the label.
CAPTIONS = {
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


def main(folder: Path) -> None:
    keras.utils.set_random_seed(1)
    write_photos(folder / "photos")  # your own files are there already

    # Pack: decode, resize and shuffle all images once. A tile is a quarter of a photograph; no tile
    # is in both sets.
    photos = ImageTable(
        folder / "photos/labels.csv",
        image="file",
        text="caption",
        label="label",
        keep="tile",
        size=SIZE,
    )
    train_photos, val_photos = photos.split(0.25, groups="tile")
    start = time.perf_counter()
    pack(train_photos, folder / "shards/train", verbose=0)
    pack(val_photos, folder / "shards/val", verbose=0)
    pack_seconds = time.perf_counter() - start

    # Train with `fit`.
    train = ShardSequence(folder / "shards/train", batch_size=64)
    val = ShardSequence(folder / "shards/val", batch_size=64)
    print(f"{len(train.classes)} classes: {', '.join(train.classes)}")
    print(f"{train.num_samples} images to train with, {val.num_samples} to validate with\n")
    model = build_model(train)
    best = BestWeightsEarlyStopping(folder / "models/best.weights.h5", patience=4)
    model.fit(
        train,
        epochs=15,
        shuffle=False,  # the sequence shuffles
        verbose=2,
        callbacks=[WeightedValidation(val), best],
    )
    print(f"\nbest epoch: {best.best_epoch + 1}, validation accuracy {best.best:.3f}", end=" ")
    print(f"(by chance {1 / len(train.classes):.3f})\n")

    print_predictions(model, val)
    print_seconds(model, train, folder, pack_seconds)


def build_model(train: ShardSequence) -> keras.Model:
    """A small convolutional network for the image and a bag of words for the caption."""
    image = keras.Input(train.fields["images"].shape, dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 255)(image)
    for filters in (16, 32, 64):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)

    text = keras.Input(train.fields["texts"].shape, dtype="int32", name="text")
    t = keras.layers.Embedding(len(train.index.vocabulary), 16)(text)
    t = keras.layers.GlobalAveragePooling1D()(t)

    joined = keras.layers.Concatenate()([x, t])
    joined = keras.layers.Dropout(0.2)(keras.layers.Dense(64, activation="relu")(joined))
    outputs = keras.layers.Dense(len(train.classes), activation="softmax")(joined)
    model = keras.Model([image, text], outputs)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def print_predictions(model: keras.Model, val: ShardSequence) -> None:
    """Prints a correct prediction and the three mistakes of which the model is most certain."""
    result = predict_rows(model, val, columns=("file", "labels"))
    predicted = result["outputs"].argmax(axis=1)
    certainty = result["outputs"].max(axis=1)

    def describe(row: int) -> str:
        name = val.classes[predicted[row]]
        return f"{result['file'][row]}: {name}, {certainty[row]:.0%} certain"

    is_wrong = predicted != result["labels"]
    print(f"a correct prediction:\n  {describe(np.flatnonzero(~is_wrong)[0])}")
    mistakes = sorted(np.flatnonzero(is_wrong), key=lambda row: -certainty[row])
    print(f"{len(mistakes)} mistakes, of which the most certain ones are:")
    for row in mistakes[:3]:
        print(f"  {describe(row)}, but it is: {val.classes[result['labels'][row]]}")


class DecodeEveryEpoch(keras.utils.PyDataset):
    """The pipeline without packing: it reads, decodes and resizes the files in every epoch."""

    def __init__(self, files: list[Path], texts: np.ndarray, labels: np.ndarray) -> None:
        super().__init__()
        self.files, self.texts, self.labels = files, texts, labels

    def __len__(self) -> int:
        return math.ceil(len(self.files) / 64)

    def __getitem__(self, number: int) -> tuple:
        rows = slice(64 * number, 64 * (number + 1))
        images = [keras.utils.load_img(file, target_size=SIZE) for file in self.files[rows]]
        images = np.stack([np.asarray(image) for image in images])
        return (images, self.texts[rows]), self.labels[rows]


def print_seconds(
    model: keras.Model, train: ShardSequence, folder: Path, pack_seconds: float
) -> None:
    """Prints the seconds of an epoch of the same model from both pipelines."""
    table = Shards(folder / "shards/train").columns(("file", "texts", "labels"))
    files = [folder / "photos" / file for file in table["file"]]
    decoding = DecodeEveryEpoch(files, table["texts"], table["labels"])

    pipelines = {"files decoded on the fly": decoding, "packed": train}
    seconds: dict[str, list[float]] = {name: [] for name in pipelines}
    for _ in range(4):  # in turn: what else the machine does slows down both
        for name, data_of_epoch in pipelines.items():
            start = time.perf_counter()
            model.fit(data_of_epoch, shuffle=False, verbose=0)
            seconds[name].append(time.perf_counter() - start)

    print("\nseconds of an epoch:")
    for name, times in seconds.items():
        print(f"  {name}: {statistics.median(times[1:]):.2f}")  # the first one compiles
    print(f"packing took {pack_seconds:.1f} seconds, once")


def write_photos(folder: Path) -> None:
    """Writes image files, and `labels.csv` with their names, captions, labels and tiles."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = []
    for label, captions in CAPTIONS.items():
        photo = Image.fromarray(getattr(data, label)()).convert("RGB")
        for number in range(CROPS):
            tile = number % 4
            left = tile % 2 * (photo.width // 2) + rng.integers(0, photo.width // 2 - CROP)
            top = tile // 2 * (photo.height // 2) + rng.integers(0, photo.height // 2 - CROP)
            file = f"{label}_{number:03d}.jpg"
            photo.crop((left, top, left + CROP, top + CROP)).save(folder / file, quality=90)
            rows.append((file, rng.choice(captions), label, f"{label} {tile}"))
    with open(folder / "labels.csv", "w", newline="", encoding="utf-8") as table:
        csv.writer(table).writerows([("file", "caption", "label", "tile"), *rows])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory(prefix="quickstart-") as temporary:
            main(Path(temporary))
