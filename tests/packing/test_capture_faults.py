"""Generators that fail, end early or never end, and directories that cannot be written."""

from __future__ import annotations

import itertools
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from keras_bigdata import PackError, ShardIndex, ShardSequence, capture
from tests.packing.captured import (
    SIZES,
    TOTAL,
    Locked,
    OldSequence,
    W,
    X,
    Y,
    batches,
    endless,
    is_empty,
    stored_ids,
)


class FloatLength(OldSequence):
    def __len__(self):
        return np.ceil(2.5)


def then(*parts):
    """A good batch, then these."""
    yield X, Y
    yield from parts


def ragged():
    return np.array([[1, 2], [3]], dtype=object)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((X, Y, W), r"the structure is \(x, y, w\), but in the first batch it was \(x, y\)"),
        (((X, X), Y), r"the structure is \(\(x\.0, x\.1\), y\), but .* \(x, y\)"),
        ((X.astype(np.float64), Y), "field 'x' has dtype float64, but float32 in the first"),
        ((X[:, :2], Y), r"field 'x' has rows of shape \(2,\), but of shape \(3,\) in the first"),
        ((X, Y[:5]), "field 'y' has 5 rows, but field 'x' has 6"),
        ((X, 3), r"field 'y' is a single number \(int\)"),
        ((X, [1, 2]), r"field 'y.0' is a single number"),
        ((X, [X, None]), "field 'y.1' is None"),
        (
            (ragged(), Y[:2]),
            r"field 'x' .* holds rows of different length, but .* \(3,\) in the first batch",
        ),
        ((X, np.array(["a"] * 6)), "field 'y' holds texts"),
        ((X, np.zeros(6, "M8[s]")), "field 'y' has dtype datetime64"),
        ((X, object()), "field 'y' is of type object, which is not an array. Convert it"),
        ((X, {}), "field 'y' is an empty dict"),
        ((X, {1: Y}), "field 'y' is a dict whose keys must be str, not 1"),
        (({"a.b": X, "a": {"b": X}}, Y), "two fields would have the name 'x.a.b'"),
        ((X, Y, W, W), "Received: a tuple of length 4"),
        (None, "there are no inputs"),
        ((X, None, W), "there are no targets"),
    ],
)
def test_a_batch_unlike_the_first_is_named(tmp_path, batch, message):
    with pytest.raises(PackError, match=rf"batch 1 \(from 0\): .*{message}"):
        capture(then(batch), tmp_path / "s", shard_samples=2)
    assert is_empty(tmp_path / "s")
    if message.startswith("field") and "in the first" not in message:
        with pytest.raises(PackError, match=rf"batch 0 \(from 0\): .*{message}"):
            capture([batch], tmp_path / "s")


def test_a_generator_that_raises_in_the_middle(tmp_path):
    class Broken(Exception):
        pass

    def generator():
        yield from batches()
        raise Broken("no more")

    (tmp_path / "s").mkdir()
    with pytest.raises(
        PackError, match=r"batch 6 \(from 0\): generator raised Broken: no more"
    ) as e:
        capture(generator(), tmp_path / "s", shard_samples=3)
    assert isinstance(e.value.__cause__, Broken)
    assert "test_capture_faults.py" in str(e.value)
    assert "Nothing was kept" in str(e.value)
    assert is_empty(tmp_path / "s")
    capture(batches(), tmp_path / "s")  # the directory can be used again
    assert stored_ids(tmp_path / "s") == list(range(TOTAL))


def test_an_error_in_a_later_variant_is_named(tmp_path):
    class Failing(OldSequence):
        def __getitem__(self, index):
            if self.epoch == 1 and index == 2:
                raise FileNotFoundError("gone.png")
            return super().__getitem__(index)

    with pytest.raises(PackError, match=r"batch 2 \(from 0\) of variant 1: .* gone\.png"):
        capture(Failing(SIZES), tmp_path / "s", variants=2)
    assert not (tmp_path / "s").exists()


def test_one_that_ends_early(tmp_path):
    with pytest.raises(PackError, match=r"ended here, after 6 batches\. Received: steps=10"):
        capture(batches(), tmp_path / "s", steps=10)
    with pytest.raises(PackError, match=r"batch 2 \(from 0\) of variant 1: .* after 6 batches"):
        capture(batches(), tmp_path / "s", steps=4, variants=2)
    assert is_empty(tmp_path / "s")


@pytest.mark.parametrize("source", [[], iter(()), Locked(iter(())), OldSequence([])])
def test_no_batches(tmp_path, source):
    with pytest.raises(PackError, match=r"nothing to store: .* yielded no batches"):
        capture(source, tmp_path / "s")
    assert is_empty(tmp_path / "s")


def test_empty_batches_add_nothing(tmp_path):
    empty = (X[:0], Y[:0])
    capture([empty, (X, Y), empty], tmp_path / "s")
    assert stored_ids(tmp_path / "s") == list(range(6))
    with pytest.raises(PackError, match="yielded only empty batches"):
        capture([empty], tmp_path / "t")
    assert is_empty(tmp_path / "t")


