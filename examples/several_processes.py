"""Trains one model in two processes, each of which reads half of the rows of every batch.

    python examples/several_processes.py [FOLDER]

The script packs three textures of scikit-image, trains in one process, and then in two with
`part="auto"`: JAX joins the halves to the same batches, so that the weights are equal but for
rounding. (Adam would enlarge the rounding: it divides gradients that are nearly 0 by their size.)
The two processes run on this machine and talk to each other over its loopback address; on several
machines each runs the same lines with the address of the first one. It needs JAX (`pip install
jax`), downloads nothing and takes about 50 seconds on two cores. Its files are removed at the end,
unless FOLDER is passed.
"""

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import numpy as np
from skimage import data

from keras_bigdata import Arrays, ShardSequence, pack

TEXTURES = ("brick", "grass", "gravel")
CROP = 32  # pixels
ROWS = 1001  # the last batch of 41 rows cannot be halved: one row of weight 0 is added
BATCH_SIZE = 64  # of all processes together


def crops() -> Arrays:
    """Cuts crops out of three textures."""
    rng = np.random.default_rng(0)
    images = np.empty((ROWS, CROP, CROP, 1), np.uint8)
    labels = rng.integers(0, len(TEXTURES), ROWS)
    for row, label in enumerate(labels):
        texture = getattr(data, TEXTURES[label])()
        top, left = rng.integers(0, np.array(texture.shape) - CROP)
        images[row, :, :, 0] = texture[top : top + CROP, left : left + CROP]
    return Arrays(images=images, labels=labels)


def train(directory: Path, rank: int, size: int, address: str) -> None:
    """Trains in one of `size` processes; rank 0 saves the weights."""
    import jax

    if size > 1:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")  # on CPUs only
        jax.distributed.initialize(address, num_processes=size, process_id=rank)

    import keras

    if size > 1:
        parallel = keras.distribution.DataParallel(auto_shard_dataset=False)
        keras.distribution.set_distribution(parallel)
    keras.utils.set_random_seed(0)
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
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    sequence = ShardSequence(directory / "set", BATCH_SIZE, seed=0, part="auto")
    history = model.fit(sequence, epochs=5, verbose=0).history
    if rank == 0:
        losses = ", ".join(f"{loss:.4f}" for loss in history["loss"])
        print(f"{sequence}\n  loss of 5 epochs: {losses}", flush=True)
        np.savez(directory / f"weights-{size}.npz", *model.get_weights())


def run(directory: Path, size: int) -> None:
    """Runs the training in `size` processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    commands = [
        [sys.executable, __file__, str(directory), str(rank), str(size), address]
        for rank in range(size)
    ]
    processes = [subprocess.Popen(command) for command in commands]
    if any([process.wait() for process in processes]):
        sys.exit("A training process has failed.")


def main(directory: Path) -> None:
    """Packs, trains in one and in two processes, and compares the weights."""
    pack(crops(), directory / "set", shard_samples=150, verbose=0)
    for size in (1, 2):
        print(f"{size} process{'es' if size > 1 else ''}:")
        run(directory, size)
    one, two = (np.load(directory / f"weights-{size}.npz") for size in (1, 2))
    difference = max(float(np.abs(one[name] - two[name]).max()) for name in one)
    print(f"Largest difference of a weight: {difference:.1e}")


if __name__ == "__main__":
    if len(sys.argv) == 5:
        train(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(sys.argv[1] if len(sys.argv) > 1 else temporary))
