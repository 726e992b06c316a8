"""The process ends soon, whatever is being loaded, and without an abort."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import keras
import pytest

from tests.helpers.forked_programs import run_forked
from tests.helpers.paths import ROOT


def run(tmp_path, program, *arguments, interrupt_after=None):
    """Returns (exit status, standard output, seconds from its last line to the end)."""
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(program))
    with subprocess.Popen(
        [sys.executable, str(path), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        lines = []
        try:
            for line in process.stdout:
                lines.append(line.strip())
                if line.strip() == interrupt_after:
                    process.send_signal(signal.SIGINT)
                last = time.monotonic()
            error = process.stderr.read()
            process.wait(60)
        finally:
            process.kill()
    assert "Traceback" not in error or interrupt_after, error
    return process.returncode, lines, time.monotonic() - last


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize("processes", [False, True])
def test_the_process_ends_without_waiting_for_batches_nobody_wants(tmp_path, shards, processes):
    program = """
        import sys, time
        from keras_bigdata import ShardSequence
        def slow(batch, rng):
            time.sleep(1)
            return batch
        data = ShardSequence(sys.argv[1], 4, inputs="x", targets="id", transform=slow,
                             use_multiprocessing=sys.argv[2] == "True", max_queue_size=30)
        started = time.monotonic()
        data[0]
        print(time.monotonic() - started, flush=True)
    """
    status, (first,), seconds = run(tmp_path, program, shards([400]), processes)
    assert status == 0
    # The first batch has not waited for the 30 that were submitted after it.
    assert float(first) < 10
    assert seconds < 5


STUCK = """
    import sys, threading, time
    import keras
    from keras_bigdata import ShardSequence
    def stuck(batch, rng):
        if threading.current_thread() is not threading.main_thread():
            print("stuck", flush=True)
            time.sleep(600)
        return batch
    data = ShardSequence(sys.argv[1], 4, inputs="x", targets="id", transform=stuck, workers=1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    try:
        model.fit(data, verbose=0, shuffle=False)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.slow
def test_a_transform_that_is_stuck_does_not_keep_the_process_alive_after_ctrl_c(tmp_path, shards):
    if keras.backend.backend() == "tensorflow":
        pytest.skip("Keras waits in C++ for the thread of TensorFlow, which does not see Ctrl-C")
    status, lines, seconds = run(tmp_path, STUCK, shards([40]), interrupt_after="stuck")
    assert (status, lines) == (0, ["stuck", "interrupted"])
    assert seconds < 10


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its threads call Python")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_the_end_of_the_process_is_not_an_abort_while_a_dataset_loads(tmp_path, shards):
    """Status -6, "terminate called without an active exception", in two of five runs."""
    program = """
        import sys, threading, time
        import keras
        from keras_bigdata import ShardSequence
        loading = threading.Event()
        def slow(batch, rng):
            if threading.current_thread().name.startswith("keras_bigdata"):
                loading.set()
                time.sleep(float(sys.argv[2]))
            return batch
        class Stop(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                loading.wait(10)
                raise KeyboardInterrupt
        data = ShardSequence(sys.argv[1], 8, inputs="x", targets="id", transform=slow, workers=1)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        try:
            model.fit(data.as_dataset(), epochs=100, verbose=0, callbacks=[Stop()])
        except KeyboardInterrupt:
            print("stopped", flush=True)
    """
    directory = str(shards([100] * 8))
    for status, lines, error in run_forked(
        tmp_path, program, [[directory, seconds] for seconds in ("0.02", "0.3") * 3]
    ):
        assert (status, lines) == (0, ["stopped"]), error
        assert "Traceback" not in error, error
