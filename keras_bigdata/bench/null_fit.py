"""`fit` with a model that trains nothing: what is left is the feeding."""

from __future__ import annotations

import itertools
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
    """Times epochs from the end of one to the end of the next, and stops when it has enough.

    Nothing is left out that way, neither beginning an epoch nor filling queues. The first
    epoch is not counted: functions are traced in it. TensorFlow begins some epochs, fewer than
    half, about 150 ms late, whoever feeds it: the median does not see them.

    Args:
        seconds: time to go on for, at least, after the first epoch.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._ends: list[float] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Forgets an earlier `fit`."""
        self._ends = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Notes the time."""
        self._ends.append(time.perf_counter())
        enough = self._ends[-1] - self._ends[0] >= self._seconds
        if enough and len(self._ends) > _LEAST_EPOCHS:
            self.model.stop_training = True

    @property
    def median(self) -> float:
        """Seconds of an epoch."""
        return statistics.median(b - a for a, b in itertools.pairwise(self._ends))


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
        The median over epochs.
    """
    times = EpochTimes(seconds)
    # Far more epochs than are needed: the callback stops.
    model.fit(x, epochs=1_000_000, verbose=0, callbacks=[times], **arguments)
    return samples / times.median
