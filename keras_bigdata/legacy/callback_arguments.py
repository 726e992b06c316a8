"""Arguments and logs of callbacks other than `ModelCheckpoint` and `TensorBoard`."""

from __future__ import annotations

import functools
from typing import Any

import keras

from keras_bigdata.legacy.patching import wrap


def install() -> None:
    """Makes callbacks take the arguments of Keras 1 and 2, and log `lr`."""
    wrap(keras.callbacks.ReduceLROnPlateau, "__init__", _with_epsilon)
    wrap(keras.callbacks.ProgbarLogger, "__init__", _with_count_mode)
    for callback in (keras.callbacks.ReduceLROnPlateau, keras.callbacks.LearningRateScheduler):
        wrap(callback, "on_epoch_end", _logging_lr)


def _with_epsilon(initialize: Any) -> Any:
    @functools.wraps(initialize)
    def initialize_with_epsilon(self: Any, *args: Any, **kwargs: Any) -> None:
        if "epsilon" in kwargs:  # Keras 3 ignores it without a warning
            if "min_delta" in kwargs:
                raise TypeError(
                    "ReduceLROnPlateau got one argument twice: as `epsilon` and as `min_delta`."
                )
            kwargs["min_delta"] = kwargs.pop("epsilon")
        initialize(self, *args, **kwargs)

    return initialize_with_epsilon


def _with_count_mode(initialize: Any) -> Any:
    @functools.wraps(initialize)
    def initialize_with_count_mode(
        self: Any, count_mode: str = "samples", stateful_metrics: Any = None
    ) -> None:
        if count_mode not in ("samples", "steps"):
            raise ValueError(
                "ProgbarLogger: `count_mode` must be 'samples' or 'steps'. "
                f"Received: count_mode={count_mode!r}"
            )
        initialize(self)

    return initialize_with_count_mode


def _logging_lr(on_epoch_end: Any) -> Any:
    @functools.wraps(on_epoch_end)
    def on_epoch_end_logging_lr(self: Any, epoch: int, logs: Any = None) -> None:
        logs = {} if logs is None else logs
        on_epoch_end(self, epoch, logs)
        if "learning_rate" in logs:
            logs.setdefault("lr", logs["learning_rate"])

    return on_epoch_end_logging_lr
