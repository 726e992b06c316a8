"""The names of logged quantities in Keras 1, 2 and 3."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import keras

from keras_bigdata.callbacks._monitor import infer_mode

# (one name, the other). `acc` was logged for "accuracy" before Keras 2.3.
_PAIRS = (("acc", "accuracy"),)
# These are metrics of their own, which never had a short name.
_OTHERS = ("binary_accuracy", "categorical_accuracy")


def alias(name: str) -> str | None:
    """The other name of a logged quantity: `val_acc` for `val_accuracy`, and back."""
    for short, long in _PAIRS:
        for one, other in ((short, long), (long, short)):
            if (name == one or name.endswith(f"_{one}")) and not name.endswith(_OTHERS):
                return name[: len(name) - len(one)] + other
    return None


def add_aliases(logs: dict[str, Any]) -> None:
    """Puts every quantity into the logs under both of its names."""
    for name in list(logs):
        other = alias(name)
        if other is not None:
            logs.setdefault(other, logs[name])


class Names(keras.callbacks.Callback):
    """Makes logs answer to old and new names for the callbacks after it in the list.

    A `mode="auto"` that Keras 3 cannot resolve, because the monitor has the other name, the name
    of an output or a function of the user's, is resolved as Keras 2 did for the time of this fit.

    Args:
        callbacks: the user's callbacks.
    """

    async_safe = True

    def __init__(self, callbacks: Iterable[Any]) -> None:
        super().__init__()
        self._callbacks = list(callbacks)
        self._automatic: list[Any] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            add_aliases(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is None:
            return
        add_aliases(logs)
        for callback in self._callbacks:
            monitor = getattr(callback, "monitor", None)
            automatic = getattr(callback, "mode", None) == "auto"
            if automatic and isinstance(monitor, str) and monitor in logs:
                callback.mode = automatic_mode(
                    self.model, monitor, warn=getattr(callback, "save_best_only", True)
                )
                self._automatic.append(callback)

    def restore(self) -> None:
        """Gives the callbacks their `mode` back."""
        for callback in self._automatic:
            callback.mode = "auto"
        self._automatic.clear()


def automatic_mode(model: Any, monitor: str, warn: bool = True) -> str:
    """`"max"` or `"min"`: what Keras 3 knows of the metric, else the rule of Keras 2.

    Args:
        model: the model whose metrics may tell.
        monitor: the name of the quantity, under either of its names.
        warn: whether to say so when nothing is known.
    """
    for name in (monitor, alias(monitor)):
        if name is not None:
            try:
                return infer_mode(model, name)
            except ValueError:
                continue
    if "acc" in monitor or monitor.removeprefix("val_").startswith("fmeasure"):
        return "max"
    if warn:
        warnings.warn(
            f"It is not known whether a greater or a smaller {monitor!r} is better; as in Keras 2, "
            "a smaller one is taken to be. Pass mode='max' or mode='min' to the callback.",
            stacklevel=2,
        )
    return "min"
