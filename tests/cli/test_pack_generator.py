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
    raise RuntimeError("out of images")

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
    """Writes a module into the current directory and returns its name."""
    name = f"training_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


def test_a_generator_is_packed(module, capsys):
    command = ["pack", "generator", f"{module}:batches", "--steps", "5", "--variants", "2"]
    assert main([*command, "--shard-samples", "8", "-o", "shards"]) == 0
    output = capsys.readouterr().out
    assert "shards: 20 samples in each of 2 variants in 6 shards" in output
    sequence = ShardSequence("shards", 20, shuffle=None)
    assert sequence.batch_of(0, 0)[1].tolist() == list(range(20))
    assert sequence.batch_of(1, 0)[1].tolist() == list(range(20, 40))


@pytest.mark.parametrize("function", ["several", "Sets.train"])
def test_steps_are_not_needed_if_the_generator_ends(module, function):
    assert main(["pack", "generator", f"{module}:{function}", "-o", "shards"]) == 0
    np.testing.assert_array_equal(ShardSequence("shards", 20, shuffle=None)[0][1], [0, 1, 2, 3] * 5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{}", "expected MODULE:FUNCTION"),
        ("{}.py:batches", "without directories and .py: {}:batches"),
        ("no_such_module_1:batches", "it is neither installed nor in"),
        ("broken_{}:batches", "cannot be imported: ZeroDivisionError"),
        ("{}:missing", "has no attribute 'missing'. Its functions: batches, breaking"),
        ("{}:number", "expected a function without arguments. Received: an object of type int"),
        ("{}:with_argument", "() raised TypeError: with_argument() missing 1 required"),
        ("{}:nothing", "() does not return batches: `batches` must be"),
        ("{}:breaking", "batch 1 (from 0): generator raised RuntimeError: out of images"),
    ],
)
def test_errors_are_one_line_and_status_1(module, capsys, tmp_path, name, message):
    (tmp_path / f"broken_{module}.py").write_text("1 / 0")
    assert main(["pack", "generator", name.format(module), "-o", "shards"]) == 1
    error = capsys.readouterr().err
    assert message.format(module) in error
    assert error.count("\n") == 1
    assert not (tmp_path / "shards").exists()


def test_repair_reports_an_error_of_the_source_function_in_one_line(module, capsys, tmp_path):
    assert main(["repair", str(tmp_path), "--from", f"{module}:with_argument"]) == 1
    error = capsys.readouterr().err
    assert f"{module}:with_argument() raised TypeError: with_argument() missing 1" in error
    assert error.count("\n") == 1


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_says_how_to_start_over(module, tmp_path):
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
    error = child.communicate(timeout=20)[1]
    assert child.returncode == 130
    assert "keras-bigdata: interrupted. Run the same command again to start over." in error
    assert not (tmp_path / "shards").exists()
