"""Packs image files as they are, trains on random crops of them, and validates on their middle.

    python examples/files_of_any_size.py [FOLDER]

The script writes crops of different sizes of the photographs in scikit-image as JPEG files. They
are packed three times: as pixels of one size, as JPEG of that size, and as the files themselves.
From the files, another part of each image is decoded in each epoch. It downloads nothing and takes
about 30 seconds on two cores. Its files are removed at the end, unless FOLDER is passed.
"""

import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
from skimage import color, data, io, util

from keras_bigdata import CenterCrop, ImageFolder, RandomResizedCrop, ShardSequence, pack

SIZE = (48, 48)
IMAGES = ("astronaut", "camera", "coffee", "cat", "rocket", "brick", "grass", "gravel")


def write_images(folder: Path, crops: int = 120) -> None:
    """Writes train/LABEL/*.jpg and val/LABEL/*.jpg: parts of 70 to 160 pixels a side.

    Those for training come from the left three quarters of each image.
    """
    rng = np.random.default_rng(0)
    for part, share in (("train", (0.0, 0.75)), ("val", (0.75, 1.0))):
        for label in IMAGES:
            image = getattr(data, label)()
            image = util.img_as_ubyte(color.gray2rgb(image)) if image.ndim == 2 else image
            left, right = (int(edge * image.shape[1]) for edge in share)
            (folder / part / label).mkdir(parents=True, exist_ok=True)
            for number in range(crops if part == "train" else crops // 4):
                height, width = rng.integers(70, 160), min(rng.integers(70, 160), right - left)
                y = rng.integers(0, image.shape[0] - height + 1)
                x = rng.integers(left, right - width + 1)
                crop = image[y : y + height, x : x + width]
                file = folder / part / label / f"{number:03d}.jpg"
                io.imsave(file, crop, check_contrast=False)


def build_model() -> keras.Model:
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.RandomFlip("horizontal")]
    for filters in (16, 32, 64):
        layers += [
            keras.layers.Conv2D(filters, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
        ]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(len(IMAGES))]
    model = keras.Sequential([keras.Input((*SIZE, 3), dtype="uint8"), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def main(folder: Path) -> None:
    write_images(folder)
    photos = folder / "train"
    for store in ("pixels", "jpeg"):
        index = pack(ImageFolder(photos, size=SIZE, store=store), folder / store)
        print(f"stored as {store}: {index.sizes.sum() / index.num_samples:,.0f} bytes per image")
    for part in ("train", "val"):
        index = pack(ImageFolder(folder / part, store="file"), folder / f"files-{part}")
        size = index.sizes.sum() / index.num_samples
        print(f"{part} files as they are: {size:,.0f} bytes per image")

    keras.utils.set_random_seed(0)
    train = ShardSequence(folder / "files-train", 32, decode=RandomResizedCrop(SIZE, (0.3, 1.0)))
    val = ShardSequence(folder / "files-val", 32, decode=CenterCrop(SIZE, resize=54))
    model = build_model()
    options = {"epochs": 12, "shuffle": False, "verbose": 2}
    history = model.fit(train, validation_data=val.unshuffled(), **options).history
    print(
        f"validation accuracy {history['val_accuracy'][-1]:.3f} (by chance {1 / len(IMAGES):.3f})"
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
