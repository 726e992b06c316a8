"""Compares the accuracy after training in each order of `ShardSequence`, on a set sorted by class.

    python examples/shuffle_accuracy.py [FOLDER] [--images DIR] [--epochs N] [--seeds N]

The rows of a set that is packed with `shuffle=False` stay in the order of the source, here one
class after the other, which is the worst case: `shuffle="shards"` then trains on batches of one
class. The script trains the same small network in each order, with several seeds, and on the same
rows as arrays in memory, where Keras shuffles all rows. It prints the validation accuracy after the
last epoch, and what `keras-bigdata shuffle-report` says of each order. What it recommends is
trained with too: a larger window, and the set packed with `shuffle=True`.

Without `--images`, the images are 32x32 tiles of 12 photographs of scikit-image, which do not
overlap; the photograph is the class. DIR has one folder of images for each class. The script
downloads nothing and takes about five minutes on two cores. Its files are removed at the end,
unless FOLDER is passed.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import keras
import numpy as np
from skimage import color, data, io, util

from keras_bigdata import ImageFolder, ShardSequence, pack
from keras_bigdata.bench.shuffle_quality import shuffle_quality

PHOTOGRAPHS = ("astronaut", "brick", "camera", "cat", "coffee", "coins", "grass", "gravel")
PHOTOGRAPHS += ("hubble_deep_field", "immunohistochemistry", "moon", "rocket")
SIDE = 32  # pixels
TILES = 256  # of each photograph, at most
BATCH_SIZE = 16
SHARDS = 48  # so that a shard has more rows than a batch, and a window of 6 an eighth of the set


def write_tiles(folder: Path) -> None:
    """Writes tiles of the photographs as LABEL/*.png."""
    rng = np.random.default_rng(0)
    for label in PHOTOGRAPHS:
        image = getattr(data, label)()
        image = util.img_as_ubyte(color.rgb2gray(image)) if image.ndim == 3 else image
        rows, columns = (side // SIDE for side in image.shape)
        tiles = image[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE)
        tiles = tiles.transpose(0, 2, 1, 3).reshape(-1, SIDE, SIDE)
        (folder / label).mkdir(parents=True)
        for number in rng.permutation(len(tiles))[:TILES]:
            file = folder / label / f"{number:03d}.png"
            io.imsave(file, tiles[number], check_contrast=False)


def build_model(classes: int) -> keras.Model:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1), dtype="uint8"),
            layers.Rescaling(1 / 128, offset=-1),
            layers.Conv2D(16, 5, strides=2, activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(classes, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.003)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(folder: Path, images: Path | None, epochs: int, seeds: int) -> None:
    if images is None:
        images = folder / "tiles"
        write_tiles(images)
    photos = ImageFolder(images, size=(SIDE, SIDE), color="grayscale")
    train_photos, val_photos = photos.split(0.2)
    shard_samples = -(-len(train_photos) // SHARDS)
    pack(train_photos, folder / "train", shuffle=False, shard_samples=shard_samples)
    pack(train_photos, folder / "shuffled", shard_samples=shard_samples)
    pack(val_photos, folder / "val")

    validation = ShardSequence(folder / "val", 256).unshuffled()
    stored = list(ShardSequence(folder / "train", 256).unshuffled())
    x, y = (np.concatenate(column) for column in zip(*stored, strict=True))

    orders = {order: ("train", {"shuffle": order}) for order in ("shards", "window", "global")}
    default = shuffle_quality(folder / "train", BATCH_SIZE)
    if default.sufficient_window < default.shards:
        options = {"shuffle": "window", "window_shards": default.sufficient_window}
        orders[f"window of {default.sufficient_window} shards"] = ("train", options)
    orders["packed with shuffle"] = ("shuffled", {"shuffle": "window"})

    chance = np.bincount(y).max() / len(y)
    print(
        f"{len(x)} rows of {len(photos.classes)} classes, sorted by class, in {default.shards} "
        f"shards; {epochs} epochs, {seeds} seeds; accuracy by chance: {chance:.3f}",
        flush=True,
    )
    print(f"{'':22}{'mean':>9}{'deviation':>11}{'lowest':>9}{'highest':>9}")
    for name in (*orders, "in memory"):
        accuracies = []
        for seed in range(seeds):
            keras.backend.clear_session()
            keras.utils.set_random_seed(seed)
            model = build_model(len(photos.classes))
            if name == "in memory":
                model.fit(x, y, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
            else:
                directory, options = orders[name]
                train = ShardSequence(folder / directory, BATCH_SIZE, seed=seed, **options)
                model.fit(train, epochs=epochs, shuffle=False, verbose=0)
            accuracies.append(model.evaluate(validation, verbose=0, return_dict=True)["accuracy"])
        figures = (statistics.mean(accuracies), statistics.pstdev(accuracies))
        figures += (min(accuracies), max(accuracies))
        print(
            f"{name:22}{figures[0]:9.3f}{figures[1]:11.3f}{figures[2]:9.3f}{figures[3]:9.3f}",
            flush=True,
        )
    print("keras-bigdata shuffle-report:")
    for name, (directory, options) in orders.items():
        report = shuffle_quality(folder / directory, BATCH_SIZE, **options)
        print(
            f"  {name}: {report.shards_per_batch:.1f} shards per batch (full shuffle: "
            f"{report.full_shards_per_batch:.1f}), batches of one class: "
            f"{report.pure_batches:.0%}. {report.recommendation}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path, help="where tiles and shards are written")
    parser.add_argument("--images", type=Path, help="a folder with one folder for each class")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        main(folder, arguments.images, arguments.epochs, arguments.seeds)
