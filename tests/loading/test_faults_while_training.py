"""What happens to training when its files, its disk or its processes fail it."""

from __future__ import annotations

import errno
import gc
import json
import os
import pickle
import re
import signal
import threading
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_bigdata import CorruptShardError, ShardError, ShardSequence, WorkerError
from keras_bigdata.loading import open_files
from tests.helpers.faulty_disk import VARIABLE, FaultyDisk, through_faulty_disk
from tests.helpers.transforms import cannot_be_sent, ends_too_early, fails_at_three, half_a_second

ROWS, SHARDS, BATCH = 20, 40, 16
WIDE = 1100  # floats: rows that are read one by one
TENSORFLOW = keras.backend.backend() == "tensorflow"
BAD = 35


def write_wide_shards(directory, count=SHARDS, rows=ROWS, width=WIDE):
    """Half of them in one subdirectory, half in another."""
    for number in range(count):
        ids = np.arange(number * rows, (number + 1) * rows, dtype=np.int32)
        path = directory / ("first" if number < count // 2 else "last") / f"{number:05d}.pkl"
        path.parent.mkdir(parents=True, exist_ok=True)
        x = np.repeat(ids[:, None], width, axis=1).astype(np.float32)
        path.write_bytes(pickle.dumps({"x": x, "id": ids}, protocol=5))
    return directory


@pytest.fixture
def wide(tmp_path):
    return write_wide_shards(tmp_path / "wide")


@pytest.fixture(scope="module")
def model():
    model = keras.Sequential([keras.Input((WIDE,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1e-12), "mse")
    return model


@pytest.fixture
def disk():
    disk = FaultyDisk()
    yield disk
    disk.remove()


class Recorded(ShardSequence):
    """Notes what `fit` was given, and that every row is right."""

    def __getitem__(self, index):
        x, ids = super().__getitem__(index)
        np.testing.assert_array_equal(x, np.repeat(ids[:, None], WIDE, axis=1))
        self.given.append((index, ids.copy()))
        return x, ids


def sequence(directory, **arguments):
    arguments = {"shuffle": None, "inputs": "x", "targets": "id"} | arguments
    data = Recorded(directory, BATCH, **arguments)
    data.given = []
    return data


class At(keras.callbacks.Callback):
    """Does something in the first epoch, after some batches."""

    def __init__(self, do, batch=2):
        super().__init__()
        self.do, self.batch, self.done = do, batch, None

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.batch and self.done is None:
            self.do()
            self.done = time.monotonic()


def bad_file(directory, number=BAD):
    (path,) = directory.rglob(f"{number:05d}.pkl")
    return path


def deleted(path, disk):
    path.unlink()


def truncated(path, disk):
    os.truncate(path, path.stat().st_size // 2)


def of_another_size(path, disk):
    other = path.with_name("other")
    other.write_bytes(path.read_bytes() + b"more")
    os.replace(other, path)


def newer(path, disk):
    other = path.with_name("other")
    other.write_bytes(path.read_bytes()[::-1])
    os.replace(other, path)


def forbidden(path, disk):
    path.chmod(0)


def moved(path, disk):
    path.parent.rename(path.parent.with_name("elsewhere"))


def defect(path, disk):
    disk.fail(path.name, errno.EIO)


def stale_for_good(path, disk):
    disk.fail(path.name, errno.ESTALE)


FAULTS = {
    deleted: r"the shard cannot be opened \(No such file or directory\)\. Restore it",
    truncated: r"the shard has \d+ bytes, expected \d+: .*Restore it",
    of_another_size: r"the shard has \d+ bytes, expected \d+: .*Restore it",
    newer: r"the shard was changed after it was opened .*Create the ShardSequence again",
    forbidden: r"the shard cannot be opened \(Permission denied\)\. Restore it",
    moved: r"the shard cannot be opened \(No such file or directory\)\. Restore it",
    defect: r"cannot be read at byte \d+ \(.*Input/output error\)\. Check the disk",
    stale_for_good: r"cannot be read at byte \d+ \(.*Stale file handle\)\. Check the disk",
}
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
every_fault = pytest.mark.parametrize(
    "fault", [pytest.param(f, marks=as_root if f is forbidden else ()) for f in FAULTS]
)


# ---- Files and disks


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow), 2])
@every_fault
def test_a_fault_ends_fit_with_an_error_that_names_the_shard(wide, model, disk, fault, workers):
    data = sequence(wide, workers=workers)
    at = At(lambda: fault(bad_file(wide), disk))
    path = wide / "last" / "000"
    with pytest.raises(
        Exception, match=rf"{re.escape(str(path))}\d\d\.pkl: {FAULTS[fault]}"
    ) as told:
        model.fit(data, epochs=3, verbose=0, shuffle=False, callbacks=[at])
    assert time.monotonic() - at.done < 5
    # TensorFlow tells it in an error of its own.
    assert isinstance(told.value, CorruptShardError) or TENSORFLOW
    assert "UnreadableShardError" in f"{type(told.value)}{told.value}"
    if fault is not moved:
        # All batches before the shard were served, and another fit says the same.
        assert len(data.given) >= BAD * ROWS // BATCH
    assert all((ids // ROWS != BAD).all() for _, ids in data.given)


@every_fault
def test_with_skip_batches_keep_shapes_and_count(wide, model, disk, fault):
    data = sequence(wide, workers=2, on_corrupt="skip")
    at = At(lambda: fault(bad_file(wide), disk))
    with pytest.warns(UserWarning, match="is skipped|served without") as told:
        model.fit(data, epochs=2, verbose=0, shuffle=False, callbacks=[at])
    assert re.search(FAULTS[fault], str(told[0].message))
    assert data.epoch == 2
    served = data.given[-len(data) :]
    assert [index for index, _ in served] == list(range(len(data)))
    assert [len(ids) for _, ids in served] == [BATCH] * len(data)
    gone = {int(Path(path).stem) for path in data.skipped_shards}
    # What is open when a directory goes is served to the end.
    assert gone == {BAD} if fault is not moved else gone <= set(range(20, 40)) and BAD in gone
    assert all(int(row) // ROWS not in gone for _, ids in served for row in ids)


@pytest.mark.parametrize("workers", [0, 2])
def test_stale_descriptors_are_opened_again_and_all_goes_on(wide, model, disk, workers):
    data = sequence(wide, workers=workers, shuffle="window", seed=1)
    at = At(disk.go_stale, batch=4)
    model.fit(data, epochs=1, verbose=0, shuffle=False, callbacks=[at])
    served = np.concatenate([ids for _, ids in data.given[-len(data) :]])
    assert sorted(served.tolist()) == list(range(ROWS * SHARDS))
    # Once more and not again; two threads may do so at a time.
    assert 2 <= max(map(disk.opens.count, disk.opens)) <= (4 if workers else 2)


def test_a_stale_file_that_has_changed_is_an_error(wide, disk):
    data = sequence(wide, workers=0)
    data[0]
    newer(bad_file(wide, 0), disk)
    disk.go_stale()
    with pytest.raises(CorruptShardError, match=r"00000\.pkl: the shard was changed"):
        data[0]


def test_a_slow_disk_is_waited_for(tmp_path, model, disk):
    data = sequence(write_wide_shards(tmp_path / "wide", 8), workers=2)
    disk.delay = 0.05
    start = time.monotonic()
    model.fit(data, verbose=0, shuffle=False)
    assert time.monotonic() - start > 0.05 * 8
    assert np.concatenate([ids for _, ids in data.given[-len(data) :]]).tolist() == list(
        range(8 * ROWS)
    )


@pytest.mark.parametrize("name", ["x", "id"])
def test_an_open_shard_written_over_in_place_is_noticed(wide, name):
    """Its descriptor sees the new bytes. A column that is in memory goes on being right."""
    path = bad_file(wide, 0)
    content = path.read_bytes()
    data = ShardSequence(wide, 4, inputs=name, targets=None, shuffle=None, workers=0)
    data[0]
    with open(path, "r+b") as file:
        file.write(content)
    time.sleep(1.1 * open_files.RECHECK_SECONDS)
    if name == "id":
        assert data[1][0].tolist() == [4, 5, 6, 7]
        return
    with pytest.raises(CorruptShardError, match=r"00000\.pkl: the shard was changed"):
        data[1]


@pytest.mark.slow
@pytest.mark.parametrize("on_corrupt", ["raise", "skip"])
@pytest.mark.parametrize("fault", [deleted, truncated, newer, moved, defect, stale_for_good])
def test_faults_where_processes_read(wide, model, tmp_path, monkeypatch, fault, on_corrupt):
    faults = tmp_path / "faults.json"
    monkeypatch.setenv(VARIABLE, str(faults))

    class Written:
        def fail(self, name, number):
            faults.with_suffix(".new").write_text(json.dumps({name: number}))
            os.replace(faults.with_suffix(".new"), faults)

    data = sequence(
        wide,
        workers=2,
        use_multiprocessing=True,
        transform=through_faulty_disk,
        on_corrupt=on_corrupt,
        max_queue_size=4,
    )
    at = At(lambda: fault(bad_file(wide), Written()))
    if on_corrupt == "skip":
        with pytest.warns(UserWarning, match="is skipped|served without") as told:
            model.fit(data, epochs=2, verbose=0, shuffle=False, callbacks=[at])
        assert re.search(FAULTS[fault], str(told[0].message))
        assert [len(ids) for _, ids in data.given[-len(data) :]] == [BATCH] * len(data)
        assert str(wide / "last" / f"{BAD:05d}.pkl") in data.skipped_shards
    else:
        with pytest.raises(Exception, match=rf"000\d\d\.pkl: {FAULTS[fault]}") as raised:
            model.fit(data, epochs=2, verbose=0, shuffle=False, callbacks=[at])
        assert time.monotonic() - at.done < 5
        assert isinstance(raised.value, CorruptShardError) or TENSORFLOW
    data.release()


# ---- Too many open files


def test_no_descriptor_left_is_no_fault_of_the_shard(wide, disk, monkeypatch):
    data = sequence(wide, workers=0, on_corrupt="skip")
    other = sequence(wide, workers=0)
    data[0], other[0]
    attempts = []

    def full(path):
        attempts.append(path)
        if len(attempts) < 3:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return disk._open(path)

    monkeypatch.setattr(open_files, "open_to_read", full)
    assert data[5][1].tolist() == list(range(80, 96))
    assert len(attempts) == 3
    # Both gave back what they had.
    assert len(other.server.prefetcher.loader.reader._files._open) == 0
    assert [disk.opens.count(name) for name in ("00000.pkl", "00004.pkl")] == [2, 1]

    def always_full(path):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(open_files, "open_to_read", always_full)
    with pytest.raises(ShardError, match=r"Too many files are open.*`ulimit -n 4096`") as told:
        data[10]
    assert not isinstance(told.value, CorruptShardError)
    assert not data.skipped_shards


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
    return [name for name in os.listdir("/dev/shm") if f"loky-{os.getpid()}-" in name]


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
    # Those of earlier tests may be about to end.
    before = set(workers_of(os.getpid()))
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
        assert time.monotonic() - at.done < 5
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
        assert until(lambda: set(workers_of(os.getpid())) <= before, 3)
        data.given.clear()
        del data, told, at
    gc.collect()
    assert until(lambda: not own_semaphores(), 3)
    # TensorFlow keeps two of the last epoch; it destroys iterators of stopped ones in its own time.
    assert until(lambda: memory_files() <= memory + 2, 30)


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
            first.result(timeout=10)
        assert time.monotonic() - start < 5
        pending.__self__.close()
        assert until(lambda before=before: set(workers_of(os.getpid())) <= before, 3)


@needs_proc
def test_released_while_a_batch_is_waited_for_no_worker_stays(wide):
    """The batch is given, and does not start workers that nobody would end."""
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
    assert until(lambda: set(workers_of(os.getpid())) <= before, 3)


def test_files_are_closed_when_the_interpreter_has_cleared_its_modules(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    descriptor = open_files.open_to_read(str(path))
    file = open_files.OpenFile(str(path), descriptor)
    monkeypatch.setattr(open_files, "os", None)
    del file
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
