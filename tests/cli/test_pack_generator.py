from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from keras_bigdata import ShardSequence
from keras_bigdata.cli import main

MODULE = """
import numpy as np

def batches():
    number = 0
    while True:
        yield np.full((4, 3), number, np.float32), np.arange(4) + 4 * number
        number += 1

def breaking():
    yield from zip([np.ones((4, 3))], [np.ones(4)])
    raise RuntimeError("out of pictures")

def several():
    return [next(batches())] * 5

def with_argument(size):
    yield size

def nothing():
    pass

def waiting():
    import time
    print("waiting", flush=True)
    time.sleep(60)
    yield

number = 3

class Sets:
    @staticmethod
    def train():
        return several()
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The name of a module in the current directory."""
    name = f"training_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


def test_a_generator_is_stored(module, capsys):
    command = ["pack", "generator", f"{module}:batches", "--steps", "5", "--variants", "2"]
    assert main([*command, "--shard-samples", "8", "-o", "shards"]) == 0
    told = capsys.readouterr().out
    assert "shards: 20 samples in each of 2 variants in 6 shards" in told
    sequence = ShardSequence("shards", 20, shuffle=None)
    assert sequence.batch_of(0, 0)[1].tolist() == list(range(20))
    assert sequence.batch_of(1, 0)[1].tolist() == list(range(20, 40))


@pytest.mark.parametrize("function", ["several", "Sets.train"])
def test_steps_are_not_needed_where_there_is_an_end(module, function):
    assert main(["pack", "generator", f"{module}:{function}", "-o", "shards"]) == 0
    np.testing.assert_array_equal(ShardSequence("shards", 20, shuffle=None)[0][1], [0, 1, 2, 3] * 5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{}", "expected module:function"),
        ("{}.py:batches", "without folders and .py: {}:batches"),
        ("no_such_module_1:batches", "there is no such module here"),
        ("broken_{}:batches", "cannot be imported: ZeroDivisionError"),
        ("{}:missing", "has no missing. Its functions are: batches, breaking"),
        ("{}:number", "is no function but an object of type int"),
        ("{}:with_argument", "() raised TypeError: with_argument() missing 1 required"),
        ("{}:nothing", "() does not return batches: `batches` must be"),
        ("{}:breaking", "batch 1 (from 0): generator raised RuntimeError: out of pictures"),
    ],
)
def test_errors_are_one_line_and_status_1(module, capsys, tmp_path, name, message):
    (tmp_path / f"broken_{module}.py").write_text("1 / 0")
    assert main(["pack", "generator", name.format(module), "-o", "shards"]) == 1
    told = capsys.readouterr().err
    assert message.format(module) in told
    assert told.count("\n") == 1
    assert not (tmp_path / "shards").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_says_that_it_starts_over(module, tmp_path):
    command = ["-m", "keras_bigdata.cli", "pack", "generator", f"{module}:waiting", "-o", "shards"]
    child = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert child.stdout.readline() == "waiting\n"
    child.send_signal(signal.SIGINT)
    told = child.communicate(timeout=20)[1]
    assert child.returncode == 130
    assert "keras-bigdata: stopped. The same call starts over." in told
    assert not (tmp_path / "shards").exists()
