"""Shows that a training that is killed and resumed ends like an uninterrupted one.

    python examples/resume_training.py [FOLDER]

The script runs a training without interruption. Then it runs the same training in processes that it
kills (SIGKILL) at random moments and starts again, until one of them finishes. It compares the
weights, the optimizer, the History and the CSV file of both, bit by bit. It takes about 40 seconds
on two cores. Its files are removed at the end, unless FOLDER is passed.
"""

import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
from skimage import data

from keras_bigdata import (
    Arrays,
    BestWeightsEarlyStopping,
    ResumeTraining,
    ShardSequence,
    WeightedValidation,
    pack,
)

CROP = 16
EPOCHS = 4
KILLS = 2


def random_crops(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns crops of two textures, bricks and grass, and their labels."""
    rng = np.random.default_rng(seed)
    textures = [data.brick(), data.grass()]
    labels = rng.integers(0, 2, count).astype(np.int32)
    corners = rng.integers(0, 512 - CROP, (count, 2))
    images = [
        textures[label][y : y + CROP, x : x + CROP, None]
        for label, (y, x) in zip(labels, corners, strict=True)
    ]
    return np.stack(images), labels


class SlowSteps(keras.callbacks.Callback):
    """Slows training down, so that there is time to kill it."""

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        time.sleep(0.01)


def train(folder: Path) -> None:
    """The training script. It is the same for the first run and for a resumed one."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((CROP, CROP, 1), dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.RandomFlip(),
            keras.layers.Flatten(),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    sequence = ShardSequence(folder.parent / "shards", batch_size=20)
    resume = ResumeTraining(folder / "checkpoints", sequence, every=0.1)
    history = model.fit(
        sequence,
        epochs=EPOCHS,
        shuffle=False,
        verbose=0,
        callbacks=resume.around(
            [
                WeightedValidation(random_crops(200, seed=1)),
                BestWeightsEarlyStopping(folder / "best.weights.h5", patience=EPOCHS),
                keras.callbacks.ReduceLROnPlateau(patience=1),
                keras.callbacks.CSVLogger(folder / "log.csv"),
                SlowSteps(),
            ]
        ),
    )
    digest = hashlib.sha256()
    for variable in [*model.variables, *model.optimizer.variables]:
        digest.update(keras.ops.convert_to_numpy(variable).tobytes())
    result = {"weights and optimizer": digest.hexdigest(), "History": history.history}
    (folder / "result.json").write_text(json.dumps(result))


def newest_checkpoint(folder: Path) -> int:
    numbers = [int(path.stem.split("-")[1]) for path in folder.glob("checkpoints/checkpoint-*.npz")]
    return max(numbers, default=0)


def run(folder: Path, kill_after: int | None = None) -> bool:
    """Runs the training in a process, and kills it after a number of new checkpoints.

    Returns whether the training finished.
    """
    folder.mkdir(exist_ok=True)
    first = newest_checkpoint(folder)
    process = subprocess.Popen([sys.executable, __file__, "--train", str(folder)])
    while process.poll() is None:
        if kill_after and newest_checkpoint(folder) - first >= kill_after:
            process.kill()
            process.wait()
            return False
        time.sleep(0.005)
    if process.returncode:
        sys.exit(f"the training failed with status {process.returncode}")
    return True


def main(folder: Path) -> None:
    images, labels = random_crops(1000, seed=0)
    pack(Arrays(images=images, labels=labels), folder / "shards", shard_samples=128)

    run(folder / "uninterrupted")
    rng, kills = random.Random(1), 0
    while not run(folder / "killed", rng.randint(2, 6) if kills < KILLS else None):
        kills += 1

    runs = ("uninterrupted", "killed")
    results = [json.loads((folder / name / "result.json").read_text()) for name in runs]
    print(f"killed {kills} times")
    for name in results[0]:
        print(f"{name} equal: {results[0][name] == results[1][name]}")
    logs = [(folder / name / "log.csv").read_bytes() for name in runs]
    print(f"log.csv equal: {logs[0] == logs[1]}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        train(Path(sys.argv[2]))
    elif len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory(prefix="resume-") as temporary:
            main(Path(temporary))
