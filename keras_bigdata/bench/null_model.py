"""`fit` with a model that trains nothing, so that only the input pipeline takes time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import keras

# Minimum number of epochs that are timed, in addition to the first one.
_MIN_EPOCHS = 3


class NullModel(keras.Model):
    """Model whose training step ignores the batch, on every backend.

    Args:
        jit_compile: as in `keras.Model.compile`. Defaults to `False`.
    """

    def __init__(self, jit_compile: bool | str = False) -> None:
        super().__init__()
        self.built = True
        self.compile("sgd", jit_compile=jit_compile)

    def call(self, x: Any) -> Any:
        """Returns a zero; the training step does not call it."""
        return keras.ops.zeros((1, 1))

    def train_step(self, *arguments: Any) -> Any:
        """Returns a loss of 0, with the unchanged state on JAX."""
        logs = {"loss": keras.ops.zeros(())}
        return (logs, arguments[0]) if keras.backend.backend() == "jax" else logs


class EpochTimer(keras.callbacks.Callback):
    """Measures the time of an epoch, and stops training after enough epochs.

    The time of an epoch is the median time from its first batch to its end, plus the shortest time
    between the end of an epoch and the first batch of the next one: filling queues and shuffle
    buffers counts. The shortest time is used because in some of these gaps (in more of them on a
    busy machine) TensorFlow waits for a thread of its own, with any input pipeline: 0.3 s after
    epochs of 0.4 s, 2 s after epochs of 3 s. The first epoch does not count, because functions are
    traced in it.

    Args:
        seconds: minimum time to measure after the first epoch.
        clock: function that returns a time in seconds. Defaults to `time.perf_counter`.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        super().__init__()
        self._seconds = seconds
        self._clock = clock
        self._first_batches: list[float] = []
        self._ends: list[float] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Discards the times of an earlier `fit`."""
        self._first_batches, self._ends = [], []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Records when the first batch of an epoch arrives."""
        if batch == 0:
            self._first_batches.append(self._clock())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Records the end of an epoch, and stops training if enough time has passed."""
        self._ends.append(self._clock())
        enough = self._ends[-1] - self._ends[0] >= self._seconds
        if enough and len(self._ends) > _MIN_EPOCHS:
            self.model.stop_training = True

    @property
    def epoch_seconds(self) -> float:
        """Time of a typical epoch in seconds."""
        first_batches = self._first_batches[1:]
        gaps = [first - end for end, first in zip(self._ends, first_batches, strict=False)]
        epochs = [end - first for first, end in zip(first_batches, self._ends[1:], strict=True)]
        return min(gaps) + statistics.median(epochs)


def measure_fit(
    model: keras.Model, samples: float, seconds: float, x: Any, **arguments: Any
) -> float:
    """Measures the throughput of `fit`.

    Args:
        model: a `NullModel`.
        samples: samples per epoch.
        seconds: minimum time to measure.
        x: data for `fit`.
        **arguments: further arguments for `fit`.

    Returns:
        Samples per second in a typical epoch.
    """
    timer = EpochTimer(seconds)
    # Far more epochs than necessary: the callback stops the training.
    model.fit(x, epochs=1_000_000, verbose=0, callbacks=[timer], **arguments)
    return samples / timer.epoch_seconds
