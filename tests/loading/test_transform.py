"""Transforms of batches, in threads and in worker processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from keras_bigdata import (
    ShardError,
    ShardSequence,
    WorkerError,
)
from tests.helpers.unindexed_pickles import ROLES, ids_of


def test_transform_gets_a_generator_of_seed_epoch_and_batch(shards):
    def noisy(batch, rng):
        batch["x"] = batch["x"] + rng.normal(size=(len(batch["x"]), 1)).astype(np.float32)
        return batch

    directory = shards([10, 10])
    settings = {**ROLES, "seed": 4, "transform": noisy}
    one = ShardSequence(directory, 6, **settings, workers=0)
    two = ShardSequence(directory, 6, **settings, workers=2)
    processes = ShardSequence(directory, 6, **settings, workers=2, use_multiprocessing=True)
    drawn = set()
    for epoch in range(2):
        one.epoch = two.epoch = processes.epoch = epoch
        for index in reversed(range(len(one))):
            x = one[index][0]
            np.testing.assert_array_equal(x, two[index][0])
            np.testing.assert_array_equal(x, processes[index][0])
            drawn.add(float(x[0, 2]))
    assert len(drawn) == 8


def test_transform_may_change_dtype_and_shape_alike_for_every_batch(shards):
    def flat(batch, rng):
        return {"x": batch["x"].astype(np.float16)[:, :2], "id": batch["id"]}

    data = ShardSequence(shards([10]), 4, **ROLES, transform=flat)
    assert {(x.dtype.name, x.shape[1:]) for x, _ in data} == {("float16", (2,))}


BREAKING = [
    (lambda batch, rng: {"x": batch["x"]}, "with the keys that it received"),
    (lambda batch, rng: batch["x"], "must return a dict"),
    (lambda batch, rng: batch | {"x": batch["x"][1:]}, "keep the number of rows, 4, of 'x'"),
    (
        lambda batch, rng: batch | {"x": batch["x"].astype(("f4", "f8")[len(batch["x"]) == 2])},
        "dtype float64",
    ),
]


@pytest.mark.parametrize(
    ("transform", "message", "processes"),
    [
        *((*case, False) for case in BREAKING),
        # Processes start in half a second, and check all cases with the same code.
        *(pytest.param(*case, True, marks=pytest.mark.slow) for case in BREAKING[:-1]),
        (*BREAKING[-1], True),
    ],
)
def test_transform_that_breaks_its_word(shards, transform, message, processes):
    data = ShardSequence(
        shards([10]),
        4,
        **ROLES,
        transform=transform,
        workers=1,
        use_multiprocessing=processes,
    )
    with pytest.raises(ShardError, match=message):
        ids_of(data)


@pytest.mark.slow
@pytest.mark.every_backend
def test_an_error_in_transform_reaches_the_user(shards):
    def broken(batch, rng):
        raise RuntimeError("no such colour")

    for processes in (False, True):
        data = ShardSequence(
            shards([10]), 4, **ROLES, transform=broken, use_multiprocessing=processes
        )
        with pytest.raises(RuntimeError, match="no such colour"):
            data[0]


def test_a_batch_larger_than_the_shared_memory_comes_back_all_the_same(shards):
    def grow(batch, rng):
        return batch | {"x": np.repeat(batch["x"], 100_000, axis=1)}

    data = ShardSequence(
        shards([4]), 4, **ROLES, transform=grow, workers=1, use_multiprocessing=True, shuffle=None
    )
    x, _ = data[0]
    assert x.shape == (4, 300_000)
    np.testing.assert_array_equal(x[:, 0], [0, 1, 2, 3])


# ---- Worker processes


@pytest.mark.slow
@pytest.mark.every_backend
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_worker_is_an_error_that_names_it_and_no_hang(shards):
    def tell(batch, rng):
        batch["id"][:] = os.getpid()
        return batch

    data = ShardSequence(
        shards([400]), 4, **ROLES, transform=tell, workers=2, use_multiprocessing=True
    )
    worker = int(data[0][1][0])
    assert worker != os.getpid()
    os.kill(worker, signal.SIGKILL)
    died = rf"(?s)worker process of the prefetching died .*{worker}.*SIGKILL"
    with pytest.raises(WorkerError, match=died):
        ids_of(data)
    # The next request starts new workers.
    assert int(data[90][1][0]) != worker


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc"), reason="looks into /proc")
def test_workers_do_not_outlive_a_killed_parent(shards):
    code = textwrap.dedent(
        """
        import os, signal, sys
        from keras_bigdata import ShardSequence
        def tell(batch, rng):
            batch["id"][:] = os.getpid()
            return batch
        data = ShardSequence(sys.argv[1], 4, inputs="x", targets="id", transform=tell,
                             workers=1, use_multiprocessing=True)
        print(int(data[0][1][0]), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    command = [sys.executable, "-c", code, str(shards([400]))]
    worker = int(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{worker}") and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not os.path.exists(f"/proc/{worker}")


def test_a_transform_that_cannot_be_pickled_is_refused(shards):
    lock = __import__("threading").Lock()
    data = ShardSequence(
        shards([10]), 4, **ROLES, transform=lambda b, r: (lock, b)[1], use_multiprocessing=True
    )
    with pytest.raises(ValueError, match="cannot be pickled"):
        data[0]
