"""Trains in processes that are killed, and compares the result; run by `test_resume.py`.

    python -m tests.helpers.kill_resumed_training FOLDER KILLS SEED [TRAINING]

The backend is imported once, in the parent, and not used there. Every run is a fork that calls the
same function from its beginning and is killed by SIGKILL, after a random number of batches and
then a random time: in a step, in a validation, while a checkpoint, the CSV file or the best weights
are written.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

import keras

from tests.helpers.resumed_training import prepare, run

READERS = [{"workers": 0}, {"workers": 2}, {"workers": 2, "processes": True}]

# By name: what differs from the arguments of `run`. `fit` receives one feed after the other.
TRAININGS = {
    "sequence": {"feeds": ["sequence"]},
    "dataset": {"feeds": ["dataset"]},
    "runs": {
        "feeds": ["dataset"],
        "transform": None,
        "batch_size": 12,  # the last batch has 6 rows
        "class_weights": {0: 1, 1: 2.5, 2: 0.5},
        "validation": True,
    },
    "both": {"feeds": ["sequence", "dataset"], "validation": None, "batch_size": 12},
}


class ReportBatches(keras.callbacks.Callback):
    """Writes a byte to a pipe for every batch; slow enough to be killed anywhere."""

    def __init__(self, pipe):
        super().__init__()
        self.pipe = pipe

    def on_train_batch_begin(self, batch, logs=None):
        os.write(self.pipe, b".")
        time.sleep(0.003)

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def train(folder: Path, reader: dict, batches: int | None, pause: float) -> bool:
    """Runs the training, and kills it after some batches. Returns whether it ended by itself."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            result = run(folder, more=[ReportBatches(writing)], **reader)
            (folder / "result.json").write_text(json.dumps(result))
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    os.close(writing)
    count = 0
    while batches is None or count < batches:
        if not os.read(reading, 1):
            break
        count += 1
    else:
        time.sleep(pause)
        os.kill(child, signal.SIGKILL)
    os.close(reading)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), status
    return status == 0


def main(folder: Path, kills: int, seed: int, training: str = "sequence") -> None:
    keras.utils.set_random_seed(0)  # imports TensorFlow, which every fork would import: 4 seconds
    rng = random.Random(seed)
    arguments = dict(TRAININGS[training])
    feeds = arguments.pop("feeds")
    readers = itertools.cycle(
        {**arguments, **reader, "feed": feed} for reader in READERS for feed in feeds
    )
    first = next(readers)
    whole, killed = folder / "whole", folder / "killed"
    for directory in (whole, killed):
        directory.mkdir(parents=True)
    prepare(whole)
    shutil.copytree(whole / "shards", killed / "shards")
    assert train(whole, first, None, 0)
    kills_done = kills_in_write = 0
    for _ in range(kills):
        # Few, so that enough batches are left for all kills.
        batches = rng.randint(1, 4)
        pause = rng.choice([0.0, 0.002, 0.01, 0.05]) * rng.random()
        if train(killed, next(readers), batches, pause):
            break
        kills_done += 1
        kills_in_write += bool(list(killed.rglob(".tmp-*")))
    if not (killed / "result.json").exists():
        assert train(killed, next(readers), None, 0)
    left, right = (json.loads((p / "result.json").read_text()) for p in (whole, killed))
    for name in left:
        assert left[name] == right[name], (name, left[name], right[name])
    assert not list(killed.rglob(".tmp-*checkpoint*"))
    same = (whole / "best.weights.h5").read_bytes() == (killed / "best.weights.h5").read_bytes()
    print(f"killed {kills_done} times, {kills_in_write} of them in a write")
    print(f"the same best weights in the end: {same}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
