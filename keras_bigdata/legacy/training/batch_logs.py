"""`logs["batch"]` and `logs["size"]` of callbacks, as in Keras 1 and 2.

The logs of `on_batch_begin` and `on_batch_end` had the number of the batch in its epoch, and its
number of rows. Keras 3 passes no logs at the begin, and only metrics at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import keras

RowsOf = Callable[[int], int | None]

_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
# Their callbacks show or write all entries of the logs.
_PACKAGES = ("keras", "keras_bigdata")


def with_batch_logs(rows_of: RowsOf, callbacks: Iterable[Any]) -> list[Any]:
    """Returns callbacks with others between them that change the logs of batches.

    Args:
        rows_of: returns the number of rows of a batch of the current epoch; `None` if it is not
            known. Then `logs["size"]` is missing.
        callbacks: the callbacks of a training.
    """
    listed: list[Any] = []
    for callback in callbacks:
        if _reads_batch_logs(callback):
            listed += [_AddEntries(rows_of), callback, _RemoveEntries()]
        else:
            listed.append(callback)
    return listed


def rows_of_arrays(x: Any, batch_size: int | None, validation_split: float | None) -> RowsOf:
    """Returns a function of the number of a batch that returns its rows.

    Args:
        x: the inputs of `fit`.
        batch_size: its batch size; `None` for the default.
        validation_split: the share of the rows that is not trained on.
    """
    shape = getattr(next(iter(keras.tree.flatten(x)), None), "shape", None)
    if not shape or shape[0] is None:
        return lambda batch: None
    rows = int(int(shape[0]) * (1 - (validation_split or 0.0)))
    size = batch_size or 32

    def rows_of(batch: int) -> int | None:
        left = rows - batch * size
        return min(size, left) if left > 0 else None

    return rows_of


def _reads_batch_logs(callback: Any) -> bool:
    is_of_user = type(callback).__module__.partition(".")[0] not in _PACKAGES
    if isinstance(callback, keras.callbacks.LambdaCallback):
        return any(hook in vars(callback) for hook in _HOOKS)
    base = keras.callbacks.Callback
    return is_of_user and any(
        getattr(type(callback), hook, None) is not getattr(base, hook) for hook in _HOOKS
    )


class _AddEntries(keras.callbacks.Callback):
    """Adds the entries to the logs for the next callback."""

    async_safe = True

    def __init__(self, rows_of: RowsOf) -> None:
        super().__init__()
        self._rows_of = rows_of

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the entries, which the logs of all callbacks share."""
        if logs is not None:
            logs["batch"] = batch
            rows = self._rows_of(batch)
            if rows is not None:
                logs["size"] = rows

    on_train_batch_end = on_train_batch_begin


class _RemoveEntries(keras.callbacks.Callback):
    """Removes the entries after the callback that they were added for."""

    async_safe = True

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Removes the entries."""
        if logs is not None:
            logs.pop("batch", None)
            logs.pop("size", None)

    on_train_batch_end = on_train_batch_begin
