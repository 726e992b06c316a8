"""Checkpoint files: what they store, and what a damaged one, a leftover or a full disk means."""

from __future__ import annotations

import json
import os
import pickle
import time

import keras
import numpy as np
import pytest

from keras_bigdata.callbacks.resuming import checkpoint_directory as _checkpoint_directory
from keras_bigdata.callbacks.resuming import checkpoint_file as _checkpoint_file
from keras_bigdata.callbacks.resuming.checkpoint_directory import CheckpointDirectory
from keras_bigdata.callbacks.resuming.checkpoint_schedule import CheckpointSchedule
from tests.helpers.tiny_training import Kill, tiny_fit

# ---- Files


def test_a_document_comes_back_bit_for_bit(tmp_path):
    import ml_dtypes

    document = {
        "plain": [None, True, -3, 0.1, float("inf"), "ü", b"\x00\xff", 2**70],
        "tuple": (1, ("a", [2.5])),
        "numbers": {1: "a", (2, 3): np.float32(0.1)},
        "!": {"odd": np.float64(-0.0)},
        "arrays": [
            np.arange(6, dtype=np.uint32).reshape(2, 3),
            np.array(1.5),
            np.zeros((0, 3), np.int64),
            np.array([np.nan, 1e-320]),
            np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            np.array([1, 2], ml_dtypes.bfloat16),
            np.array([[1, -2]], ml_dtypes.float8_e5m2),
            np.array([1, 2], ml_dtypes.float8_e4m3fn),
            np.array(3, ml_dtypes.int4),
            np.array(["a", "bc"]),
            np.array([1, 2], ">f4"),
            np.array([True, False]),
        ],
        "tensor": keras.ops.convert_to_tensor([1.0, 2.0]),
    }
    path = tmp_path / "checkpoint-00000001.npz"
    encoded = _checkpoint_file.encode(document)
    document["arrays"][0][:] = 9  # as training changes it meanwhile
    _checkpoint_file.write(path, encoded)
    found = _checkpoint_file.read(path)
    assert found["plain"] == document["plain"]
    assert found["tuple"] == document["tuple"]
    assert found["numbers"] == document["numbers"]
    assert type(found["numbers"][2, 3]) is np.float32
    assert type(found["!"]["odd"]) is np.float64
    assert np.signbit(found["!"]["odd"])
    np.testing.assert_array_equal(found["arrays"][0], [[0, 1, 2], [3, 4, 5]])
    for left, right in zip(found["arrays"][1:], document["arrays"][1:], strict=True):
        assert (left.dtype, left.shape) == (right.dtype, right.shape)
        assert left.tobytes() == right.tobytes()
    assert found["tensor"].tolist() == [1.0, 2.0]
    assert found["arrays"][0].flags.writeable


@pytest.mark.parametrize("value", [object(), {1, 2}, np.array([object()]), print])
def test_what_is_not_plain_is_refused_with_its_place(value):
    with pytest.raises(TypeError, match=r"\['a'\]\[1\]"):
        _checkpoint_file.encode({"a": [0, value]})


def test_a_checkpoint_is_an_ordinary_npz_file(tmp_path):
    path = tmp_path / "checkpoint-00000001.npz"
    weights = np.arange(6.0).reshape(2, 3)
    _checkpoint_file.write(path, _checkpoint_file.encode({"epoch": 3, "weights": weights}))
    with np.load(path, allow_pickle=False) as archive:
        document = json.loads(archive["document"].tobytes())
        assert document == {"epoch": 3, "weights": {"!": "array", "number": 0}}
        np.testing.assert_array_equal(archive["0"], weights)


@pytest.mark.slow
@pytest.mark.every_backend
def test_no_flipped_bit_changes_a_value(tmp_path):
    path = tmp_path / "checkpoint-00000001.npz"
    document = {"n": 3, "x": np.arange(20.0), "b": b"bytes"}
    _checkpoint_file.write(path, _checkpoint_file.encode(document))
    content = path.read_bytes()
    errors = 0
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            found = _checkpoint_file.read(path)
        except (ValueError, OSError):
            errors += 1
            continue
        np.testing.assert_array_equal(found.pop("x"), document["x"])
        assert found == {"n": 3, "b": b"bytes"}
    assert errors > len(content) / 2  # the others are dates and permissions in the archive


@pytest.mark.parametrize(
    "content",
    [b"", b"not an archive", pickle.dumps({"n": 1}), b"cos\nsystem\n(S'touch ran'\ntR."],
)
def test_another_file_is_not_a_checkpoint(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "checkpoint-00000001.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged or is not a checkpoint"):
        _checkpoint_file.read(path)
    np.savez_compressed(path, document=np.zeros(10**6, np.uint8))
    with pytest.raises(ValueError, match="members are larger than the file"):
        _checkpoint_file.read(path)
    assert os.listdir(tmp_path) == [path.name]


def write_all(directory, *documents):
    directory.open()
    for document in documents:
        directory.write(_checkpoint_file.encode(document))
    directory.close()
    assert directory.pop_error() is None


