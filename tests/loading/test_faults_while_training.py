"""What happens to training when its files or its disk fail."""

from __future__ import annotations

import errno
import json
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest

from keras_bigdata import CorruptShardError, ShardError, ShardSequence
from keras_bigdata.loading.rows import open_files
from tests.helpers.faulty_disk import VARIABLE, FaultyDisk, through_faulty_disk
from tests.helpers.wide_shards import (
    BAD,
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


@pytest.fixture
def disk():
    disk = FaultyDisk()
    yield disk
    disk.remove()


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


# ---- Files and disks

QUICK = [(0, truncated), (0, defect)]


# Without threads, the two ways to fail (a file and its disk) stand for all.
@pytest.mark.parametrize(
    ("fault", "workers"),
    [
        pytest.param(
            fault,
            workers,
            marks=[
                *([as_root] if fault is forbidden else []),
                *([] if workers == 2 or (workers, fault) in QUICK else [pytest.mark.slow]),
            ],
        )
        for workers in (0, 1, 2)
        for fault in FAULTS
    ],
)
def test_a_fault_ends_fit_with_an_error_that_names_the_shard(wide, model, disk, fault, workers):
    data = sequence(wide, workers=workers)
    at = At(lambda: fault(bad_file(wide), disk))
    path = wide / "last" / "000"
    with pytest.raises(
        Exception, match=rf"{re.escape(str(path))}\d\d\.pkl: {FAULTS[fault]}"
    ) as told:
        model.fit(data, epochs=3, verbose=0, shuffle=False, callbacks=[at])
    assert time.monotonic() - at.done < 20
    # TensorFlow tells it in an error of its own.
    assert isinstance(told.value, CorruptShardError) or TENSORFLOW
    assert "UnreadableShardError" in f"{type(told.value)}{told.value}"
    if fault is not moved:
        # All batches before the shard were served, and another fit says the same.
        assert len(data.given) >= BAD * ROWS // BATCH
    assert all((ids // ROWS != BAD).all() for _, ids in data.given)


@pytest.mark.parametrize(
    "fault",
    [
        deleted,
        truncated,
        pytest.param(of_another_size, marks=pytest.mark.slow),  # as truncated
        newer,
        pytest.param(forbidden, marks=as_root),
        moved,
        defect,
        pytest.param(stale_for_good, marks=pytest.mark.slow),  # as defect
    ],
)
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


@pytest.mark.quick_cases(1)
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


@pytest.mark.slow
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
        assert time.monotonic() - at.done < 20
        assert isinstance(raised.value, CorruptShardError) or TENSORFLOW
    data.release()


# ---- Too many open files


@pytest.mark.slow
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


def test_files_are_closed_when_the_interpreter_has_cleared_its_modules(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    descriptor = open_files.open_to_read(str(path))
    file = open_files.OpenFile(str(path), descriptor)
    monkeypatch.setattr(open_files, "os", None)
    del file
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
