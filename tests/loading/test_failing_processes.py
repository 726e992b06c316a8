"""What happens to training when its transform raises or its worker processes are killed."""

from __future__ import annotations

import gc
import os
import re
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from keras_bigdata import ShardSequence, WorkerError
from tests.helpers.faulty_disk import through_faulty_disk
from tests.helpers.transforms import cannot_be_sent, ends_too_early, fails_at_three, half_a_second
from tests.helpers.wide_shards import (
    BATCH,
    ROWS,
    SHARDS,
    TENSORFLOW,
    At,
    bad_file,
    sequence,
    wide_model,
    write_wide_shards,
)


@pytest.fixture
def wide(tmp_path):
    return write_wide_shards(tmp_path / "wide")


@pytest.fixture(scope="module")
def model():
    return wide_model()


# ---- Transforms


@pytest.mark.parametrize("processes", [False, True])
def test_an_error_in_transform_says_which_batch_and_rows(wide, processes):
    data = ShardSequence(
        wide,
        BATCH,
        inputs="x",
        targets="id",
        shuffle=None,
        transform=fails_at_three,
        use_multiprocessing=processes,
    )
    with pytest.raises(KeyError, match="no such colour") as told:
        [data[index] for index in range(8)]
    (note,) = told.value.__notes__
    assert re.search(r"at epoch 0, batch 3, .* rows of ", note)
    assert f"{bad_file(wide, 2)} (rows 8, 9, 10, 11, 12, 13, 14, 15 and 4 more); " in note
    assert f"{bad_file(wide, 3)} (rows 0, 1, 2, 3)." in note
    data.release()


def test_an_error_in_transform_through_fit(wide, model):
    data = sequence(wide, transform=fails_at_three)
    with pytest.raises(Exception, match="no such colour") as told:
        model.fit(data, verbose=0, shuffle=False)
    text = "\n".join([str(told.value), *getattr(told.value, "__notes__", [])])
    assert f"batch 3, which received, in some order, rows of {bad_file(wide, 2)}" in text


def test_a_transform_that_ends_an_iterator_does_not_end_the_epoch(wide):
    data = sequence(wide, transform=ends_too_early)
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        data[0]


@pytest.mark.slow
def test_an_error_that_cannot_be_pickled_comes_from_processes_too(wide):
    data = sequence(wide, transform=cannot_be_sent, workers=1, use_multiprocessing=True)
    with pytest.raises(WorkerError, match=r"(?s)NeedsTwo: 1 and 2.*in cannot_be_sent.*00000\.pkl"):
        data[0]
    data.release()


# ---- Worker processes


def workers_of(parent):
    """Worker processes, found by what they run."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z" and b"popen_loky" in command:
            found.append(int(status.parent.name))
    return sorted(found)


def memory_files():
    found = 0
    for fd in os.listdir("/proc/self/fd"):
        try:
            found += "memfd:keras_bigdata" in os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue
    return found


def own_semaphores():
    """Names of loky's semaphores in shared memory that this process made."""
    return {name for name in os.listdir("/dev/shm") if f"loky-{os.getpid()}-" in name}


def until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists() or not Path("/dev/shm").exists(), reason="looks into /proc"
)


@pytest.mark.slow
@needs_proc
def test_a_killed_worker_ends_fit_and_leaves_nothing(wide, model):
    gc.collect()
    memory = memory_files()
    # Those of earlier tests may be about to end, and joblib keeps those of `pack` for a while.
    before, semaphores = set(workers_of(os.getpid())), own_semaphores()
    for batch in (0, 7, 44):
        data = sequence(
            wide, workers=2, use_multiprocessing=True, transform=through_faulty_disk, shuffle=None
        )
        killed = []

        def kill(killed=killed):
            killed.append(sorted(set(workers_of(os.getpid())) - before)[-1])
            os.kill(killed[0], signal.SIGKILL)

        at = At(kill, batch)
        with pytest.raises(Exception, match="worker process of the prefetching died") as told:
            model.fit(data, epochs=3, verbose=0, shuffle=False, callbacks=[at])
        assert time.monotonic() - at.done < 20
        assert re.search(rf"died \((process|one of) [\d, ]*\b{killed[0]}\b", str(told.value))
        assert "SIGKILL" in str(told.value)
        assert isinstance(told.value, WorkerError) or TENSORFLOW
        # The same sequence starts new ones.
        data.given.clear()
        model.fit(data, epochs=1, verbose=0, shuffle=False)
        assert np.concatenate([ids for _, ids in data.given[-len(data) :]]).tolist() == list(
            range(ROWS * SHARDS)
        )
        data.release()
        assert until(lambda: set(workers_of(os.getpid())) <= before, 20)
        data.given.clear()
        del data, told, at
    gc.collect()
    assert until(lambda: own_semaphores() <= semaphores, 20)
    # TensorFlow keeps two of the last epoch; it destroys iterators of stopped ones in its own time,
    # and what they referred to may be garbage only after that.
    assert until(lambda: gc.collect() >= 0 and memory_files() <= memory + 2, 60), memory_files()


@pytest.mark.slow
@needs_proc
def test_a_worker_killed_while_it_starts(wide):
    for delay in (0.0, 0.05, 0.2):
        data = sequence(wide, workers=2, use_multiprocessing=True, transform=through_faulty_disk)
        before = set(workers_of(os.getpid()))
        pending = data.server.prefetcher._new_provider().submit  # what prefetching calls
        first = pending(0)
        time.sleep(delay)
        worker = (set(workers_of(os.getpid())) - before).pop()
        start = time.monotonic()
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(WorkerError, match=rf"process {worker}\)"):
            first.result(timeout=60)
        assert time.monotonic() - start < 20
        pending.__self__.close()
        assert until(lambda before=before: set(workers_of(os.getpid())) <= before, 20)


@pytest.mark.slow
@needs_proc
def test_released_while_a_batch_is_waited_for_no_worker_stays(wide):
    """The batch is served without starting workers, which nothing would end."""
    before = set(workers_of(os.getpid()))
    data = sequence(wide, workers=1, use_multiprocessing=True, transform=half_a_second)
    given = []
    waiting = threading.Thread(target=lambda: given.append(data[0][1].tolist()))
    waiting.start()
    assert until(lambda: set(workers_of(os.getpid())) - before, 10)
    time.sleep(0.2)
    data.release()
    waiting.join(20)
    assert given == [list(range(BATCH))]
    assert until(lambda: set(workers_of(os.getpid())) <= before, 20)
