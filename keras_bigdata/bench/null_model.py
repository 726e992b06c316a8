"""`fit` with a model that trains nothing: what is left is the feeding."""

from __future__ import annotations

import statistics
import time
from typing import Any

import keras

_LEAST_EPOCHS = 3


class NullModel(keras.Model):
    """A model whose train step touches nothing, on each backend."""

    def __init__(self) -> None:
        super().__init__()
        self.built = True
        self.compile("sgd", jit_compile=False)

    def call(self, x: Any) -> Any:
        """Not called by the train step."""
        return keras.ops.zeros((1, 1))

    def train_step(self, *arguments: Any) -> Any:
        """Gives a loss without looking at the batch."""
        logs = {"loss": keras.ops.zeros(())}
        return (logs, arguments[0]) if keras.backend.backend() == "jax" else logs


class EpochTimes(keras.callbacks.Callback):
    """Times epochs, and stops when it has enough.

    An epoch is the time from its first batch to its end, and the shortest time that lay
    between the end of one and the first batch of the next: filling queues and shuffle buffers is
    counted. The shortest, because in some of these gaps, more of them on a busy machine,
    TensorFlow waits for a thread of its own, whatever feeds it: 0.3 s after epochs of 0.4 s,
    2 s after epochs of 3 s. The first epoch is not counted: functions are traced in it.

    Args:
        seconds: time to go on for, at least, after the first epoch.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._firsts: list[float] = []
        self._ends: list[float] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Forgets an earlier `fit`."""
        self._firsts, self._ends = [], []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Notes when the first batch is there."""
        if batch == 0:
            self._firsts.append(time.perf_counter())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Notes the end."""
        self._ends.append(time.perf_counter())
        enough = self._ends[-1] - self._ends[0] >= self._seconds
        if enough and len(self._ends) > _LEAST_EPOCHS:
            self.model.stop_training = True

    @property
    def typical(self) -> float:
        """Seconds of an epoch."""
        firsts = self._firsts[1:]
        gaps = [first - end for end, first in zip(self._ends, firsts, strict=False)]
        epochs = [end - first for first, end in zip(firsts, self._ends[1:], strict=True)]
        return min(gaps) + statistics.median(epochs)


def fitted_rate(
    model: keras.Model, samples: float, seconds: float, x: Any, **arguments: Any
) -> float:
    """Samples a second through `fit`.

    Args:
        model: a `NullModel`.
        samples: samples of an epoch.
        seconds: time to measure, at least.
        x: what `fit` takes.
        **arguments: others for `fit`.

    Returns:
        Samples a second of a typical epoch.
    """
    times = EpochTimes(seconds)
    # Far more epochs than are needed: the callback stops.
    model.fit(x, epochs=1_000_000, verbose=0, callbacks=[times], **arguments)
    return samples / times.typical
