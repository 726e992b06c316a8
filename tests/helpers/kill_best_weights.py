"""Saves best weights in processes that are killed; run by `test_best_weights_faults.py`.

python -m tests.helpers.kill_best_weights FOLDER
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import h5py
import numpy as np

from keras_bigdata.callbacks.best_weights.best_weights_file import BestRecord, write_best
from keras_bigdata.files import remove_leftovers

KILLS = 20  # raise it to search by hand


class SlowToSave:
    """A model whose file takes some time to write."""

    def __init__(self):
        self.weight = 0.0

    def save_weights(self, path):
        with h5py.File(path, "w") as file:
            for number in range(20):
                file[f"weights/{number}"] = np.full(10_000, self.weight)


def save_until(path: Path, first: int, step: int, until: float) -> None:
    model, epoch = SlowToSave(), first
    while time.monotonic() < until:
        model.weight = float(epoch)
        write_best(path, model, BestRecord(epoch, "v", 1.0 / (epoch + 1), "min", 0))
        epoch += step


def start_child(*arguments) -> int:
    """Runs `save_until` in a forked process. Returns its process id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            save_until(*arguments)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return child


def check(path: Path) -> int:
    """Checks that the file is complete. Returns its epoch."""
    with h5py.File(path) as file:  # opened once: it may be replaced at any moment
        epoch = int(file.attrs["epoch"])
        for number in range(20):
            values = file[f"weights/{number}"][:]
            assert values.shape == (10_000,)
            assert (values == epoch).all(), (number, epoch, values[0])
    return epoch


def main(folder: Path) -> None:
    path, rng = folder / "best.weights.h5", random.Random(0)
    model = SlowToSave()
    write_best(path, model, BestRecord(0, "v", 1.0, "min", 0))
    epoch = killed_in_write = 0
    for _ in range(KILLS):
        child = start_child(path, epoch + 1, 1, time.monotonic() + 60)
        time.sleep(rng.random() * 0.06)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        killed_in_write += len(os.listdir(folder)) > 1
        remove_leftovers(path)
        assert os.listdir(folder) == [path.name]
        saved = check(path)
        assert saved >= epoch
        epoch = saved
    assert killed_in_write
    print(f"killed {KILLS} times, {killed_in_write} of them in a write, after {epoch} epochs")

    end = time.monotonic() + 1.5
    children = [start_child(path, first, 2, end) for first in (0, 1)]
    checks = 0
    while time.monotonic() < end:
        check(path)
        if checks % 10 == 0:
            remove_leftovers(path)  # as a third process does that begins to save
        checks += 1
        time.sleep(0.03)
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    check(path)
    print(f"two processes wrote, and the file was complete {checks} times")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
