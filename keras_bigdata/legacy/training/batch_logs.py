"""The logs of batches in callbacks, as in Keras 1 and 2.

The logs of `on_batch_begin` and `on_batch_end` had the number of the batch in its epoch, as
`"batch"`, and its number of rows, as `"size"`. Keras 3 passes no logs at the begin, and only
metrics at the end.

In `keras` until 2.2 the loss and the accuracy were those of the batch. In Keras 3 they are means
over the rows since the begin of the epoch, from which those of the batch are computed, with a
rounding error that grows with the number of batches: 6e-5 of the mean after 1,000 batches.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import keras

from keras_bigdata.legacy.calling_script import keras_root
from keras_bigdata.legacy.models.compiled_losses import has_own_step

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
    values_of_batches = keras_root() == "keras"
    for callback in callbacks:
        if _reads_batch_logs(callback):
            added = _AddEntries(rows_of, values_of_batches=values_of_batches)
            listed += [added, callback, _RemoveEntries(added)]
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
    """Adds the entries to the logs for the next callback.

    Args:
        rows_of: as in `with_batch_logs`.
        values_of_batches: whether the loss and the accuracy become those of the batch.
    """

    async_safe = True

    def __init__(self, rows_of: RowsOf, *, values_of_batches: bool) -> None:
        super().__init__()
        self._rows_of = rows_of
        self._values_of_batches = values_of_batches
        self._means: dict[str, Any] = {}
        self._rows: int | None = 0
        self._next = 0

    def set_model(self, model: Any) -> None:
        """Looks at the model here: on JAX, `self.model` copies its state after each batch."""
        super().set_model(model)
        if has_own_step(model):  # which returns what it likes
            self._values_of_batches = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Begins the means of an epoch."""
        self._means, self._rows, self._next = {}, 0, 0

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the entries, which the logs of all callbacks share."""
        if logs is not None:
            logs["batch"] = batch
            rows = self._rows_of(batch)
            if rows is not None:
                logs["size"] = rows

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the entries, and replaces means over the epoch by values of the batch."""
        self.on_train_batch_begin(batch, logs)
        sizes = [self._rows_of(each) for each in range(self._next, batch + 1)]
        self._next = batch + 1
        if logs is None or not self._values_of_batches or self._rows is None:
            return
        rows = sum(size for size in sizes if size is not None)
        if None in sizes or not rows:
            self._rows = None
            _warn_of_means()
            return
        before, self._rows = self._rows, self._rows + rows
        means, self._means = (
            self._means,
            {name: float(mean) for name, mean in logs.items() if _is_mean(name)},
        )
        for name, mean in self._means.items():
            logs[name] = (mean * self._rows - means.get(name, 0.0) * before) / rows

    def restore(self, logs: dict[str, Any]) -> None:
        """Makes the logs what they were before the last call."""
        logs.pop("batch", None)
        logs.pop("size", None)
        logs.update({name: mean for name, mean in self._means.items() if name in logs})


class _RemoveEntries(keras.callbacks.Callback):
    """Removes the entries after the callback that they were added for.

    Args:
        added: what added them.
    """

    async_safe = True

    def __init__(self, added: _AddEntries) -> None:
        super().__init__()
        self._added = added

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Removes the entries."""
        if logs is not None:
            self._added.restore(logs)

    on_train_batch_end = on_train_batch_begin


def _is_mean(name: str) -> bool:
    """Returns whether an entry is the mean over the rows of an epoch so far."""
    return name in ("loss", "acc", "accuracy") or name.endswith(("_loss", "_acc", "_accuracy"))


def _warn_of_means() -> None:
    warnings.warn(
        "logs['loss'] in on_batch_end is the mean since the begin of the epoch, because the "
        "numbers of rows of the batches are not known here. In `keras` 1 and 2 it was the loss of "
        "the batch. Pass the data as arrays, or with the number of steps.",
        stacklevel=2,
    )
