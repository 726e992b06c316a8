"""Compares an `ImageDataGenerator` that runs in every epoch with one that runs once.

    python examples/from_image_data_generator.py [FOLDER] [--epochs E] [--variants K] [--crops N]

The generator rotates, shifts, shears, zooms and flips crops of the photographs and textures in
scikit-image. One model is trained on the generator. Then the generator is captured into K variants,
and an equal model is trained from the shards, where epoch e uses variant e modulo K. The script
prints the seconds of both, the epoch from which capturing pays off, and the accuracy of both on
other crops. It takes about a minute on two cores. Its files are removed at the end, unless FOLDER
is passed.
"""

import argparse
import math
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from skimage import color, data, io, util

from keras_bigdata import ImageFolder, ShardSequence, capture, pack

IMAGES = ["astronaut", "camera", "coffee", "cat", "rocket", "coins", "moon", "brick", "grass"]
SIZE = (48, 48)
BATCH = 32


def write_crops(folder: Path, count: int, left: float, right: float, seed: int) -> None:
    """Writes `count` crops per image, between two fractions of its width, into class folders."""
    rng = np.random.default_rng(seed)
    for name in IMAGES:
        (folder / name).mkdir(parents=True)
        image = getattr(data, name)()
        if image.ndim == 2:
            image = util.img_as_ubyte(color.gray2rgb(image))
        width = image.shape[1]
        image = image[:, int(left * width) : int(right * width)]
        for number in range(count):
            size = rng.integers(56, 96)
            y, x = (rng.integers(0, max(1, side - size)) for side in image.shape[:2])
            crop = image[y : y + size, x : x + size]
            io.imsave(folder / name / f"{number:04d}.jpg", crop, check_contrast=False)


def augmented_batches(folder: Path):
    """The generator to replace: it reads and augments every image in every epoch."""
    generator = tf.keras.preprocessing.image.ImageDataGenerator(
        rotation_range=20,
        width_shift_range=0.1,
        height_shift_range=0.1,
        shear_range=10,
        zoom_range=0.2,
        horizontal_flip=True,
        fill_mode="reflect",
    )
    return generator.flow_from_directory(folder, SIZE, batch_size=BATCH, class_mode="sparse")


def build_model(steps: int) -> keras.Model:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential([keras.Input((*SIZE, 3)), layers.Rescaling(1 / 255)])
    for filters in (16, 32, 64):
        model.add(layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu"))
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(len(IMAGES), activation="softmax"))
    rate = keras.optimizers.schedules.CosineDecay(0.004, steps)
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


class EpochClock(keras.callbacks.Callback):
    """Records the seconds since the start of training at the end of each epoch."""

    def on_train_begin(self, logs=None):
        self.start, self.seconds = time.perf_counter(), []

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def train(batches, epochs: int, validation):
    """Returns the seconds at the end of each epoch, and the final validation accuracy."""
    model, clock = build_model(epochs * len(batches)), EpochClock()
    model.fit(batches, epochs=epochs, verbose=0, shuffle=False, callbacks=[clock])
    return clock.seconds, model.evaluate(validation, verbose=0)[1]


def break_even(live: list[float], stored: list[float], capturing: float) -> int | None:
    """Returns the first epoch at whose end capturing was faster, extrapolated if necessary."""
    for epoch, (with_generator, with_shards) in enumerate(zip(live, stored, strict=True), 1):
        if capturing + with_shards < with_generator:
            return epoch
    saved = (live[-1] - stored[-1]) / len(live)
    return math.ceil(capturing / saved) if saved > 0 else None


def main(folder: Path, epochs: int, variants: int, crops: int) -> None:
    write_crops(folder / "train", crops, 0.0, 0.75, seed=0)
    write_crops(folder / "val", max(1, crops // 2), 0.75, 1.0, seed=1)
    pack(ImageFolder(folder / "val", size=SIZE), folder / "shards/val")
    validation = ShardSequence(folder / "shards/val", BATCH, shuffle=None)

    build_model(1).fit(validation, verbose=0)  # starts the backend, which is not timed
    live, live_accuracy = train(augmented_batches(folder / "train"), epochs, validation)

    start = time.perf_counter()
    index = capture(augmented_batches(folder / "train"), folder / "shards/train", variants=variants)
    capturing = time.perf_counter() - start
    sequence = ShardSequence(folder / "shards/train", BATCH)
    stored, stored_accuracy = train(sequence, epochs, validation)

    print(f"{index.num_samples} images, {epochs} epochs, {variants} variants")
    print(f"generator in every epoch: {live[-1]:.1f} s, {live[-1] / epochs:.2f} s per epoch")
    print(
        f"captured once: {capturing + stored[-1]:.1f} s, of which {capturing:.1f} s to capture, "
        f"{stored[-1] / epochs:.2f} s per epoch, {index.sizes.sum() / 1e6:.0f} MB on disk"
    )
    epoch = break_even(live, stored, capturing)
    print(f"break-even: {f'at the end of epoch {epoch}' if epoch else 'never'}")
    print(f"validation accuracy: generator {live_accuracy:.3f}, captured {stored_accuracy:.3f}")
    print(f"accuracy by chance: {1 / len(IMAGES):.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--variants", type=int, default=8)
    parser.add_argument("--crops", type=int, default=100, help="per image")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="image-data-generator-") as temporary:
        folder = arguments.folder or Path(temporary)
        main(folder, arguments.epochs, arguments.variants, arguments.crops)
