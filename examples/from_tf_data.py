"""Replaces a `tf.data.Dataset.from_generator` pipeline by shards read as a `tf.data.Dataset`.

    python examples/from_tf_data.py [FOLDER] [--epochs E] [--crops N]

Before: a Python generator reads image files with `imread` and `resize` of scikit-image, and
`from_generator` turns it into a dataset that is shuffled, mapped, batched and prefetched. All of
the Python code runs again in every epoch, in one thread. After: `pack` reads the files once, and
`ShardSequence.as_dataset()` returns a dataset that is already shuffled and batched, so a function
that was mapped over images is mapped over batches. The script trains on both and prints the times.
A dataset that is not worth rewriting can be stored as it is: `capture(dataset, directory)`. The
script takes about 40 seconds on two cores. Its files are removed at the end, unless FOLDER is
passed.
"""

import argparse
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from skimage import data, io, transform, util

from keras_bigdata import ImageFolder, ShardSequence, pack

CLASSES = ["brick", "coins", "grass", "gravel"]
SIZE = (48, 48)
BATCH = 32


def write_crops(folder: Path, count: int, left: float, right: float, seed: int) -> None:
    """Writes `count` crops per image, between two fractions of its width, into class folders."""
    rng = np.random.default_rng(seed)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        image = getattr(data, name)()
        width = image.shape[1]
        image = image[:, int(left * width) : int(right * width)]
        for number in range(count):
            size = rng.integers(64, 104)
            y, x = (rng.integers(0, max(1, side - size)) for side in image.shape[:2])
            crop = image[y : y + size, x : x + size]
            io.imsave(folder / name / f"{number:04d}.png", crop, check_contrast=False)


def from_generator(folder: Path) -> tf.data.Dataset:
    """The pipeline before, as in many tutorials."""
    files = [(path, CLASSES.index(path.parent.name)) for path in sorted(folder.glob("*/*.png"))]

    def samples():
        for path, label in files:
            image = transform.resize(io.imread(path), SIZE, anti_aliasing=True)
            yield util.img_as_ubyte(image[..., np.newaxis]), label

    signature = (tf.TensorSpec((*SIZE, 1), tf.uint8), tf.TensorSpec((), tf.int32))
    dataset = tf.data.Dataset.from_generator(samples, output_signature=signature)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(files)))
    dataset = dataset.shuffle(len(files)).map(preprocess, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(BATCH).prefetch(tf.data.AUTOTUNE)


def pack_crops(folder: Path, shards: Path):
    return pack(ImageFolder(folder, size=SIZE, color="grayscale", classes=CLASSES), shards)


def from_shards(folder: Path) -> tf.data.Dataset:
    """The pipeline after."""
    dataset = ShardSequence(folder, batch_size=BATCH).as_dataset()
    return dataset.map(preprocess, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def preprocess(images, labels):
    """Scales and flips one image, or a batch of them."""
    return tf.image.random_flip_left_right(tf.cast(images, tf.float32) / 255), labels


def build_model() -> keras.Model:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential([keras.Input((*SIZE, 1))])
    for filters in (16, 32, 64):
        model.add(layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu"))
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(len(CLASSES), activation="softmax"))
    model.compile(
        keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def train(dataset: tf.data.Dataset, epochs: int, validation) -> tuple[float, float]:
    """Returns the seconds of training and the validation accuracy."""
    model = build_model()
    start = time.perf_counter()
    model.fit(dataset, epochs=epochs, verbose=0, shuffle=False)
    seconds = time.perf_counter() - start
    return seconds, model.evaluate(validation, verbose=0)[1]


def main(folder: Path, epochs: int, crops: int) -> None:
    write_crops(folder / "train", crops, 0.0, 0.75, seed=0)
    write_crops(folder / "val", max(1, crops // 2), 0.75, 1.0, seed=1)
    validation = from_generator(folder / "val").cache()
    build_model().fit(validation, shuffle=False, verbose=0)  # starts TensorFlow, which is not timed

    live, live_accuracy = train(from_generator(folder / "train"), epochs, validation)

    start = time.perf_counter()
    index = pack_crops(folder / "train", folder / "shards")
    packing = time.perf_counter() - start
    # The two pipelines resize differently: each model is validated on images as in its training.
    pack_crops(folder / "val", folder / "val-shards")
    validation = from_shards(folder / "val-shards")
    stored, stored_accuracy = train(from_shards(folder / "shards"), epochs, validation)

    print(f"{index.num_samples} images, {epochs} epochs")
    print(f"from_generator: {live:.1f} s, {live / epochs:.2f} s per epoch")
    print(
        f"from shards: {packing + stored:.1f} s, of which {packing:.1f} s to pack, "
        f"{stored / epochs:.2f} s per epoch"
    )
    print(f"validation accuracy: generator {live_accuracy:.3f}, shards {stored_accuracy:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--crops", type=int, default=200, help="per image")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tf-data-") as temporary:
        main(arguments.folder or Path(temporary), arguments.epochs, arguments.crops)
