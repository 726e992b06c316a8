"""The quantity a callback watches: where it is in the logs, and which way is better."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import keras

Direction = Literal["min", "max"]


def say(callback: Any, text: str) -> None:
    """Prints a line, below the progress bar if `fit` draws one."""
    progress_bar = (callback.params or {}).get("verbose") in (1, "auto")
    print(f"\n{text}" if progress_bar else text)
    sys.stdout.flush()


def lookup(logs: Mapping[str, Any], monitor: str, callback: Any) -> float | None:
    """The monitored value of an epoch, or `None` if the epoch had no validation.

    Raises:
        ValueError: if `monitor` should be among `logs` and is not, or is not one number.
    """
    if monitor not in logs:
        if monitor.startswith("val_") and not any(name.startswith("val_") for name in logs):
            return None
        raise ValueError(missing(monitor, logs, callback))
    try:
        return float(logs[monitor])
    except TypeError:
        raise ValueError(
            f"{type(callback).__name__} watches one number, and {monitor!r} is not one. "
            f"Received: {logs[monitor]!r}"
        ) from None


def refuse_if_late(logs: Mapping[str, Any] | None, monitor: str, callback: Any) -> None:
    """Called after the epoch, when its logs hold what all callbacks wrote.

    Raises:
        ValueError: if there was a validation, but after the callback had read the logs.
    """
    if monitor.startswith("val_") and any(name.startswith("val_") for name in logs or ()):
        raise ValueError(
            f"{type(callback).__name__} watches {monitor!r}, and the validation came into the logs "
            "only after it had read them. List WeightedValidation before "
            f"{type(callback).__name__} in `callbacks`."
        )


def missing(monitor: str, logs: Mapping[str, Any], callback: Any) -> str:
    """Says that `monitor` is not in the logs, what is, and what to do."""
    text = (
        f"{type(callback).__name__} watches {monitor!r}, which is not in the logs of the epoch. "
        f"There are: {', '.join(map(repr, sorted(logs))) or 'none'}."
    )
    if monitor.startswith("val_"):
        text += (
            " If WeightedValidation computes it, list WeightedValidation before"
            f" {type(callback).__name__} in `callbacks`; otherwise pass `validation_data` to `fit`."
        )
    return text


def direction(model: Any, monitor: str) -> Direction:
    """Whether a smaller or a greater value of `monitor` is better, by its name.

    A validation set's or an output's name may stand before the metric's: of the names that
    `monitor` ends with, the longest one that the model knows decides.

    Raises:
        ValueError: if no metric is found, or Keras does not know its direction.
    """
    compiled, own = _metric_names(model)
    for name in _suffixes(monitor.removeprefix("val_")):
        if name == "loss":
            return "min"
        if name in compiled:
            found = _probe(model, name)
            if found is not None:
                return found
            break
        # Trackers of an output's loss are found again as "loss".
        if name in own and not name.endswith("_loss"):
            break
    metrics = ", ".join(map(repr, sorted(compiled | own))) or "none"
    raise ValueError(
        f"It is not known whether a smaller or a greater {monitor!r} is better. Pass mode='min' or "
        f"mode='max'. Metrics of the model: {metrics}."
    )


def _metric_names(model: Any) -> tuple[set[str], set[str]]:
    """Names of the metrics given to `compile`, and of the others."""
    compiled: set[str] = set()
    own: set[str] = set()
    for metric in getattr(model, "metrics", ()):
        if hasattr(metric, "metrics"):
            compiled.update(part.name for part in metric.metrics)
        else:
            own.add(metric.name)
    return compiled, own


def _suffixes(name: str) -> Iterator[str]:
    """`a_b_c`, `b_c`, `c`."""
    parts = name.split("_")
    for start in range(len(parts)):
        yield "_".join(parts[start:])


def _probe(model: Any, metric: str) -> Direction | None:
    """Asks Keras's `EarlyStopping`, which prefers 2 to 1 where greater is better."""
    probe = keras.callbacks.EarlyStopping(monitor=metric, mode="auto", patience=sys.maxsize)
    probe.set_model(model)
    probe.on_train_begin()
    try:
        probe.on_epoch_end(0, {metric: 1.0})
    except ValueError:
        return None
    probe.on_epoch_end(1, {metric: 2.0})
    return "max" if probe.best == 2.0 else "min"
