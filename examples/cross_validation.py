"""Cross-validates a model: five folds, and no group of images on both sides of a fold.

    python examples/cross_validation.py [FOLDER]

The script writes crops of three textures of scikit-image as image files. Each texture is divided
into 16 tiles, and the crops of one tile overlap, as the images of one patient resemble each other:
with some of them in the training set and others in the validation set, the accuracy would be too
high. The script packs all crops once, and keeps the tile as a column. Then it trains one model per
fold on the rows of four fifths of the tiles, without packing again, and prints the mean and the
standard deviation of the accuracy on the other rows. It downloads nothing and takes about 15
seconds on two cores. Its files are removed at the end, unless FOLDER is passed.
"""

import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
from skimage import data, io

from keras_bigdata import ImageTable, Shards, ShardSequence, pack

TEXTURES = ("brick", "grass", "gravel")
CROP = 32  # pixels
TILE = 128
CROPS_PER_TILE = 12
FOLDS = 5


def write_crops(folder: Path) -> dict[str, list[str]]:
    """Writes the image files; returns a table of their names, labels and tiles."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for label in TEXTURES:
        texture = getattr(data, label)()
        for top in range(0, texture.shape[0], TILE):
            for left in range(0, texture.shape[1], TILE):
                for number in range(CROPS_PER_TILE):
                    y, x = rng.integers(0, TILE - CROP, 2) + np.array([top, left])
                    tile = f"{label}-{top}-{left}"
                    crop = texture[y : y + CROP, x : x + CROP]
                    io.imsave(folder / f"{tile}-{number}.png", crop, check_contrast=False)
                    rows.append((f"{tile}-{number}.png", label, tile))
    return dict(zip(("file", "label", "tile"), map(list, zip(*rows, strict=True)), strict=True))


def build_model() -> keras.Model:
    """A small convolutional network, with new weights at each call."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((CROP, CROP, 1), dtype="uint8"),
            layers.Rescaling(1 / 128, offset=-1),
            layers.Conv2D(8, 5, strides=2, activation="relu"),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(len(TEXTURES), activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.01)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(folder: Path, epochs: int = 6) -> None:
    keras.utils.set_random_seed(1)
    photos = ImageTable(
        write_crops(folder / "photos"),
        root=folder / "photos",
        image="file",
        label="label",
        keep="tile",
        size=(CROP, CROP),
        color="grayscale",
    )
    pack(photos, folder / "shards", workers=1)

    shards = Shards(folder / "shards")
    accuracies = []
    for fold, (train, val) in enumerate(shards.folds(FOLDS, groups="tile")):
        tiles = [set(part.columns("tile")["tile"]) for part in (train, val)]
        model = build_model()
        model.fit(ShardSequence(train, 32), epochs=epochs, shuffle=False, verbose=0)
        scores = model.evaluate(ShardSequence(val, 32).unshuffled(), return_dict=True, verbose=0)
        accuracies.append(scores["accuracy"])
        print(
            f"fold {fold + 1}: {len(train)} images of {len(tiles[0])} tiles for training, "
            f"{len(val)} of {len(tiles[1])} others for validation, "
            f"{len(tiles[0] & tiles[1])} tiles in both: accuracy {accuracies[-1]:.3f}"
        )
    print(f"accuracy: mean {np.mean(accuracies):.3f}, standard deviation {np.std(accuracies):.3f}")
    print(f"accuracy by chance: {1 / len(TEXTURES):.3f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory(prefix="cross-validation-") as temporary:
            main(Path(temporary))
