"""The quantity that a callback monitors: its value in the logs, and which direction is better."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import keras
import numpy as np

from keras_bigdata.keras_internals.callbacks import compiled_metrics

Mode = Literal["min", "max"]


def monitored_value(logs: Mapping[str, Any], monitor: str, callback: Any) -> float | None:
    """Returns the monitored value of an epoch, or `None` if the epoch had no validation.

    Raises:
        ValueError: if `monitor` should be among `logs` and is not, or if its value is not a number.
    """
    if monitor not in logs:
        if monitor.startswith("val_") and not any(name.startswith("val_") for name in logs):
            return None
        raise ValueError(missing_monitor_message(monitor, logs, callback))
    value = logs[monitor]
    try:
        array = np.asarray(
            keras.ops.convert_to_numpy(value) if keras.ops.is_tensor(value) else value
        )
        # A metric of several classes has an array of shape (1,) if there is one class.
        return float(array.reshape(()))
    except (TypeError, ValueError):
        raise ValueError(
            f"{type(callback).__name__} monitors one number, and {monitor!r} is not one. Monitor a "
            "metric that returns one number, such as an average over the classes. "
            f"Received: {value!r}"
        ) from None


def check_validation_order(logs: Mapping[str, Any] | None, monitor: str, callback: Any) -> None:
    """Checks that a validation did not come too late; called after the epoch.

    By then the logs contain the entries of all callbacks of the epoch.

    Raises:
        ValueError: if there was a validation, but after the callback had read the logs.
    """
    if monitor.startswith("val_") and any(name.startswith("val_") for name in logs or ()):
        raise ValueError(
            f"{type(callback).__name__} monitors {monitor!r}, and the results of the validation "
            "were written to the logs after it had read them. List WeightedValidation before "
            f"{type(callback).__name__} in `callbacks`."
        )


def missing_monitor_message(monitor: str, logs: Mapping[str, Any], callback: Any) -> str:
    """Returns a message that `monitor` is not in the logs, with the names in them and a remedy."""
    text = (
        f"{type(callback).__name__} monitors {monitor!r}, which is not in the logs of the epoch. "
        f"Available: {', '.join(map(repr, sorted(logs))) or 'none'}."
    )
    is_val = monitor.startswith("val_")
    alike = {name.removeprefix("val_"): name for name in logs if name.startswith("val_") == is_val}
    if is_val and not alike:
        return text + (
            " If WeightedValidation computes it, list WeightedValidation before"
            f" {type(callback).__name__} in `callbacks`; otherwise pass `validation_data` to `fit`."
        )
    for similar in difflib.get_close_matches(monitor.removeprefix("val_"), alike, 1, cutoff=0.5):
        text += f" The most similar one is {alike[similar]!r}."
    return text


def infer_mode(model: Any, monitor: str) -> Mode:
    """Returns "min" if a smaller value of `monitor` is better and "max" if a greater one is.

    The name of a validation set or of an output may precede that of the metric. The longest ending
    of `monitor` that is the name of a metric of the model decides.

    Raises:
        ValueError: if no metric is found, or Keras does not know its direction.
    """
    compiled, others = _metric_names(model)
    for name in _endings(monitor.removeprefix("val_")):
        if name == "loss":
            return "min"
        if name in compiled:
            mode = _mode_in_keras(model, name)
            if mode is not None:
                return mode
            break
        # The tracker of an output's loss is found as "loss", its next ending.
        if name in others and not name.endswith("_loss"):
            break
    metrics = ", ".join(map(repr, sorted(compiled | others))) or "none"
    raise ValueError(
        f"It is not known whether a smaller or a greater {monitor!r} is better. Pass mode='min' or "
        f"mode='max'. Metrics of the model: {metrics}."
    )


def print_below_progress(callback: Any, text: str) -> None:
    """Prints a line, below the progress bar if `fit` draws one."""
    has_progress_bar = (callback.params or {}).get("verbose") in (1, "auto")
    print(f"\n{text}" if has_progress_bar else text)
    sys.stdout.flush()


def _metric_names(model: Any) -> tuple[set[str], set[str]]:
    """Returns the names of the metrics passed to `compile`, and those of the other metrics."""
    compiled: set[str] = set()
    others: set[str] = set()
    for metric in getattr(model, "metrics", ()):
        parts = compiled_metrics(metric)
        if parts is None:
            others.add(metric.name)
        else:
            compiled.update(part.name for part in parts)
    return compiled, others


def _endings(name: str) -> Iterator[str]:
    """Yields `a_b_c`, `b_c` and `c`."""
    parts = name.split("_")
    for start in range(len(parts)):
        yield "_".join(parts[start:])


def _mode_in_keras(model: Any, metric: str) -> Mode | None:
    """Returns the mode that `mode="auto"` of Keras's `EarlyStopping` selects for a metric.

    After 1.0 and 2.0 its `best` is 2.0 if greater is better. Keras has no public function for
    this: `MonitorCallback` is not exported.
    """
    early_stopping = keras.callbacks.EarlyStopping(
        monitor=metric, mode="auto", patience=sys.maxsize
    )
    early_stopping.set_model(model)
    early_stopping.on_train_begin()
    try:
        early_stopping.on_epoch_end(0, {metric: 1.0})
    except ValueError:
        return None
    early_stopping.on_epoch_end(1, {metric: 2.0})
    return "max" if early_stopping.best == 2.0 else "min"
