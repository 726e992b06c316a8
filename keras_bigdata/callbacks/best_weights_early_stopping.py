"""Early stopping that keeps the best weights and their score in a file on disk."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import keras

from keras_bigdata.arguments import checked_bool, checked_choice, checked_int, checked_number
from keras_bigdata.callbacks.best_weights.best_weights_file import (
    BestRecord,
    check_weights_path,
    load_weights_only,
    prepare_directory,
    read_record,
    record_values,
    write_error,
)
from keras_bigdata.callbacks.best_weights.former_weights import FormerWeights
from keras_bigdata.callbacks.shared.callback_states import check_version
from keras_bigdata.callbacks.shared.keyboard_interrupt import DeferredKeyboardInterrupt
from keras_bigdata.callbacks.shared.monitor import (
    check_validation_order,
    infer_mode,
    missing_monitor_message,
    monitored_value,
    print_below_progress,
)
from keras_bigdata.callbacks.shared.training_processes import training_processes
from keras_bigdata.errors import StorageError
from keras_bigdata.keras_internals.processes import Processes

_STATE_VERSION = 1
# The attributes that `_reset` sets and training changes.
_STATE = (
    "best",
    "best_epoch",
    "wait",
    "stopped_epoch",
    "_best_weights",
    "_restored",
    "_mode",
    "_monitor_seen",
    "_last_logs",
    "_shared_logs",
)


class BestWeightsEarlyStopping(keras.callbacks.Callback):
    """Stops training when a score no longer improves, and keeps the best weights in a file.

    With equal arguments it chooses the same best epoch and stops at the same epoch as
    `keras.callbacks.EarlyStopping`. Beyond that:

    - The weights of each best epoch are written to disk at once. The file is replaced atomically:
      at any instant, even after a kill, it holds either the previous best weights or the new ones.
      `model.load_weights` reads it. Epoch, monitor, value, mode and wait are HDF5 attributes of
      the same file.
    - NaN is never the best.
    - A `monitor` that is not in the logs is an error, at the first epoch that has any validation.
    - `mode="auto"` recognizes the metrics in `val_<set>_<metric>` and `val_<output>_<metric>`.
    - Ctrl-C ends the running batch, restores the best weights and then raises
      `KeyboardInterrupt`; a second Ctrl-C raises at once. The interrupted epoch does not count. A
      program with its own SIGINT handler keeps it. Among several such callbacks, the last one
      handles Ctrl-C. With `restore_best_weights=False` Ctrl-C raises at once.

    After any other exception Keras calls no callback. A `with` block restores the weights then:

    ```python
    with best:
        model.fit(x, y, callbacks=[best])
    ```

    Restoring sets the model's weights only; the optimizer is left unchanged, as in Keras.

    If several processes train the model together, the first one writes the file and its value
    decides for all. Ctrl-C and other exceptions are raised at once there, and restore nothing.

    Each `fit` starts without a best value, and its first epoch replaces the file, unless
    `resume=True`. If the file holds a better score of another training, or weights of another
    program, these are kept as `best.former-1.weights.h5`, with a warning, and removed as soon as
    the new training reaches their score. So trainings in a loop or of keras_tuner, whose trials
    share one `filepath`, do not lose the best weights.

    Args:
        filepath: path or URL of the file for the best weights; its name ends in `.weights.h5`.
            Missing directories are created when training begins. Behind a URL (`s3://`, `gs://`,
            `az://`, `memory://`) it is uploaded in one piece.
        monitor: name of the monitored quantity, in the logs at the end of an epoch. Defaults to
            `"val_accuracy"`.
        mode: `"min"` if smaller is better, `"max"` if greater is, `"auto"` to infer it from the
            metric's name. Defaults to `"auto"`.
        patience: number of epochs without improvement after which training stops. Defaults to
            `5`.
        min_delta: smallest change, in units of the monitored quantity, that counts as an
            improvement. Defaults to `0`.
        baseline: a value to beat. Until it is beaten, an improvement does not reset the wait.
            Defaults to `None`.
        start_from_epoch: epochs before this index (from 0) are ignored. Defaults to `0`.
        restore_best_weights: whether the model has the best epoch's weights when training ends.
            They are kept in memory meanwhile, as in Keras. Defaults to `True`.
        resume: whether to continue from the file, if it exists: its value must be beaten, and the
            wait continues with the one in the file. This is the wait when the best weights were
            saved, so later epochs are not counted. The model's weights are not loaded. Defaults
            to `False`.
        verbose: 1 to print a line per epoch (best so far, saving, no improvement, stopping), or 0.
            Defaults to `0`.
        storage_options: options of the fsspec driver of a URL. They are not stored. Defaults to
            `None`.

    Attributes:
        best: the best value so far, or `None`.
        best_epoch: index of its epoch, from 0.
        wait: number of epochs since the last improvement.
        stopped_epoch: index of the epoch after which training was stopped, or 0 if it was not.

    Raises:
        TypeError: if `filepath` is not a path, or a number has the wrong type.
        ValueError: if an argument has a wrong value; while training: if `monitor` is not in the
            logs, if `mode="auto"` cannot be inferred, or if the file to resume from was written
            for another `monitor` or `mode`.
        OSError, StorageError: while training: if the file cannot be written.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_bigdata import BestWeightsEarlyStopping, WeightedValidation

    x, y = np.random.rand(100, 4), np.random.randint(0, 3, 100)
    model = keras.Sequential([keras.layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

    best = BestWeightsEarlyStopping("models/best.weights.h5", "val_accuracy", patience=5)
    model.fit(x, y, epochs=10, callbacks=[WeightedValidation((x, y)), best])
    print(best.best_epoch, best.best)

    another = keras.models.clone_model(model)
    best.restore(another)  # in another process too: from the file
    ```
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_accuracy",
        *,
        mode: str = "auto",
        patience: int = 5,
        min_delta: float = 0,
        baseline: float | None = None,
        start_from_epoch: int = 0,
        restore_best_weights: bool = True,
        resume: bool = False,
        verbose: int = 0,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.filepath = check_weights_path(filepath, storage_options)
        if not isinstance(monitor, str) or not monitor:
            raise ValueError(
                f"`monitor` must be the name of a metric. Received: monitor={monitor!r}"
            )
        self.monitor = monitor
        self.mode = checked_choice(mode, "mode", ("auto", "min", "max"))
        self.patience = checked_int(patience, "patience", 0)
        self.min_delta = abs(checked_number(min_delta, "min_delta", finite=False))
        self.baseline = (
            None if baseline is None else checked_number(baseline, "baseline", finite=False)
        )
        self.start_from_epoch = checked_int(start_from_epoch, "start_from_epoch", 0)
        self.restore_best_weights = checked_bool(restore_best_weights, "restore_best_weights")
        self.resume = checked_bool(resume, "resume")
        self.verbose = checked_choice(verbose, "verbose", (0, 1))
        self._interrupt = DeferredKeyboardInterrupt(self._restore_if_any)
        self._processes = Processes()
        self._reset()

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({str(self.filepath)!r}, monitor={self.monitor!r}, "
            f"patience={self.patience})"
        )

    def _reset(self) -> None:
        self.best: float | None = None
        self.best_epoch = 0
        self.wait = 0
        self.stopped_epoch = 0
        self._best_weights: list[Any] | None = None
        self._former = FormerWeights(self.filepath)
        self._restored = False
        # "min" or "max", once it is known.
        self._mode: str | None = None if self.mode == "auto" else self.mode
        self._resumed_mode: str | None = None
        self._monitor_seen = False
        # The logs of the last epoch: as this callback read them, and the dict that the callbacks
        # after it write to.
        self._last_logs: dict[str, Any] | None = None
        self._shared_logs: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of the training so far, as plain values and arrays."""
        values = {name.removeprefix("_"): getattr(self, name) for name in _STATE}
        return {"version": _STATE_VERSION, **values}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a state within a training. The file is left unchanged.

        Args:
            state: the result of `state_dict()`.

        Raises:
            ValueError: if the state has a different version.
        """
        check_version(self, state, _STATE_VERSION)
        for name in _STATE:
            setattr(self, name, state[name.removeprefix("_")])

    def __deepcopy__(self, memo: dict[int, Any]) -> BestWeightsEarlyStopping:
        copied = copy.copy(self)
        copied._interrupt = DeferredKeyboardInterrupt(copied._restore_if_any)
        copied._former = FormerWeights(self.filepath)
        memo[id(self)] = copied
        return copied

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Resets the state, checks that the file can be written, and defers Ctrl-C."""
        self._reset()
        self._processes = training_processes(self.model)
        self._processes.from_first(lambda: prepare_directory(self.filepath, self.model))
        if self.resume:
            self._resume_from_file()
        if self.restore_best_weights and self._processes.size == 1:
            self._interrupt.start()

    # Only hooks that need no logs: with an `on_train_batch_end` Keras would have to wait for the
    # logs of every step.
    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Ends the training if Ctrl-C was pressed."""
        self._interrupt.raise_if_pending()

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Ends the training if Ctrl-C was pressed."""
        self._interrupt.raise_if_pending()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Checks that no validation came after this callback had read the logs."""
        if not self._monitor_seen:
            check_validation_order(self._shared_logs, self.monitor, self)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Saves the weights of a better epoch, or stops after too many epochs without one."""
        self._shared_logs = logs
        self._last_logs = dict(logs or {})
        value = self._processes.from_first(lambda: monitored_value(logs or {}, self.monitor, self))
        if value is not None:
            self._monitor_seen = True
            if epoch >= self.start_from_epoch:
                self._update(epoch, value)
        self._interrupt.raise_if_pending()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Restores the best weights."""
        self._interrupt.raise_if_pending()
        self._interrupt.stop()
        self._restore_if_any()
        if self._last_logs is not None and not self._monitor_seen:
            raise ValueError(
                "Training ended without a validation. "
                + missing_monitor_message(self.monitor, self._last_logs, self)
            )

    def __enter__(self) -> BestWeightsEarlyStopping:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._interrupt.stop()
        if error is not None and not self._restored and self._processes.size == 1:
            self._restore_if_any()

    def restore(self, model: Any = None) -> None:
        """Sets a model's weights to the best ones, and leaves its optimizer unchanged.

        The weights are taken from memory if this object holds them, else from the file.

        Args:
            model: a built model of the same architecture. Defaults to the trained model.

        Raises:
            FileNotFoundError: if there are no best weights yet.
            ValueError: if `model` is `None` and no model was trained, or if the file was not
                written by this callback.
        """
        if model is None:
            model = self.model
        if model is None:
            raise ValueError("No model was trained with this callback yet: pass `model`.")
        if self._best_weights is not None:
            model.set_weights(self._best_weights)
        else:
            record = read_record(self.filepath)
            load_weights_only(model, self.filepath)
            self.best, self.best_epoch = record.value, record.epoch
        self._restored = True
        self._print(f"Restored the weights of epoch {self.best_epoch + 1}, {self._best_text()}")

    def _update(self, epoch: int, value: float) -> None:
        """Saves a new best epoch, or counts an epoch without improvement and may stop training."""
        self._restored = False
        if self._mode is None:
            self._mode = infer_mode(self.model, self.monitor)
            self._check_resumed_mode()
        self.wait += 1
        if not math.isnan(value) and (self.best is None or self._is_better(value, self.best)):
            self._save(epoch, value)
            return
        text = f"Epoch {epoch + 1}: {self.monitor} {value:.6g} did not improve"
        if self.best is not None:
            text += f" on epoch {self.best_epoch + 1}, {self._best_text()}"
        self._print(f"{text}; waited {self.wait} of {self.patience} epochs")
        # As in Keras, the first epoch never stops the training.
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True
            self._print(f"Epoch {epoch + 1}: stopping early")

    def _save(self, epoch: int, value: float) -> None:
        former = "" if self.best is None else f", previously {self.best:.6g}"
        self._print(
            f"Epoch {epoch + 1}: {self.monitor} {value:.6g} is the best so far{former}; "
            f"saving the weights to {self.filepath}"
        )
        if self.baseline is None or self._is_better(value, self.baseline):
            self.wait = 0
        record = BestRecord(epoch, self.monitor, value, str(self._mode), self.wait)
        model, is_first = self.model, self.best is None  # on JAX, this updates all processes
        try:
            self._processes.from_first(lambda: self._former.replace(model, record, is_first))
        except (OSError, StorageError) as error:
            raise write_error(error, self.filepath, epoch, not is_first) from error
        self.best, self.best_epoch = value, epoch
        if self.restore_best_weights:
            self._best_weights = self.model.get_weights()

    def _is_better(self, value: float, reference: float) -> bool:
        # Compared in Keras's float type, usually float32, as in `EarlyStopping`.
        if self._mode == "min":
            return bool(keras.ops.less(value + self.min_delta, reference))
        return bool(keras.ops.greater(value - self.min_delta, reference))

    def _resume_from_file(self) -> None:
        values = self._processes.from_first(lambda: record_values(self.filepath))
        if values is None:
            return
        record = BestRecord(**values)
        if record.monitor != self.monitor:
            raise ValueError(
                f"{self.filepath} holds the best weights for monitor={record.monitor!r}, and this "
                f"callback has monitor={self.monitor!r}. Pass the same one, or another `filepath`."
            )
        self.best, self.best_epoch, self.wait = record.value, record.epoch, record.wait
        self._resumed_mode = record.mode
        self._check_resumed_mode()
        self._print(f"Resuming from epoch {self.best_epoch + 1}, {self._best_text()}")

    def _check_resumed_mode(self) -> None:
        # mode="auto" can be inferred only when the metrics are built.
        recorded = self._resumed_mode
        if recorded and self._mode and recorded != self._mode:
            raise ValueError(
                f"{self.filepath} holds the best weights for mode={recorded!r}, and this callback "
                f"has mode={self._mode!r}. Pass the same one, or another `filepath`."
            )

    def _restore_if_any(self) -> None:
        if not self.restore_best_weights:
            return
        if self.best is None:
            self._print("There is no best epoch yet: the weights are not changed")
        else:
            self.restore()

    def _best_text(self) -> str:
        return f"{self.monitor} {self.best:.6g}"

    def _print(self, text: str) -> None:
        if self.verbose and self._processes.is_first:
            print_below_progress(self, text)
