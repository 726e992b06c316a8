"""What a `fit` that was broken off leaves behind on TensorFlow does no harm."""

from __future__ import annotations

import itertools
import os

import keras
import pytest

from tests.helpers.forked_programs import run_forked

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its iterators"),
]


# Garbage is collected in the thread that asks for a batch, as it may happen at any time.
CHILD = """
    import gc, sys, threading
    import keras
    from keras_bigdata import ShardSequence

    asked, broken_off, collected = threading.Event(), threading.Event(), threading.Event()
    calls = 0  # since training began; the first ones are let through for a step to be made

    def collecting(batch, rng):
        global calls
        calls += calls > 0
        if calls > 4 and not asked.is_set():
            asked.set()
            broken_off.wait(20)
            gc.collect()
            collected.set()
        return batch

    class Stop(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            global calls
            calls = calls or 1

        def on_train_batch_end(self, batch, logs=None):
            if asked.wait(0.5):
                raise KeyboardInterrupt

    train = ShardSequence(
        sys.argv[1], 8, inputs="x", targets="id", transform=collecting, workers=int(sys.argv[3])
    )
    feed = {"sequence": lambda: train, "dataset": train.as_dataset}[sys.argv[2]]
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    gc.disable()
    try:
        model.fit(feed(), epochs=100, shuffle=False, verbose=0, callbacks=[Stop()])
    except KeyboardInterrupt:
        pass
    print("broken off", flush=True)
    broken_off.set()
    if sys.argv[4] == "again":
        assert collected.wait(20)
        gc.enable()
        history = model.fit(feed(), epochs=2, shuffle=False, verbose=0).history
        assert len(history["loss"]) == 2
        assert train.epoch == 2
    print("done", flush=True)
"""


ALL = list(itertools.product(["sequence", "dataset"], ["0", "1"], ["again", "end"]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_garbage_collected_by_whoever_asks_for_a_batch_is_no_deadlock(tmp_path, shards):
    directory = str(shards([100] * 8))
    found = run_forked(tmp_path, CHILD, [[directory, *arguments] for arguments in ALL])
    for arguments, (status, lines, error) in zip(ALL, found, strict=True):
        assert lines == ["broken off", "done"], (arguments, error)
        assert status == 0, (arguments, error)
