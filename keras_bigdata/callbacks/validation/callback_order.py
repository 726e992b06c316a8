"""Callbacks that read the results of a validation, and would read them too early."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

_keras = keras.callbacks

# They write or show everything that is in the logs.
_READ_ALL = (
    _keras.CSVLogger,
    _keras.History,
    _keras.ProgbarLogger,
    _keras.RemoteMonitor,
    _keras.TensorBoard,
)


def check_order(validation: Any, callbacks: Sequence[Any]) -> None:
    """Checks that no callback reads the results of a validation before they are in the logs.

    Args:
        validation: the callback that validates.
        callbacks: all callbacks of the training, in their order.

    Raises:
        ValueError: if a callback does; the message names it.
    """
    position = next((i for i, each in enumerate(callbacks) if each is validation), 0)
    early = [type(each).__name__ for each in callbacks[:position] if reads_validation(each)]
    if early:
        name = type(validation).__name__
        names = " and ".join(filter(None, [", ".join(early[:-1]), early[-1]]))
        raise ValueError(
            f"{names} would read the logs of each epoch before {name} has written its results to "
            f"them. List {name} before {names} in `callbacks`."
        )


def reads_validation(callback: Any) -> bool:
    """Returns whether a callback reads results of a validation at the end of an epoch.

    It recognizes callbacks of Keras and of this package, their subclasses, and other callbacks with
    an attribute `monitor` that begins with `val_`.
    """
    if isinstance(callback, _keras.ModelCheckpoint):
        names_file = "{val_" in str(callback.filepath)
        if callback.save_freq != "epoch" or not (callback.save_best_only or names_file):
            return False
    if isinstance(callback, _READ_ALL) or getattr(callback, "reads_validation", False):
        return True
    return str(getattr(callback, "monitor", "")).startswith("val_")
