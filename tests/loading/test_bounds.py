"""The time to open many shards and the memory of a `fit` do not grow with the data.

How fast `fit` is fed is measured by hand: `tests/benchmarks/feeding.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from keras_bigdata import ShardSequence, ShardWriter
from tests.helpers.paths import ROOT
from tests.helpers.pictures import BATCH, SHAPE, SHARD, write_pictures

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="does not depend on it"),
]


def test_ten_thousand_shards_open_and_give_a_batch_in_no_time(tmp_path):
    with ShardWriter(tmp_path / "many", inputs="x", targets="y") as writer:
        for number in range(10_000):
            writer.write({"x": np.full((5, 4), number, np.float32), "y": np.zeros(5, np.int32)})
    started = time.process_time()
    ShardSequence(tmp_path / "many", batch_size=64)[0]
    assert time.process_time() - started < 0.3  # 0.06


MEMORY = """
import sys, threading, time
from pathlib import Path

from keras_bigdata.bench.null_model import NullModel
from tests.helpers.pictures import sequence_of

def private():
    with open("/proc/self/smaps_rollup") as file:
        lines = dict(line.split(":") for line in file if line.startswith("Private"))
    return sum(int(value.split()[0]) for value in lines.values()) * 1024

before = private()
peak = 0

def watch():
    global peak
    while True:
        peak = max(peak, private())
        time.sleep(0.02)

threading.Thread(target=watch, daemon=True).start()
NullModel().fit(sequence_of(Path(sys.argv[1])), epochs=2, shuffle=False, verbose=0)
print(peak - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps_rollup"), reason="Linux")
def test_memory_is_bounded_by_the_window_and_not_by_the_data(tmp_path):
    write_pictures(tmp_path, shards=32)
    result = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    row = np.prod(SHAPE) + 4
    window, queue = 6 * SHARD * row, 10 * BATCH * row
    assert int(result.stdout) < window + queue + 300e6  # of 805 MB