def test_the_newest_two_are_kept_and_a_damaged_one_gives_way(tmp_path):
    directory = CheckpointDirectory(tmp_path / "c")
    write_all(directory, *({"n": n, "x": np.arange(999)} for n in range(4)))
    newest = sorted((tmp_path / "c").glob("checkpoint-*"))
    assert len(newest) == 2
    assert directory.read_newest()["n"] == 3
    content = bytearray(newest[1].read_bytes())
    content[len(content) // 2] ^= 1
    newest[1].write_bytes(content)
    with pytest.warns(UserWarning, match="00000004.npz is damaged"):
        assert directory.read_newest()["n"] == 2
    newest[0].write_bytes(b"")
    with pytest.raises(ValueError, match="to start the training again"):
        directory.read_newest()
    write_all(directory, {"n": 9})
    assert directory.read_newest()["n"] == 9


def test_a_checkpoint_of_a_former_format_is_named(tmp_path, shards):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "checkpoint-00000001.zip").write_bytes(b"PK")
    match = r"checkpoint-00000001\.zip is a checkpoint of format 1.*format 2 \(checkpoint-\*\.npz\)"
    with pytest.raises(ValueError, match=match):
        tiny_fit(tmp_path / "c", shards([20]))
    assert sorted(os.listdir(tmp_path / "c")) == [".lock", "checkpoint-00000001.zip"]
    write_all(CheckpointDirectory(tmp_path / "d"), {"version": 3})
    with pytest.raises(ValueError, match=r"of format 3, and this version .* reads format 2"):
        tiny_fit(tmp_path / "d", shards([20]))


def test_leftovers_of_a_kill_are_removed(tmp_path):
    (tmp_path / ".tmp-12345678-checkpoint-00000002.npz").write_bytes(b"incomplete")
    (tmp_path / "notes.txt").write_text("mine")
    directory = CheckpointDirectory(tmp_path)
    write_all(directory, {"n": 1})
    assert sorted(os.listdir(tmp_path)) == [".lock", "checkpoint-00000001.npz", "notes.txt"]


def test_two_writes_are_never_under_way_together(tmp_path, monkeypatch):
    running, most = 0, 0
    write = _checkpoint_file.write

    def slow(path, encoded):
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.02)
        write(path, encoded)
        running -= 1

    monkeypatch.setattr(_checkpoint_file, "write", slow)
    directory = CheckpointDirectory(tmp_path)
    write_all(directory, *({"n": n} for n in range(4)))
    assert most == 1
    assert directory.read_newest()["n"] == 3


def test_a_checkpoint_that_fails_for_any_reason_is_reported(tmp_path, monkeypatch, shards):
    def fail(path, encoded):
        raise MemoryError

    monkeypatch.setattr(_checkpoint_file, "write", fail)
    with pytest.raises(RuntimeError, match=r"No checkpoint could be written to .*MemoryError"):
        tiny_fit(tmp_path / "c", shards([40]))


@pytest.mark.slow
def test_a_full_disk_is_an_error_at_first_and_a_warning_later(tmp_path, shards, monkeypatch):
    write = _checkpoint_file.write
    full_after = 0

    def sometimes(path, encoded):
        nonlocal full_after
        full_after -= 1
        if full_after < 0:
            raise OSError(28, "No space left on device")
        write(path, encoded)

    monkeypatch.setattr(_checkpoint_file, "write", sometimes)
    data = shards([40])
    with pytest.raises(OSError, match=r"No checkpoint could be written to .*No space left"):
        tiny_fit(tmp_path / "a", data)
    full_after = 1
    with pytest.warns(UserWarning, match=r"No space left.*The last checkpoint is kept"):
        _, history = tiny_fit(tmp_path / "b", data)
    assert history.epoch == [0, 1]
    assert CheckpointDirectory(tmp_path / "b").read_newest() is not None


def test_a_directory_that_cannot_be_written_is_found_before_training(tmp_path, shards, monkeypatch):
    def refused(*arguments, **keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(_checkpoint_directory.tempfile, "TemporaryFile", refused)
    with pytest.raises(PermissionError, match="Checkpoints cannot be written to"):
        tiny_fit(tmp_path / "c", shards([40]), [Kill(1)])


# ---- How often


def test_by_default_checkpoints_take_one_percent_of_the_time(monkeypatch):
    now = 100.0
    monkeypatch.setattr(
        "keras_bigdata.callbacks.resuming.checkpoint_schedule.time.monotonic", lambda: now
    )
    schedule = CheckpointSchedule(None)
    assert schedule.is_due(0)
    schedule.restart(0.001)
    now += 9
    assert not schedule.is_due(0.002)
    now += 2
    assert schedule.is_due(0.002)
    schedule.restart(0.5)
    now += 99
    assert not schedule.is_due(0.5)
    now += 2
    assert schedule.is_due(0.5)
    schedule = CheckpointSchedule(3)
    schedule.restart(1.0)
    assert not schedule.is_due(1.0)
    now += 3
    assert schedule.is_due(1.0)