@pytest.mark.parametrize(
    "source",
    [
        itertools.cycle(list(batches())),
        itertools.repeat((X, Y)),
        zip(itertools.cycle([X]), itertools.cycle([Y]), strict=False),
    ],
)
def test_one_that_is_known_never_to_end_needs_steps(tmp_path, source):
    with pytest.raises(ValueError, match="never ends needs `steps`, the number of batches"):
        capture(source, tmp_path / "s")
    capture(source, tmp_path / "s", steps=2)
    assert ShardIndex.load(tmp_path / "s").num_samples > 0


def test_one_that_never_ends_stops_before_the_disk_is_full(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(PackError, match=r"has not ended, and the disk is nearly full.*`steps`"):
        capture(endless(), tmp_path / "s", shard_samples=100)
    assert is_empty(tmp_path / "s")


def test_ctrl_c_leaves_nothing_and_says_so(tmp_path, capsys):
    def generator():
        yield from batches()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        capture(generator(), tmp_path / "s", shard_samples=3)
    assert not (tmp_path / "s").exists()
    assert "stopped. Nothing was kept. A capture cannot be continued" in capsys.readouterr().err


KILLED = """
import sys, time, numpy as np
from keras_bigdata import capture

def generator():
    for number in range(1000):
        if number == 20:
            print("running", flush=True)
            time.sleep(60)
        yield np.full((4, 3), number, np.float32), np.arange(4)

capture(generator(), sys.argv[1], shard_samples=8)
"""


def test_what_a_kill_has_left_is_removed_unless_it_is_still_running(tmp_path, capsys):
    directory = tmp_path / "s"
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(directory)], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"running\n"
    with pytest.raises(PackError, match=f"is being packed by process {child.pid}"):
        capture(batches(), directory)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert list(directory.glob("shard-*.pkl"))
    with pytest.raises(Exception, match="is not complete: a `ShardWriter` was stopped"):
        ShardSequence(directory, 4, inputs="x")
    capture(batches(), directory)
    assert stored_ids(directory) == list(range(TOTAL))
    assert "A capture cannot be continued: it starts over" in capsys.readouterr().err


def test_a_directory_with_something_else_is_refused_untouched(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s/notes.txt").write_text("mine")
    taken = []

    def generator():
        taken.append(1)
        yield X, Y

    with pytest.raises(PackError, match=r"holds something else: notes.txt"):
        capture(generator(), tmp_path / "s")
    assert (tmp_path / "s/notes.txt").read_text() == "mine"
    assert not taken  # known before the generator is begun
    capture([(X, Y)], tmp_path / "t")
    with pytest.raises(PackError, match=r"holds something else: index.json"):
        capture([(X, Y)], tmp_path / "t")
    with pytest.raises(PackError, match="is a file"):
        capture([(X, Y)], tmp_path / "s/notes.txt")


def test_shards_of_an_unfinished_writer_are_not_removed(tmp_path):
    from keras_bigdata import ShardWriter

    ShardWriter(tmp_path / "s").write({"x": X})
    with pytest.raises(PackError, match="holds something else"):
        capture([(X, Y)], tmp_path / "s")
    assert len(list((tmp_path / "s").glob("shard-*.pkl"))) == 1


def test_a_disk_that_is_full(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keras_bigdata.shards.writing.writer.write_shard", full)
    with pytest.raises(PackError, match=r"cannot be written: .*No space left"):
        capture(batches(), tmp_path / "s")
    assert is_empty(tmp_path / "s")


@pytest.mark.parametrize(
    ("source", "arguments", "error", "message"),
    [
        (lambda: (X, Y), {}, TypeError, "a function: pass what it returns"),
        ((X, Y), {}, TypeError, r"a tuple of arrays"),
        (X, {}, TypeError, "object of type ndarray"),
        ({"x": X}, {}, TypeError, "object of type dict"),
        ("shards", {}, TypeError, "Received: 'shards' of type str"),
        (None, {}, TypeError, "Received: None"),
        (FloatLength([1]), {}, TypeError, "len.. of the FloatLength fails: .*float"),
        (batches(), {"steps": 2.5}, TypeError, "steps=2.5 of type float"),
        (batches(), {"steps": 0}, ValueError, "`steps` must be an integer of at least 1"),
        (batches(), {"steps": True}, TypeError, "`steps` must be"),
        (batches(), {"variants": 0}, ValueError, "`variants` must be"),
        (batches(), {"variants": None}, TypeError, "`variants` must be"),
        (batches(), {"shard_samples": -1}, ValueError, "`shard_samples` must be"),
        (batches(), {"variants": 2}, ValueError, "run only once, so `variants` of it need `steps`"),
    ],
)
def test_bad_arguments(tmp_path, source, arguments, error, message):
    with pytest.raises(error, match=message):
        capture(source, tmp_path / "s", **arguments)
    assert is_empty(tmp_path / "s")
