"""A `tf.data.Dataset.from_generator` pipeline, ported to shards that are a `tf.data.Dataset`.

    python examples/from_tf_data.py [FOLDER] [--epochs E] [--pieces N]

Before: a Python generator reads image files with scikit-image's `imread` and `resize`, and
`from_generator` makes it a dataset to shuffle, map, batch and prefetch. All of the Python runs
again in every epoch, in one thread. Now: the files are read once by `pack`, and
`ShardSequence.as_dataset()` is the dataset: shuffled and batched already, and what was mapped
over single images is mapped over batches. Both are trained and timed. A dataset whose Python is
not worth porting can be stored as it is: `capture(dataset, directory)`.
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

IMAGES = ["brick", "coins", "grass", "gravel"]
SIZE = (48, 48)
BATCH = 32


def write_pieces(folder: Path, count: int, left: float, right: float, seed: int) -> None:
    """`count` pieces of each image, between two fractions of its width, in class folders."""
    rng = np.random.default_rng(seed)
    for name in IMAGES:
        (folder / name).mkdir(parents=True)
        image = getattr(data, name)()
        width = image.shape[1]
        image = image[:, int(left * width) : int(right * width)]
        for number in range(count):
            size = rng.integers(64, 104)
            y, x = (rng.integers(0, max(1, side - size)) for side in image.shape[:2])
            piece = image[y : y + size, x : x + size]
            io.imsave(folder / name / f"{number:04d}.png", piece, check_contrast=False)


def from_generator(folder: Path) -> tf.data.Dataset:
    """As tutorials have it."""
    files = [(path, IMAGES.index(path.parent.name)) for path in sorted(folder.glob("*/*.png"))]

    def samples():
        for path, label in files:
            image = transform.resize(io.imread(path), SIZE, anti_aliasing=True)
            yield util.img_as_ubyte(image[..., np.newaxis]), label

    signature = (tf.TensorSpec((*SIZE, 1), tf.uint8), tf.TensorSpec((), tf.int32))
    dataset = tf.data.Dataset.from_generator(samples, output_signature=signature)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(files)))
    dataset = dataset.shuffle(len(files)).map(preprocess, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(BATCH).prefetch(tf.data.AUTOTUNE)


def pack_pieces(folder: Path, shards: Path):
    return pack(ImageFolder(folder, size=SIZE, color="grayscale", classes=IMAGES), shards)


def from_shards(folder: Path) -> tf.data.Dataset:
    """The same, from shards."""
    dataset = ShardSequence(folder, batch_size=BATCH).as_dataset()
    return dataset.map(preprocess, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def preprocess(images, labels):
    """Of one image or of a batch of them."""
    return tf.image.random_flip_left_right(tf.cast(images, tf.float32) / 255), labels


def build_model() -> keras.Model:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential([keras.Input((*SIZE, 1))])
    for filters in (16, 32, 64):
        model.add(layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu"))
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(len(IMAGES), activation="softmax"))
    model.compile(
        keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def trained(dataset: tf.data.Dataset, epochs: int, validation) -> tuple[float, float]:
    """Seconds of training, and accuracy on the validation set."""
    model = build_model()
    start = time.perf_counter()
    model.fit(dataset, epochs=epochs, verbose=0, shuffle=False)
    seconds = time.perf_counter() - start
    return seconds, model.evaluate(validation, verbose=0)[1]


def main(folder: Path, epochs: int, pieces: int) -> None:
    write_pieces(folder / "train", pieces, 0.0, 0.75, seed=0)
    write_pieces(folder / "val", max(1, pieces // 2), 0.75, 1.0, seed=1)
    validation = from_generator(folder / "val").cache()
    build_model().fit(validation, shuffle=False, verbose=0)  # TensorFlow's own start is not timed

    live, live_accuracy = trained(from_generator(folder / "train"), epochs, validation)

    start = time.perf_counter()
    index = pack_pieces(folder / "train", folder / "shards")
    once = time.perf_counter() - start
    # Another way to resize is another model's input: each is validated as it was trained.
    pack_pieces(folder / "val", folder / "val-shards")
    validation = from_shards(folder / "val-shards")
    stored, stored_accuracy = trained(from_shards(folder / "shards"), epochs, validation)

    print(f"{index.num_samples} images, {epochs} epochs")
    print(f"from_generator: {live:.1f} s, {live / epochs:.2f} s an epoch")
    print(
        f"from shards: {once + stored:.1f} s, of which {once:.1f} s to pack, "
        f"{stored / epochs:.2f} s an epoch"
    )
    print(f"validation accuracy: {live_accuracy:.3f} and {stored_accuracy:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--pieces", type=int, default=200, help="of each image")
    given = parser.parse_args()
    main(given.folder or Path(tempfile.mkdtemp(prefix="tf-data-")), given.epochs, given.pieces)
