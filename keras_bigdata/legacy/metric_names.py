"""The names of logged metrics in Keras 1, 2 and 3."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import keras

from keras_bigdata.callbacks.shared.monitor import infer_mode
from keras_bigdata.old_keras.metric_groups import METRIC_GROUPS

# Separate metrics, which never had a short name.
_WITHOUT_ALIAS = ("binary_accuracy", "categorical_accuracy")


def metric_alias(name: str) -> str | None:
    """Returns the other name of a logged metric: `val_acc` for `val_accuracy`, and vice versa.

    Returns:
        The other name, or `None` if the metric has only one.
    """
    for group in METRIC_GROUPS:
        for one in group:
            is_metric = name == one or name.endswith(f"_{one}")
            if is_metric and not name.endswith(_WITHOUT_ALIAS):
                other = group[1] if one == group[0] else group[0]
                return name[: len(name) - len(one)] + other
    return None


def add_aliases(logs: dict[str, Any]) -> None:
    """Adds every metric of the logs under its other name too."""
    for name in list(logs):
        other = metric_alias(name)
        if other is not None:
            logs.setdefault(other, logs[name])


class MetricAliases(keras.callbacks.Callback):
    """Adds metrics to the logs under their old and new names, for the callbacks after it.

    It also resolves `mode="auto"` as Keras 2 did, for the duration of this `fit`, if Keras 3 cannot
    because the monitor is the other name, or belongs to an output or to a custom function.

    Args:
        callbacks: the user's callbacks.
    """

    async_safe = True

    def __init__(self, callbacks: Iterable[Any]) -> None:
        super().__init__()
        self._callbacks = list(callbacks)
        self._resolved: list[Any] = []

    def around(self) -> list[Any]:
        """Returns the callbacks with this one before them and after those that may write logs.

        `WeightedValidation` and similar callbacks write results into the logs of an epoch. The
        callbacks after them, and the History, find these under both names too.
        """
        listed: list[Any] = [self]
        for callback in self._callbacks:
            listed.append(callback)
            if type(callback).__module__.partition(".")[0] != "keras":
                listed.append(_AliasesOfEpoch(self))
        return [*listed, _AliasesOfEpoch(self, is_last=True)]

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the other names to the logs."""
        if logs is not None:
            add_aliases(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the other names to the logs, and resolves `mode="auto"`."""
        if logs is None:
            return
        add_aliases(logs)
        for callback in self._callbacks:
            monitor = getattr(callback, "monitor", None)
            is_auto = getattr(callback, "mode", None) == "auto"
            if is_auto and isinstance(monitor, str) and monitor in logs:
                callback.mode = resolve_auto_mode(
                    self.model, monitor, warn=getattr(callback, "save_best_only", True)
                )
                self._resolved.append(callback)

    def restore(self) -> None:
        """Sets `mode="auto"` again on the callbacks whose mode was resolved."""
        for callback in self._resolved:
            callback.mode = "auto"
        self._resolved.clear()


class _AliasesOfEpoch(keras.callbacks.Callback):
    """Adds the other names of metrics that the callback before it wrote to the logs of an epoch.

    Args:
        aliases: the callback that adds the names.
        is_last: whether it is after all callbacks of the user. It then also adds `lr`, under which
            Keras 2 logged the learning rate.
    """

    async_safe = True

    def __init__(self, aliases: MetricAliases, is_last: bool = False) -> None:
        super().__init__()
        self._aliases = aliases
        self._is_last = is_last

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the other names to the logs."""
        self._aliases.on_epoch_end(epoch, logs)
        if self._is_last and logs is not None and "learning_rate" in logs:
            logs.setdefault("lr", logs["learning_rate"])


def resolve_auto_mode(model: Any, monitor: str, warn: bool = True) -> str:
    """Returns `"max"` or `"min"`: what Keras 3 infers, or else the result of the rule of Keras 2.

    Args:
        model: the model that has the metric.
        monitor: the name of the metric; either of its names.
        warn: whether to warn if neither determines it and `"min"` is assumed. Defaults to `True`.
    """
    for name in (monitor, metric_alias(monitor)):
        if name is not None:
            try:
                return infer_mode(model, name)
            except ValueError:
                continue
    if "acc" in monitor or monitor.removeprefix("val_").startswith("fmeasure"):
        return "max"
    if warn:
        warnings.warn(
            f"It is not known whether a greater or a smaller {monitor!r} is better. A smaller "
            "value is assumed to be better, as in Keras 2. Pass mode='max' or mode='min' to the "
            "callback.",
            stacklevel=2,
        )
    return "min"
